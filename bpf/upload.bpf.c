// SPDX-License-Identifier: GPL-2.0-only
/*
 * The writer of the tables: takes the whole sorted table of the calling
 * process, checks it, puts it in force and acts on what changed. Whose table it
 * is follows from the caller's own mm; nothing in the request names a process.
 *
 * Replaces pp_handle() of the door (door.bpf.c), which holds the RCU read lock
 * around it. Any user may call it with anything.
 */
#include "account.bpf.h"
#include "budget.bpf.h"
#include "runs.bpf.h"
#include "view.bpf.h"

const struct pp_small_table no_small_table = {};
const struct pp_large_table no_large_table = {};

/* --- checking what the process sent --- */

struct check_ctx {
	struct view v;
	u64 task_size;
	u64 prev_end;
	u64 keep; /* pages that all ranges together ask to keep */
	int err;
};

static long check_range(u32 i, struct check_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->v, i);
	u32 *keep = keep_at(&ctx->v, i);

	if (!r || !keep)
		return 1;
	if (((r->start | r->end) & ~PAGE_MASK) || r->start >= r->end ||
	    r->start < ctx->prev_end || !r->id || !r->action ||
	    r->action >= PP_NR_ACTIONS || (r->flags & ~PP_RANGE_FLAGS)) {
		ctx->err = -EINVAL;
		return 1;
	}
	if (r->end > ctx->task_size) {
		ctx->err = -ERANGE;
		return 1;
	}
	*keep = kept_pages(r);
	ctx->keep += *keep;
	ctx->prev_end = r->end;
	return 0;
}

/* Checks a half; the pages that it asks to keep, or a negative errno. */
__attribute__((noinline)) s64 check_half(u64 mm, u64 new, u64 task_size)
{
	struct check_ctx check = { .task_size = task_size };
	u32 nr = view_of(mm, new, &check.v);

	bpf_loop(nr, check_range, &check, 0);
	return check.err ? check.err : (s64)check.keep;
}

/* --- acting on what changes --- */

struct change_ctx {
	struct view old, new;
	u32 first, new_nr, old_nr;
	u64 mm, start, end;
};

/* Takes the changed part out of a run; what it takes is released. */
static __always_inline void cut_run(struct pp_range_state *state,
				    struct pp_run *run,
				    const struct pp_range *r, u64 from, u64 to)
{
	u64 start = run->start, end = run->end;

	if (start >= end || start >= to || end <= from)
		return;
	if (start < from) {
		run->end = from; /* what lies behind the part goes with it */
		start = from;
	} else if (end > to) {
		run->start = to;
		end = to;
	} else {
		run->end = 0;
	}
	if (end > r->end)
		end = r->end; /* the state may have been another's a moment ago */
	pp_run_release(state, r->action, start < r->start ? r->start : start, end);
}

static __always_inline bool is_at(struct change_ctx *ctx, u32 id, u64 addr)
{
	struct pp_range *r = range_at(&ctx->new, search(&ctx->new, ctx->new_nr, addr));

	return r && r->id == id;
}

/*
 * A range of the old table in the changed part: what its streams have pending
 * there is released while it is still mapped; its state goes unless the range
 * is still there under its id, at its old start or at its old end.
 */
static long leave_range(u32 i, struct change_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->old, ctx->first + i);
	struct pp_range_key key = { .mm = ctx->mm };
	struct pp_range_state *state;

	if (!r || r->start >= ctx->end)
		return 1;
	if (r->end <= ctx->start)
		return 0;
	key.id = r->id;
	state = bpf_map_lookup_elem(&pp_range_states, &key);
	if (!state)
		return 0;
	for (u32 n = 0; n < PP_RUNS; n++)
		cut_run(state, &state->runs[n], r, ctx->start, ctx->end);
	if (!ctx->new_nr ||
	    (!is_at(ctx, r->id, r->start) && !is_at(ctx, r->id, r->end - 1)))
		bpf_map_delete_elem(&pp_range_states, &key);
	return 0;
}

/* A range of the new table that starts in the changed part. */
static long enter_range(u32 i, struct change_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->new, ctx->first + i), *was;
	u32 *keep = keep_at(&ctx->new, ctx->first + i);
	int err = 0;

	if (!r || !keep || r->start >= ctx->end)
		return 1;
	if (r->start < ctx->start)
		return 0;
	if (*keep)
		err = bpf_pp_activate(r->start, r->start + ((u64)*keep << PAGE_SHIFT));
	else if (r->action == PP_ACTION_DEACTIVATE)
		err = bpf_pp_deactivate(r->start, r->end);
	if (err)
		pp_count(PP_STAT_QUEUE_FAILED, 1);
	err = 0;
	if (r->flags & PP_RANGE_NO_READAHEAD) {
		err = bpf_pp_set_readahead(r->start, r->end, 0);
	} else if (r->action == PP_ACTION_STREAM) {
		err = bpf_pp_set_readahead(r->start, r->end,
					   PP_READAHEAD_SEQUENTIAL);
	} else if (ctx->old_nr) {
		was = range_at(&ctx->old, search(&ctx->old, ctx->old_nr, r->start));
		if (was && was->start <= r->start && r->start < was->end &&
		    ((was->flags & PP_RANGE_NO_READAHEAD) ||
		     was->action == PP_ACTION_STREAM))
			err = bpf_pp_set_readahead(r->start, r->end,
						   PP_READAHEAD_DEFAULT);
	}
	if (err)
		pp_count(PP_STAT_QUEUE_FAILED, 1);
	return 0;
}

