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
#include "runs.bpf.h"

const struct pp_small_table no_small_table = {};
const struct pp_large_table no_large_table = {};

/* A table of either class; exactly one pointer is set. */
struct view {
	struct pp_small_table *small;
	struct pp_large_table *large;
	u32 half;
};

static __always_inline struct pp_range *range_at(struct view *v, u32 i)
{
	if (v->small)
		return &v->small->ranges[(v->half * PP_SMALL_RANGES + i) &
					 (2 * PP_SMALL_RANGES - 1)];
	if (v->large)
		return &v->large->ranges[(v->half * PP_MAX_RANGES + i) &
					 (2 * PP_MAX_RANGES - 1)];
	return NULL;
}

static __always_inline struct pp_table_head *head_of(struct view *v)
{
	if (v->small)
		return &v->small->head;
	if (v->large)
		return &v->large->head;
	return NULL;
}

/* Index within its half of the last range that starts at or below @addr. */
static __always_inline u32 search(struct view *v, u32 nr, u64 addr)
{
	if (v->small)
		return pp_search(v->small->ranges, 2 * PP_SMALL_RANGES, v->half,
				 nr, addr) - v->half * PP_SMALL_RANGES;
	if (v->large)
		return pp_search(v->large->ranges, 2 * PP_MAX_RANGES, v->half,
				 nr, addr) - v->half * PP_MAX_RANGES;
	return 0;
}

/* --- checking what the process sent --- */

struct check_ctx {
	struct view v;
	u64 task_size;
	u64 prev_end;
	u32 keeps;
	int err;
};

static long check_range(u32 i, struct check_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->v, i);

	if (!r)
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
	if (r->action == PP_ACTION_PIN || r->action == PP_ACTION_ACTIVATE)
		ctx->keeps = PP_TABLE_KEEPS;
	ctx->prev_end = r->end;
	return 0;
}

/* --- acting on what changes --- */

struct change_ctx {
	struct view old, new;
	u32 first, new_nr, old_nr;
	u64 mm, start, end;
};

/*
 * A range of the old table in the changed part: what its streams have pending
 * there is released while it is still mapped; its state goes unless the range
 * is still there under its id.
 */
static long leave_range(u32 i, struct change_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->old, ctx->first + i), *now;
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
	for (u32 n = 0; n < PP_RUNS; n++) {
		struct pp_run *run = &state->runs[n];
		u64 start = run->start, end = run->end;

		if (start >= end || start >= ctx->end || end <= ctx->start)
			continue;
		run->end = 0;
		if (start < ctx->start)
			start = ctx->start;
		if (end > ctx->end)
			end = ctx->end;
		pp_run_release(state, r->action, start, end);
	}
	now = ctx->new_nr ? range_at(&ctx->new, search(&ctx->new, ctx->new_nr, r->start)) : NULL;
	if (!now || now->id != r->id)
		bpf_map_delete_elem(&pp_range_states, &key);
	return 0;
}

/* A range of the new table that starts in the changed part. */
static long enter_range(u32 i, struct change_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->new, ctx->first + i), *was;
	int err = 0;

	if (!r || r->start >= ctx->end)
		return 1;
	if (r->start < ctx->start)
		return 0;
	if (r->action == PP_ACTION_PIN || r->action == PP_ACTION_ACTIVATE)
		err = bpf_pp_activate(r->start, r->end);
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
		    (was->flags & PP_RANGE_NO_READAHEAD))
			err = bpf_pp_set_readahead(r->start, r->end,
						   PP_READAHEAD_DEFAULT);
	}
	if (err)
		pp_count(PP_STAT_QUEUE_FAILED, 1);
	return 0;
}

static __always_inline void act(struct change_ctx *ctx)
{
	if (ctx->start >= ctx->end)
		return;
	if (ctx->old_nr) {
		ctx->first = search(&ctx->old, ctx->old_nr, ctx->start);
		bpf_loop(ctx->old_nr - ctx->first, leave_range, ctx, 0);
	}
	if (ctx->new_nr) {
		ctx->first = search(&ctx->new, ctx->new_nr, ctx->start);
		bpf_loop(ctx->new_nr - ctx->first, enter_range, ctx, 0);
	}
}

