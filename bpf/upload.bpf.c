// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process asks for at the door: a table to be put in force for itself, or
 * one action on a part of its address space. Whose table it is follows from the
 * caller's own mm; nothing in the request names a process.
 *
 * Replaces pp_handle() of the door (door.bpf.c), which holds the RCU read lock
 * around it. Any user may call it with anything.
 */
#include "change.bpf.h"
#include "table.bpf.h"

/* Makes the table of the calling process. */
static __always_inline int make_mine(u64 key, u32 nr, struct view *v)
{
	struct pp_table_head me = {};

	me.uid = pp_payer(bpf_get_current_task_btf()->cred);
	me.tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(me.comm, sizeof(me.comm));
	return new_table(key, nr, &me, v);
}

static __always_inline int set_table(struct pp_request *req, struct mm_struct *mm)
{
	struct pp_table_head *head;
	struct change change = {};
	struct view v = {};
	u64 key;
	int err;

	if (req->action || ((req->start | req->end) & ~PAGE_MASK) ||
	    req->start > req->end || !valid_budget(req->budget))
		return -EINVAL;
	if (req->nr_ranges > PP_MAX_RANGES)
		return -E2BIG;
	key = pp_mm_key(mm);
	err = find_table(key, req->nr_ranges, &v);
	if (err == -ENOENT)
		err = make_mine(key, req->nr_ranges, &v);
	if (err)
		return err;
	head = head_of(&v);
	if (!head)
		return 0;
	err = replace_locked(req, mm->task_size,
			     req->nr_ranges ? bpf_pp_memory_limit() : 0, key, &v,
			     &change);
	if (err)
		return err;
	__sync_fetch_and_and(&head->flags, ~PP_TABLE_ATTACHED);
	if (req->start < req->end) {
		/* what was in force before this large table may be in a small one */
		if (v.large && !(change.halves.old & WHERE_LARGE))
			v.small = bpf_map_lookup_elem(&pp_small_tables, &key);
		leave_ranges(v.small, v.large, both(change.halves), req->start, req->end);
		enter_ranges(v.small, v.large, both(change.halves), req->start, req->end);
	}
	if (change.answers)
		pp_want_subscription(head);
	return 0;
}

/* Acts once, whatever the table says. */
static __always_inline int act(const struct pp_request *req, struct mm_struct *mm)
{
	u64 start = req->start, end = req->end;
	u32 stat = PP_NR_STATS;
	int err;

	if (req->nr_ranges || req->ranges || req->budget ||
	    ((start | end) & ~PAGE_MASK) || start >= end)
		return -EINVAL;
	if (req->action != PP_ACTION_ACTIVATE && req->action != PP_ACTION_DEACTIVATE &&
	    req->action != PP_ACTION_EVICT && req->action != PP_ACTION_PREFETCH)
		return -EINVAL;
	if (end > mm->task_size)
		return -ERANGE;
	if (req->action == PP_ACTION_ACTIVATE) {
		err = bpf_pp_activate(start, end);
	} else if (req->action == PP_ACTION_DEACTIVATE) {
		err = bpf_pp_deactivate(start, end);
	} else if (req->action == PP_ACTION_EVICT) {
		err = bpf_pp_drop(start, end);
		stat = PP_STAT_EVICTED;
	} else {
		err = bpf_pp_prefetch(start, end);
		stat = PP_STAT_PREFETCHED;
	}
	pp_queued(NULL, err, stat, end - start);
	/* too much is queued, or the thread is ending: no need to tell them apart */
	return !err || err == -EOPNOTSUPP ? err : -ENOMEM;
}

static __always_inline int answer(struct pp_request *req)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	int err;

	if (req->version != PP_ABI_VERSION)
		return -EPROTO;
	if (!mm)
		return -EINVAL;
	if (req->op == PP_OP_SET) {
		err = set_table(req, mm);
		if (!err)
			pp_count(PP_STAT_UPLOADS, 1);
		return err;
	}
	if (req->op != PP_OP_ACT)
		return -EINVAL;
	err = act(req, mm);
	if (!err)
		pp_count(PP_STAT_ACTS, 1);
	return err;
}

SEC("freplace/pp_handle")
int handle(struct pp_request *req)
{
	int err;

	if (!req)
		return 0;
	req->limited_by = PP_LIMITED_NO;
	req->asked = 0;
	req->granted = 0;
	err = answer(req);
	req->result = err;
	if (!err)
		return 0;
	req->limited_by = PP_LIMITED_NO;
	req->asked = 0;
	pp_count(PP_STAT_REFUSED, 1);
	if (err == -E2BIG || err == -EDQUOT)
		pp_count(PP_STAT_REFUSED_QUOTA, 1);
	else if (err == -EINVAL || err == -ERANGE || err == -EFAULT || err == -EPROTO)
		pp_count(PP_STAT_REFUSED_INVALID, 1);
	return 0;
}
