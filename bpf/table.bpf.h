/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The writer of the tables, for whoever puts one in force: finds or makes the
 * table, reads the ranges from the caller's memory, checks them, asks the budgets,
 * flips. What then has to happen to pages is the caller's business.
 */
#ifndef PP_TABLE_BPF_H
#define PP_TABLE_BPF_H

#include "account.bpf.h"
#include "budget.bpf.h"
#include "view.bpf.h"

const struct pp_small_table no_small_table = {};
const struct pp_large_table no_large_table = {};

/* --- checking what the process sent --- */

static __always_inline bool all_zero(const u8 reserved[6])
{
	return !(reserved[0] | reserved[1] | reserved[2] | reserved[3] |
		 reserved[4] | reserved[5]);
}

struct check_ctx {
	struct view v;
	u64 task_size;
	u64 prev_end;
	u64 asked; /* pages that all ranges together ask to keep */
	u64 span;  /* pages of these by their addresses */
	u64 most;  /* pages that the process may keep */
	u64 wants; /* WANTS_* */
	u32 actions; /* bits by action; looked at behind the loop: each branch in it
		      * doubles the verifier's work */
	int err;
};

static long check_range(u32 i, struct check_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->v, i);
	u32 *keep = keep_at(&ctx->v, i);

	if (!r || !keep)
		return 1;
	if (((r->start | r->end) & ~PAGE_MASK) || r->start >= r->end ||
	    r->start < ctx->prev_end || !r->id || r->action >= PP_NR_ACTIONS ||
	    (r->flags & ~PP_RANGE_FLAGS) || !valid_budget(r->budget) ||
	    !all_zero(r->reserved)) {
		ctx->err = -EINVAL;
		return 1;
	}
	if (r->end > ctx->task_size) {
		ctx->err = -ERANGE;
		return 1;
	}
	/* all of it, wherever the file ends by then, unless it has to be shared out */
	*keep = pp_keeps(r->action) ? range_pages(r) : 0;
	ctx->asked += kept_pages(r);
	if (pp_keeps(r->action)) {
		ctx->wants |= WANTS_KEPT;
		ctx->span += *keep;
		if (ctx->span > ctx->most)
			ctx->wants |= WANTS_MORE;
		if (r->budget)
			ctx->wants |= WANTS_RULES;
	}
	ctx->actions |= 1u << r->action;
	ctx->prev_end = r->end;
	return 0;
}

/* Checks a half; the pages that it asks to keep with WANTS_*, or a negative errno. */
__attribute__((noinline)) s64 check_half(struct pp_small_table *small,
					 struct pp_large_table *large, u32 new,
					 u64 task_size, u64 most)
{
	struct check_ctx check = { .task_size = task_size, .most = most };
	u32 nr = view_of(small, large, new, &check.v);

	bpf_loop(nr, check_range, &check, 0);
	if (check.err)
		return check.err;
	if (pp_can_ignore() && (check.actions & PP_IGNORED_ACTIONS))
		check.wants |= WANTS_IGNORED;
	return check.asked | check.wants;
}

/* --- the table itself --- */

static __always_inline int make_table(u64 mm, bool large)
{
	int err;

	if (large)
		err = bpf_map_update_elem(&pp_large_tables, &mm, &no_large_table, BPF_NOEXIST);
	else
		err = bpf_map_update_elem(&pp_small_tables, &mm, &no_small_table, BPF_NOEXIST);
	/* -EEXIST: another thread was faster; others: the map is full */
	return !err ? 0 : err == -EEXIST ? -EAGAIN : -ENOMEM;
}

/*
 * Finds the table to fill: 0, -ENOENT if one has to be made, -EAGAIN if another
 * thread is making it: it is nobody's until its tgid is set, which is done last. A
 * small one that is in force is looked up and nothing else.
 */
static __always_inline int find_table(u64 mm, u32 nr, struct view *v)
{
	struct pp_small_table *small = bpf_map_lookup_elem(&pp_small_tables, &mm);

	v->small = NULL;
	v->large = NULL;
	if (small && !pp_published(&small->head))
		return -EAGAIN;
	if (small && nr <= PP_SMALL_RANGES && !(small->head.flags & PP_TABLE_GROWN)) {
		v->small = small;
		return 0;
	}
	v->large = bpf_map_lookup_elem(&pp_large_tables, &mm);
	if (v->large)
		return pp_published(&v->large->head) ? 0 : -EAGAIN;
	/* nothing there, nothing to put there? */
	return !small && !nr ? 0 : -ENOENT;
}

/*
 * Makes the table to fill; 0 or a negative errno. @owner: who is charged for it,
 * if for nothing of this address space yet, and its name.
 */
static __always_inline int new_table(u64 mm, u32 nr,
				     const struct pp_table_head *owner,
				     struct view *v)
{
	struct pp_small_table *small = bpf_map_lookup_elem(&pp_small_tables, &mm);
	bool large = nr > PP_SMALL_RANGES;
	struct pp_table_head *head;
	u32 uid;
	int err;

