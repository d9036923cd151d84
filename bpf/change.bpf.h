/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens at once to the pages of ranges that go, and of ranges that come,
 * when a process replaces its table.
 */
#ifndef PP_CHANGE_BPF_H
#define PP_CHANGE_BPF_H

#include "runs.bpf.h"
#include "view.bpf.h"

struct change_ctx {
	struct pp_small_table *small;
	struct pp_large_table *large;
	struct view view; /* the half whose ranges are looked at */
	struct halves halves;
	u32 first;
	u64 mm, start, end;
};

struct cut_ctx {
	struct pp_range_state *state;
	u64 from, to;
	u8 action;
};

/* Takes the part that changes out of a run; what it takes is released. */
static long cut_run(u32 i, struct cut_ctx *ctx)
{
	struct pp_run *run = &ctx->state->runs[i & (PP_RUNS - 1)];
	u64 start = run->start, end = run->end;

	if (start >= end || start >= ctx->to || end <= ctx->from)
		return 0;
	if (start < ctx->from) {
		run->end = ctx->from; /* what lies behind the part goes with it */
		start = ctx->from;
	} else if (end > ctx->to) {
		run->start = ctx->to;
	} else {
		run->end = 0;
	}
	/* cut to the range: the state may have been another's a moment ago */
	pp_run_release(ctx->state, ctx->action, start, at_most(end, ctx->to));
	return 0;
}

/*
 * Global functions from here on: what they do is looked at by the verifier once,
 * not once for each way that leads to them.
 */
/* Returns whether the range has a state. */
__attribute__((noinline)) int cut_runs(u64 mm, u32 id, u32 action, u64 from, u64 to)
{
	struct cut_ctx ctx = { .action = action, .from = from, .to = to };

	ctx.state = pp_state_of(mm, id);
	if (!ctx.state)
		return 0;
	bpf_loop(PP_RUNS, cut_run, &ctx, 0);
	if (action == PP_ACTION_STREAM && may_share(ctx.state))
		stream_cut(ctx.state, from, to, 0);
	return 1;
}

#define ID_COVERS (1ull << 32)

/* Id of the last range that starts at or below @addr, if any; with ID_COVERS if it
 * ends above. */
__attribute__((noinline)) u64 id_at(struct pp_small_table *small,
				    struct pp_large_table *large, u32 half, u64 addr)
{
	struct view v;
	u32 nr = view_of(small, large, half, &v);
	struct pp_range *r;

	r = nr ? range_at(&v, search(&v, nr, addr)) : NULL;
	if (!r || r->start > addr)
		return 0;
	return r->id | (addr < r->end ? ID_COVERS : 0);
}

/* The read-ahead window that a range wants, as bpf_pp_set_readahead() takes it. */
static __always_inline u32 window_of(const struct pp_range *r)
{
	if (r->flags & PP_RANGE_NO_READAHEAD)
		return 0;
	if (r->read_ahead != PP_READ_AHEAD_DEFAULT)
		return r->read_ahead;
	return r->action == PP_ACTION_STREAM ? PP_READAHEAD_SEQUENTIAL :
					       PP_READAHEAD_DEFAULT;
}

/* The window that the range at an address wants. */
__attribute__((noinline)) u32 window_at(struct pp_small_table *small,
					struct pp_large_table *large, u32 half,
					u64 addr)
{
	struct view v;
	u32 nr = view_of(small, large, half, &v);
	struct pp_range *r;

	r = nr ? range_at(&v, search(&v, nr, addr)) : NULL;
	return r && r->start <= addr && addr < r->end ? window_of(r) :
							PP_READAHEAD_DEFAULT;
}

/* As id_at(), of the new half, which may be empty: then no call is needed. */
static __always_inline u64 new_id_at(struct change_ctx *ctx, u64 addr)
{
	if (!where_nr(ctx->halves.new))
		return 0;
	return id_at(ctx->small, ctx->large, ctx->halves.new, addr);
}

/*
 * A range of the old table in the changed part: what its streams have pending
 * there is released while it is still mapped, and what an EVICT range had there
 * is dropped. Its state goes unless the range is still there under its id, at its
 * old start or at its old end; so does its read-ahead window.
 */
