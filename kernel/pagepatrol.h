/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module's files share. Private to the module.
 */
#ifndef PP_PAGEPATROL_H
#define PP_PAGEPATROL_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/types.h>

/* --- subscribe.c: address spaces that are asked about in reclaim --- */

void pp_do_subscribe(struct mm_struct *mm);
void pp_end_subscriptions(void);

int pp_returning(struct mm_struct *mm);

/* --- work.c: work on a range of current->mm, queued --- */

/* bpf_pp_set_readahead(): what the device says; twice that, as for
 * POSIX_FADV_SEQUENTIAL */
#define PP_READAHEAD_DEFAULT U32_MAX
#define PP_READAHEAD_SEQUENTIAL (U32_MAX - 1)

enum pp_work_op {
	PP_WORK_SUBSCRIBE,
	PP_WORK_RETURN,
	PP_WORK_ACTIVATE,
	PP_WORK_DEACTIVATE,
	PP_WORK_DROP,
	PP_WORK_READAHEAD,
	PP_WORK_PREFETCH,
};

int pp_queue(enum pp_work_op op, u64 start, u64 end, u32 arg);

/* --- memory.c: how much there is, and how much is left --- */

bool pp_memcg_tight(unsigned long margin);
bool pp_machine_tight(unsigned long margin);
unsigned long pp_memcg_left(void);
u64 pp_memory_limit(struct task_struct *task);

#endif