static __always_inline void change_of(struct change_ctx *ctx, u64 mm, u64 old,
				      u64 new, u64 start, u64 end)
{
	ctx->old_nr = view_of(mm, old, &ctx->old);
	ctx->new_nr = view_of(mm, new, &ctx->new);
	ctx->mm = mm;
	ctx->start = start;
	ctx->end = end;
}

__attribute__((noinline)) int leave_ranges(u64 mm, u64 old, u64 new, u64 start,
					   u64 end)
{
	struct change_ctx ctx = {};

	change_of(&ctx, mm, old, new, start, end);
	if (!ctx.old_nr)
		return 0;
	ctx.first = search(&ctx.old, ctx.old_nr, start);
	bpf_loop(ctx.old_nr - ctx.first, leave_range, &ctx, 0);
	return 0;
}

__attribute__((noinline)) int enter_ranges(u64 mm, u64 old, u64 new, u64 start,
					   u64 end)
{
	struct change_ctx ctx = {};

	change_of(&ctx, mm, old, new, start, end);
	if (!ctx.new_nr)
		return 0;
	ctx.first = search(&ctx.new, ctx.new_nr, start);
	bpf_loop(ctx.new_nr - ctx.first, enter_range, &ctx, 0);
	return 0;
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

/* Finds the table to fill, or makes one; 0 or a negative errno. */
static __always_inline int open_table(u64 mm, u32 nr, struct view *v)
{
	struct pp_small_table *small = bpf_map_lookup_elem(&pp_small_tables, &mm);
	bool large = nr > PP_SMALL_RANGES;
	struct pp_table_head *head;
	u32 uid;
	int err;

	v->small = NULL;
	v->large = bpf_map_lookup_elem(&pp_large_tables, &mm);
	if (v->large)
		return 0;
	if (small && !large) {
		v->small = small;
		return 0;
	}
	if (!small && !nr)
		return 0; /* nothing there, nothing to put there */
	uid = small ? small->head.uid : (u32)bpf_get_current_uid_gid();
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
	head->tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(head->comm, sizeof(head->comm));
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

/* Fills and checks the idle half, flips, acts. The caller holds the lock. */
static __always_inline int replace(const struct pp_request *req,
				   struct mm_struct *mm, u64 key, struct view *v)
{
	struct pp_table_head *head = head_of(v);
	struct pp_small_table *small;
	u64 old, new;
	s64 keep;

	if (!head)
		return -EINVAL;
	old = where(v, head->seq, head->nr[head->seq & 1]);
	v->half = ~head->seq & 1;
	new = where(v, v->half, req->nr_ranges);
	if (req->nr_ranges && read_ranges(v, req->ranges, req->nr_ranges))
		return -EFAULT;
	keep = check_half(key, new, mm->task_size);
	if (keep < 0)
		return keep;
	head->kept = keep ? keep_what_fits(key, new, keep) : 0;
	head->nr[v->half & 1] = req->nr_ranges;
	__sync_fetch_and_add(&head->seq, 1);
	if (!!(head->flags & PP_TABLE_KEEPS) != !!keep)
		__sync_fetch_and_xor(&head->flags, PP_TABLE_KEEPS);

	/* grown out of a small table: that was still the one in force */
	small = v->large ? bpf_map_lookup_elem(&pp_small_tables, &key) : NULL;
	if (small && !(small->head.flags & PP_TABLE_GROWN)) {
		old = (u64)small->head.nr[small->head.seq & 1] << 32 |
		      (small->head.seq & 1);
		__sync_fetch_and_or(&head->flags, small->head.flags &
				    (PP_TABLE_ASKED | PP_TABLE_SUBSCRIBED));
		__sync_fetch_and_or(&small->head.flags, PP_TABLE_GROWN);
	}
	if (req->start < req->end) {
		leave_ranges(key, old, new, req->start, req->end);
		enter_ranges(key, old, new, req->start, req->end);
	}
	if (keep)
		pp_want_subscription(head);
	return 0;
}

static __always_inline int set_table(const struct pp_request *req)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	struct pp_table_head *head;
	struct view v = {};
	u64 key;
	int err;

	if (req->version != PP_ABI_VERSION)
		return -EPROTO;
	if (!mm || req->op != PP_OP_SET || req->action ||
	    ((req->start | req->end) & ~PAGE_MASK) || req->start > req->end)
		return -EINVAL;
	if (req->nr_ranges > PP_MAX_RANGES)
		return -E2BIG;
	key = pp_mm_key(mm);
	err = open_table(key, req->nr_ranges, &v);
	if (err)
		return err;
	head = head_of(&v);
	if (!head)
		return 0;
	if (__sync_lock_test_and_set(&head->lock, 1))
		return -EAGAIN;
	err = replace(req, mm, key, &v);
	__sync_lock_test_and_set(&head->lock, 0);
	return err;
}

SEC("freplace/pp_handle")
int handle(struct pp_request *req)
{
	int err;

	if (!req)
		return 0;
	err = set_table(req);
	req->result = err;
	if (!err) {
		pp_count(PP_STAT_UPLOADS, 1);
		return 0;
	}
	pp_count(PP_STAT_REFUSED, 1);
	if (err == -E2BIG || err == -EDQUOT)
		pp_count(PP_STAT_REFUSED_QUOTA, 1);
	else if (err == -EINVAL || err == -ERANGE || err == -EFAULT || err == -EPROTO)
		pp_count(PP_STAT_REFUSED_INVALID, 1);
	return 0;
}
