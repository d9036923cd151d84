// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables live and die with their address space: a forked child gets a copy, the
 * end of an address space, whatever ended it, removes table and range states.
 */
#include "engine.bpf.h"
#include "account.bpf.h"

/* @torn: the copy may mix what the parent had with what it was getting. */
static __always_inline void copied(struct pp_table_head *head, u64 mm, u32 uid,
				   u32 tgid, u64 kept, bool torn)
{
	u64 may = torn ? 0 : pp_user_keep(uid, 0, kept);

	head->mm = mm;
	head->uid = uid; /* who was charged, whatever was copied */
	head->tgid = tgid;
	head->lock = 0;
	/* the child has no subscription yet */
	head->flags &= PP_TABLE_ANSWERS | PP_TABLE_ATTACHED | PP_TABLE_UNPAID;
	/* all that is in the ranges, or nothing until the child's next upload */
	if (may < kept) {
		pp_user_keep(uid, may, 0);
		may = 0;
	}
	head->kept = may;
	if (torn || may < kept)
		head->flags |= PP_TABLE_UNPAID;
	head->subscribe_errors = 0;
	head->retry = 0;
}

/* Whether a table is being replaced, or was since @seq, or is not in force any more. */
static __always_inline bool changed(const struct pp_table_head *head, u32 seq)
{
	return *(volatile u32 *)&head->lock || *(volatile u32 *)&head->seq != seq ||
	       (*(volatile u32 *)&head->flags & PP_TABLE_GROWN);
}

/*
 * fork: clone with CLONE_VM shares the address space and so the table. Another
 * thread of the parent may be replacing the table during the copy, which may
 * then mix ranges of both: it keeps nothing until the child's next upload, and
 * every kfunc checks what it is given.
 */
SEC("tp_btf/task_newtask")
int BPF_PROG(task_newtask, struct task_struct *task, u64 clone_flags)
{
	struct mm_struct *parent_mm = bpf_get_current_task_btf()->mm;
	struct mm_struct *child_mm = task->mm;
	struct pp_small_table *small;
	struct pp_large_table *large;
	struct pp_table_head *from;
	bool torn;
	u32 seq;
	u64 parent, child;
	long err;
	u64 kept;
	u32 uid;

	if (!parent_mm || !child_mm || (clone_flags & CLONE_VM))
		return 0;
	parent = pp_mm_key(parent_mm);
	child = pp_mm_key(child_mm);
	if (parent == child || !*pp_filter_slot(parent))
		return 0;
	pp_table_of(parent, &small, &large);
	if (small)
		from = &small->head;
	else if (large)
		from = &large->head;
	else
		return 0;
	if (!pp_published(from))
		return 0; /* empty, and nobody's yet */
	seq = *(volatile u32 *)&from->seq;
	torn = *(volatile u32 *)&from->lock;
	uid = from->uid;
	kept = from->kept;
	if (!pp_user_charge(uid, true, !small))
		return 0;
	if (small) {
		err = bpf_map_update_elem(&pp_small_tables, &child, small, BPF_NOEXIST);
		torn = torn || changed(from, seq);
		small = bpf_map_lookup_elem(&pp_small_tables, &child);
		if (!err && small)
			copied(&small->head, child, uid, task->tgid, kept, torn);
		if (err)
			pp_user_uncharge(uid, true, false);
	} else {
		err = bpf_map_update_elem(&pp_large_tables, &child, large, BPF_NOEXIST);
		torn = torn || changed(from, seq);
		large = bpf_map_lookup_elem(&pp_large_tables, &child);
		if (!err && large)
			copied(&large->head, child, uid, task->tgid, kept, torn);
		if (err)
			pp_user_uncharge(uid, true, true);
	}
	if (err)
		return 0;
	pp_filter_add(child, 1);
	pp_count(PP_STAT_FORKS, 1);
	return 0;
}

struct remove_ctx {
	u64 mm;
	struct pp_small_table *small;
	struct pp_large_table *large;
};

static long remove_state(u32 i, struct remove_ctx *rm)
{
	struct pp_range_key key = { .mm = rm->mm };
	struct pp_small_table *small = rm->small;
	struct pp_large_table *large = rm->large;
	u32 half;

	if (large) {
		half = large->head.seq & 1;
		key.id = large->ranges[(half * PP_MAX_RANGES + i) &
				       (2 * PP_MAX_RANGES - 1)].id;
	} else if (small) {
		half = small->head.seq & 1;
		key.id = small->ranges[(half * PP_SMALL_RANGES + i) &
				       (2 * PP_SMALL_RANGES - 1)].id;
	}
	bpf_map_delete_elem(&pp_range_states, &key);
	return 0;
}

static __always_inline int remove_tables(struct mm_struct *mm)
{
	struct remove_ctx rm = { .mm = pp_mm_key(mm) };
	struct pp_table_head *head;
	bool small, large;
	u64 kept = 0;
	u32 uid;

	if (!*pp_filter_slot(rm.mm))
		return 0;
	rm.small = bpf_map_lookup_elem(&pp_small_tables, &rm.mm);
	rm.large = bpf_map_lookup_elem(&pp_large_tables, &rm.mm);
	if (rm.large)
		head = &rm.large->head;
	else if (rm.small)
		head = &rm.small->head;
	else
		return 0;
	uid = head->uid;
	if (rm.small)
		kept += rm.small->head.kept;
	if (rm.large)
		kept += rm.large->head.kept;
	bpf_loop(head->nr[head->seq & 1], remove_state, &rm, 0);
	small = !bpf_map_delete_elem(&pp_small_tables, &rm.mm);
	large = !bpf_map_delete_elem(&pp_large_tables, &rm.mm);
	if (small)
		pp_filter_add(rm.mm, -1);
	if (large)
		pp_filter_add(rm.mm, -1);
	pp_user_uncharge(uid, true, large);
	pp_user_keep(uid, kept, 0);
	pp_count(PP_STAT_EXITS, 1);
	return 0;
}

/*
 * fentry, as the tracepoint is skipped for a process without mappings. And the
 * tracepoint, as a program on a function is skipped where it is at work on this
 * processor already, preempted by another exit; what runs at a tracepoint is not
 * preempted. There is nothing left for it then.
 */
SEC("fentry/exit_mmap")
int BPF_PROG(exit_mmap, struct mm_struct *mm)
{
	return remove_tables(mm);
}

SEC("tp_btf/exit_mmap")
int BPF_PROG(exit_mmap_again, struct mm_struct *mm)
{
	return remove_tables(mm);
}

/* How the module's subscription went; a failed one is tried again by a
 * fault, but not by each. */
SEC("fentry/pp_subscribed")
int BPF_PROG(subscribed, struct mm_struct *mm, int error)
{
	u64 key = pp_mm_key(mm);
	struct pp_small_table *small;
	struct pp_large_table *large;
	struct pp_table_head *head;

	pp_table_of(key, &small, &large);
	if (small)
		head = &small->head;
	else if (large)
		head = &large->head;
	else
		return 0;
	if (!error) {
		__sync_fetch_and_or(&head->flags, PP_TABLE_SUBSCRIBED);
	} else {
		head->subscribe_errors++;
		head->retry = bpf_ktime_get_ns() + PP_SUBSCRIBE_AGAIN;
		__sync_fetch_and_and(&head->flags, ~PP_TABLE_ASKED);
	}
	return 0;
}
