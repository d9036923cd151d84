/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types as far as the programs read them: names only, the offsets
 * come from the running kernel's BTF (CO-RE). Written out so that the build
 * needs no BTF of any kernel.
 */
#ifndef PP_KERNEL_TYPES_BPF_H
#define PP_KERNEL_TYPES_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define CLONE_VM 0x00000100

#define ENOENT 2
#define ESRCH 3
#define EBUSY 16
#define EEXIST 17
#define EAGAIN 11
#define ENOMEM 12
#define EFAULT 14
#define ENODEV 19
#define EINVAL 22
#define E2BIG 7
#define ERANGE 34
#define EPROTO 71
#define EOPNOTSUPP 95
#define ESTALE 116
#define EDQUOT 122

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	u64 ctx_id;
} mm_context_t;

struct percpu_counter {
	s64 count;
};

/* MM_FILEPAGES is the first */
struct mm_struct {
	unsigned long task_size;
	struct percpu_counter rss_stat[1];
	mm_context_t context;
};

typedef struct {
	u32 val;
} kuid_t;

struct user_namespace {
	struct user_namespace *parent;
	int level;
	kuid_t owner;
};

struct cred {
	kuid_t uid;
	struct user_namespace *user_ns;
};

struct task_struct {
	struct mm_struct *mm;
	unsigned long min_flt, maj_flt;
	int tgid;
	const struct cred *real_cred;
	const struct cred *cred;
	char comm[16];
};

struct super_block {
	u32 s_dev;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
	u32 i_generation;
};

struct address_space {
	struct inode *host;
	unsigned long nrpages;
};

struct file {
	struct address_space *f_mapping;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_pgoff;
	struct mm_struct *vm_mm;
	struct file *vm_file;
};

struct readahead_control {
	struct file *file;
	struct address_space *mapping;
};

struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long pgoff;
	unsigned long address;
};

struct folio {
	unsigned long flags;
	struct address_space *mapping;
	unsigned long index;
	unsigned int _folio_nr_pages;
};

enum pageflags {
	PG_head = 6,
};

#pragma clang attribute pop

#endif