	uid = small ? small->head.uid : owner->uid;
	if (!pp_user_charge(uid, !small, large))
		return -EDQUOT;
	err = make_table(mm, large);
	if (err) {
		pp_user_uncharge(uid, !small, large);
		return err;
	}
	pp_filter_add(mm, 1);
	if (large)
		v->large = bpf_map_lookup_elem(&pp_large_tables, &mm);
	else
		v->small = bpf_map_lookup_elem(&pp_small_tables, &mm);
	head = head_of(v);
	if (!head)
		return -EAGAIN;
	head->uid = uid;
	head->mm = mm;
	__builtin_memcpy(head->comm, owner->comm, sizeof(head->comm));
	/* a full barrier, too */
	__sync_lock_test_and_set(&head->tgid, owner->tgid);
	return 0;
}

static __always_inline long read_ranges(struct view *v, u64 from, u32 nr)
{
	if (v->small && nr <= PP_SMALL_RANGES)
		return bpf_probe_read_user(&v->small->ranges[(v->half & 1) * PP_SMALL_RANGES],
					   nr * sizeof(struct pp_range), (void *)from);
	if (v->large && nr <= PP_MAX_RANGES)
		return bpf_probe_read_user(&v->large->ranges[(v->half & 1) * PP_MAX_RANGES],
					   nr * sizeof(struct pp_range), (void *)from);
	return -EINVAL;
}

static __always_inline bool lock_table(struct pp_table_head *head)
{
	return !__sync_lock_test_and_set(&head->lock, 1);
}

static __always_inline void unlock_table(struct pp_table_head *head)
{
	__sync_lock_test_and_set(&head->lock, 0);
}

struct change {
	struct halves halves;
	bool answers; /* a range is to be kept, or ignored: reclaim has to ask */
};

/*
 * Fills and checks the idle half, flips. @head: of @v's table. The caller holds the
 * lock of that and, if that is to take the place of the small one @grown, of this as well.
 */
static __always_inline int replace(struct pp_request *req, u64 task_size,
				   u64 limit, struct view *v,
				   struct pp_table_head *head,
				   struct pp_small_table *grown,
				   struct change *change)
{
	const struct pp_table_head *before = grown ? &grown->head : head;
	u64 was = before->kept;
	s64 asked;
	int err;

	change->halves.old = where(v->large && !grown, before->seq,
				   before->nr[before->seq & 1]);
	v->half = ~head->seq & 1;
	change->halves.new = where(v->large, v->half, req->nr_ranges);
	if (req->nr_ranges && read_ranges(v, req->ranges, req->nr_ranges))
		return -EFAULT;
	asked = req->nr_ranges ? check_half(v->small, v->large, change->halves.new,
					    task_size, most_pages(req->budget, limit)) :
				 0;
	if (asked < 0)
		return asked;
	change->answers = asked & (WANTS_KEPT | WANTS_IGNORED);
	req->asked = asked & WANTS_PAGES;
	err = keep_what_fits(v, head, change->halves.new, was, limit, asked, req);
	if (err)
		return err;

	head->kept = req->granted;
	head->nr[v->half & 1] = req->nr_ranges;
	__sync_fetch_and_add(&head->seq, 1);
	/* after it: what is paid for is the new half */
	__sync_fetch_and_and(&head->flags, ~PP_TABLE_UNPAID);
	if (!!(head->flags & PP_TABLE_ANSWERS) != change->answers)
		__sync_fetch_and_xor(&head->flags, PP_TABLE_ANSWERS);
	if (grown) {
		__sync_fetch_and_or(&head->flags, grown->head.flags &
				    (PP_TABLE_ASKED | PP_TABLE_SUBSCRIBED));
		grown->head.kept = 0;
		__sync_fetch_and_or(&grown->head.flags, PP_TABLE_GROWN);
	}
	return 0;
}

/* The small table whose place @v's is about to take; NULL if there is none. */
static __always_inline struct pp_small_table *outgrown(u64 key, struct view *v)
{
	struct pp_small_table *small;

	small = v->large ? bpf_map_lookup_elem(&pp_small_tables, &key) : NULL;
	return small && !(small->head.flags & PP_TABLE_GROWN) ? small : NULL;
}

/* replace() with the locks around it. */
static __always_inline int replace_locked(struct pp_request *req, u64 task_size,
					  u64 limit, u64 key, struct view *v,
					  struct change *change)
{
	struct pp_table_head *head = head_of(v);
	struct pp_small_table *grown;
	int err = -EAGAIN;

	if (!head || !lock_table(head))
		return -EAGAIN;
	grown = outgrown(key, v);
	if (head->flags & PP_TABLE_GROWN) {
		/* another thread has just made the large one */
	} else if (!grown) {
		err = replace(req, task_size, limit, v, head, NULL, change);
	} else if (lock_table(&grown->head)) {
		if (!(grown->head.flags & PP_TABLE_GROWN))
			err = replace(req, task_size, limit, v, head, grown,
				      change);
		unlock_table(&grown->head);
	}
	unlock_table(head);
	return err;
}

#endif
