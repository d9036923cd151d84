/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What PagePatrol's files share. Private to them.
 */
#ifndef PP_PAGEPATROL_H
#define PP_PAGEPATROL_H

#include <linux/mm_types.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/types.h>

/* --- main.c: an atomic_t to look at in /sys/module/pagepatrol/parameters --- */

extern const struct kernel_param_ops pp_count_ops;

/* --- hooks.c: what BPF programs answer --- */

/**
 * enum pp_answer - what becomes of a reference to a page
 * @PP_ANSWER_IGNORE: accesses by this mapping don't count (only where PagePatrol is
 *	built in; for the module, which can't take them back, as NONE)
 * @PP_ANSWER_NONE: no opinion, as without a policy
 * @PP_ANSWER_USED: the page counts as used, whatever its accessed bit says
 *
 * Any negative and any positive number counts as the first and the last.
 */
enum pp_answer {
	PP_ANSWER_IGNORE = -1,
	PP_ANSWER_NONE = 0,
	PP_ANSWER_USED = 1,
};

int pp_page_used(struct mm_struct *mm, unsigned long start, unsigned long end);
int pp_subscribed(struct mm_struct *mm, int error);

/* --- notifier.c, or built in reference.c: address spaces that are asked about --- */

void pp_do_subscribe(struct mm_struct *mm);
#ifdef MODULE
void pp_end_subscriptions(void);
#endif

int pp_returning(struct mm_struct *mm);

/* --- work.c: what is done to a range of current->mm --- */

/*
 * bpf_pp_set_readahead(): what the device says; twice that, as for
 * POSIX_FADV_SEQUENTIAL
 */
#define PP_READAHEAD_DEFAULT U32_MAX
#define PP_READAHEAD_SEQUENTIAL (U32_MAX - 1)

enum pp_work_op {
	PP_WORK_SUBSCRIBE,
	PP_WORK_RETURN,
	PP_WORK_ACTIVATE,
	PP_WORK_DEACTIVATE,
	PP_WORK_DROP,
	PP_WORK_DROP_REST,
	PP_WORK_SET_READAHEAD,
	PP_WORK_READAHEAD,
	PP_WORK_PREFETCH,
};

struct pp_work {
	struct mm_struct *mm; /* compared, never followed: execve changes it */
	enum pp_work_op op;
	unsigned long start;
	unsigned long end;
	u32 pages; /* of SET_READAHEAD: the window; of DROP_REST: what stays of a block */
	u32 block; /* of DROP_REST: pages, a power of two */
};

/*
 * How much of a range is worked on under one hold of the mmap lock: up to the next
 * multiple of it in the file, for a large folio does not reach over that, and one that
 * is cut in two is dropped neither with its first part nor with its last.
 */
#define PP_CHUNK (4UL << 20)

bool pp_do_at_once(const struct pp_work *work);
void pp_do(const struct pp_work *work);

/* --- queue.c: when it is done --- */

void pp_queue_init(void);
int pp_queue(struct pp_work work);

/* --- memory.c: how much there is, and how much is left --- */

long pp_memory_left(unsigned long margin);
u64 pp_limit_hits(void);
u64 pp_memory_limit(struct task_struct *task);

#endif
