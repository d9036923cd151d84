/* SPDX-License-Identifier: GPL-2.0-only */
/* Prototypes of the kernel side's kfuncs; what each does stands in kernel/main.c. */
#ifndef PP_KFUNCS_BPF_H
#define PP_KFUNCS_BPF_H

#include "kernel_types.bpf.h"

/* special windows for bpf_pp_set_readahead() */
#define PP_READAHEAD_DEFAULT 0xffffffffu
#define PP_READAHEAD_SEQUENTIAL 0xfffffffeu

/* what pp_page_used() may answer; see enum pp_answer of kernel/pagepatrol.h */
#define PP_ANSWER_IGNORE -1
#define PP_ANSWER_NONE 0
#define PP_ANSWER_USED 1

extern int bpf_pp_subscribe(void) __ksym;
extern int bpf_pp_on_return(void) __ksym;
extern int bpf_pp_activate(u64 start, u64 end) __ksym;
extern int bpf_pp_deactivate(u64 start, u64 end) __ksym;
extern int bpf_pp_drop(u64 start, u64 end) __ksym;
extern int bpf_pp_drop_rest(u64 start, u64 end, u32 block, u32 keep) __ksym;
extern int bpf_pp_readahead(u64 start, u64 end) __ksym;
extern int bpf_pp_prefetch(u64 start, u64 end) __ksym;
extern int bpf_pp_set_readahead(u64 start, u64 end, u32 pages) __ksym;
extern s64 bpf_pp_memory_left(u32 margin) __ksym;
extern u64 bpf_pp_limit_hits(void) __ksym;
extern u64 bpf_pp_memory_limit(void) __ksym;
/* only there where PP_ANSWER_IGNORE makes a difference: built into the kernel */
extern int bpf_pp_can_ignore(void) __ksym __weak;

/* for programs that root runs */
extern struct mm_struct *bpf_pp_task_mm(struct task_struct *task) __ksym;
extern void bpf_pp_mm_put(struct mm_struct *mm) __ksym;
extern int bpf_pp_subscribe_mm(struct mm_struct *mm) __ksym;
extern u64 bpf_pp_task_memory_limit(struct task_struct *task) __ksym;

#endif