static long leave_range(u32 i, struct change_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->view, ctx->first + i);
	struct pp_range_key key = { .mm = ctx->mm };
	bool has_state;
	u64 from, to;

	if (!r || r->start >= ctx->end)
		return 1;
	if (r->end <= ctx->start)
		return 0;
	from = at_least(r->start, ctx->start);
	to = at_most(r->end, ctx->end);
	key.id = r->id;
	has_state = cut_runs(ctx->mm, r->id, r->action, from, to);
	if (r->action == PP_ACTION_EVICT &&
	    new_id_at(ctx, from) != (r->id | ID_COVERS))
		pp_queued(NULL, bpf_pp_drop(from, to), PP_STAT_EVICTED, to - from);
	if ((u32)new_id_at(ctx, r->start) == r->id ||
	    (u32)new_id_at(ctx, r->end - 1) == r->id)
		return 0;
	if (has_state)
		bpf_map_delete_elem(&pp_range_states, &key);
	if (window_of(r) != PP_READAHEAD_DEFAULT)
		pp_queued(NULL, bpf_pp_set_readahead(from, to, PP_READAHEAD_DEFAULT),
		       PP_NR_STATS, 0);
	return 0;
}

/* A range of the new table that starts in the changed part. */
static long enter_range(u32 i, struct change_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->view, ctx->first + i);
	u32 *keep = keep_at(&ctx->view, ctx->first + i);
	u32 window;
	u64 start, end;

	if (!r || !keep || r->start >= ctx->end)
		return 1;
	start = r->start;
	end = r->end;
	if (start < ctx->start)
		return 0;
	if (*keep) {
		pp_queued(NULL, bpf_pp_activate(start, start + ((u64)*keep << PAGE_SHIFT)),
		       PP_NR_STATS, 0);
	} else if (r->action == PP_ACTION_DEACTIVATE) {
		pp_queued(NULL, bpf_pp_deactivate(start, end), PP_NR_STATS, 0);
	} else if (r->action == PP_ACTION_PREFETCH && r->pages) {
		if (r->pages < (end - start) >> PAGE_SHIFT)
			end = start + ((u64)r->pages << PAGE_SHIFT);
		pp_queued(NULL, bpf_pp_prefetch(start, end), PP_STAT_PREFETCHED, end - start);
		end = r->end;
	}
	if (r->action == PP_ACTION_STREAM && has_blocks(start, end))
		stream_enters(ctx->mm, r->id, start);
	window = window_of(r);
	if (window != PP_READAHEAD_DEFAULT ||
	    (where_nr(ctx->halves.old) &&
	     window_at(ctx->small, ctx->large, ctx->halves.old, start) !=
		     PP_READAHEAD_DEFAULT))
		pp_queued(NULL, bpf_pp_set_readahead(start, end, window), PP_NR_STATS, 0);
	return 0;
}

/* Sets @ctx to look at the ranges of @half from the one at @start on; how many. */
static __always_inline u32 change_of(struct change_ctx *ctx, u32 half, u64 halves)
{
	u32 nr;

	ctx->halves.old = halves;
	ctx->halves.new = halves >> 32;
	nr = view_of(ctx->small, ctx->large, half, &ctx->view);
	if (!nr)
		return 0;
	ctx->mm = head_of(&ctx->view)->mm;
	ctx->first = search(&ctx->view, nr, ctx->start);
	return nr - ctx->first;
}

/* @halves: both(); @small and @large: the tables that they are halves of. */
__attribute__((noinline)) int leave_ranges(struct pp_small_table *small,
					   struct pp_large_table *large, u64 halves,
					   u64 start, u64 end)
{
	struct change_ctx ctx = { .small = small, .large = large, .start = start, .end = end };
	u32 nr = change_of(&ctx, halves, halves);

	if (nr)
		bpf_loop(nr, leave_range, &ctx, 0);
	return 0;
}

__attribute__((noinline)) int enter_ranges(struct pp_small_table *small,
					   struct pp_large_table *large, u64 halves,
					   u64 start, u64 end)
{
	struct change_ctx ctx = { .small = small, .large = large, .start = start, .end = end };
	u32 nr = change_of(&ctx, halves >> 32, halves);

	if (nr)
		bpf_loop(nr, enter_range, &ctx, 0);
	return 0;
}

#endif