/* --- the table itself --- */

/* Finds the table to fill, or makes one; 0 or a negative errno. */
static __always_inline int open_table(u64 mm, u32 nr, struct view *v)
{
	struct pp_small_table *small;
	struct pp_table_head *head;
	u32 uid;
	int err;

	v->small = NULL;
	v->large = bpf_map_lookup_elem(&pp_large_tables, &mm);
	if (v->large)
		return 0;
	small = bpf_map_lookup_elem(&pp_small_tables, &mm);
	if (small && nr <= PP_SMALL_RANGES) {
		v->small = small;
		return 0;
	}
	if (!small && !nr)
		return 0; /* nothing there, nothing to put there */
	uid = bpf_get_current_uid_gid();
	if (!small && !pp_user_charge(uid))
		return -EDQUOT;
	if (nr <= PP_SMALL_RANGES)
		err = bpf_map_update_elem(&pp_small_tables, &mm, &no_small_table, BPF_NOEXIST);
	else
		err = bpf_map_update_elem(&pp_large_tables, &mm, &no_large_table, BPF_NOEXIST);
	if (err) {
		if (!small)
			pp_user_uncharge(uid);
		/* -EEXIST: another thread was faster; -E2BIG: map full */
		return err == -17 ? -EAGAIN : -ENOMEM;
	}
	pp_filter_add(mm, 1);
	if (nr <= PP_SMALL_RANGES)
		v->small = bpf_map_lookup_elem(&pp_small_tables, &mm);
	else
		v->large = bpf_map_lookup_elem(&pp_large_tables, &mm);
	head = head_of(v);
	if (!head)
		return -EAGAIN;
	head->uid = small ? small->head.uid : uid;
	head->flags = small ? small->head.flags : 0;
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
	struct check_ctx check = {};
	struct change_ctx change = {};
	struct pp_small_table *small;
	u32 flags;

	if (!head)
		return -EINVAL;
	change.old = *v;
	change.old.half = head->seq & 1;
	change.old_nr = head->nr[head->seq & 1];
	v->half = ~head->seq & 1;
	if (req->nr_ranges && read_ranges(v, req->ranges, req->nr_ranges))
		return -EFAULT;
	check.v = *v;
	check.task_size = mm->task_size;
	bpf_loop(req->nr_ranges, check_range, &check, 0);
	if (check.err)
		return check.err;

	change.new = *v;
	change.new_nr = req->nr_ranges;
	head->nr[v->half & 1] = req->nr_ranges;
	__sync_fetch_and_add(&head->seq, 1);
	flags = head->flags;
	if ((flags ^ check.keeps) & PP_TABLE_KEEPS)
		__sync_fetch_and_xor(&head->flags, PP_TABLE_KEEPS);

	/* grown out of a small table: that was still the one in force */
	small = v->large ? bpf_map_lookup_elem(&pp_small_tables, &key) : NULL;
	if (small) {
		change.old.small = small;
		change.old.large = NULL;
		change.old.half = small->head.seq & 1;
		change.old_nr = small->head.nr[small->head.seq & 1];
	}
	change.mm = key;
	change.start = req->start;
	change.end = req->end;
	act(&change);
	if (small && !bpf_map_delete_elem(&pp_small_tables, &key))
		pp_filter_add(key, -1);

	if (check.keeps && !(flags & PP_TABLE_ASKED)) {
		__sync_fetch_and_or(&head->flags, PP_TABLE_ASKED);
		if (bpf_pp_subscribe()) {
			__sync_fetch_and_and(&head->flags, ~PP_TABLE_ASKED);
			pp_count(PP_STAT_QUEUE_FAILED, 1);
		}
	}
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
	if (!mm || req->op != PP_OP_SET || req->reserved ||
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
