/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams in progress. A run is what one reader of a range brought in and has
 * not yet passed; a range has PP_RUNS of them, told apart by where they end, so
 * that several threads, or one thread that reads in several places, don't drop
 * each other's read-ahead. With more readers than runs the one that has been
 * silent for longest is given up.
 */
#ifndef PP_RUNS_BPF_H
#define PP_RUNS_BPF_H

#include "share.bpf.h"

struct release {
	struct pp_range_state *state;
	u64 start, end;
	u64 left; /* pages that stay */
	bool room; /* for more than what a fault brings in */
};

static __always_inline void drop(struct release *r, u64 start, u64 end)
{
	if (start < end)
		pp_queued(r->state, bpf_pp_drop(start, end), PP_STAT_DROPPED, end - start);
}

/* Of what there is of a block, the beginning may stay. */
static long release_block(u32 i, struct release *r)
{
	u64 delta = r->state->delta, start = r->start, border, end;

	if (start >= r->end)
		return 1;
	border = rest_of_block(r->state, start - delta) + delta;
	end = at_most(block_start(r->state, start) + PP_BLOCK, r->end);
	r->start = end;
	border = at_most(at_least(border, start), end);
	if (r->room)
		r->left += pages_of(border - start);
	else
		drop(r, start, border);
	drop(r, border, end);
	return 0;
}

/*
 * The reader is done with [start, end): drop or demote it. It may stay while there is
 * room for what a fault brings in, and for as much that reclaim frees too many: it frees
 * whole folios, after which memory would not look tight.
 *
 * A global function: the verifier looks at it once, not for each of the runs.
 */
__attribute__((noinline)) int pp_run_release(struct pp_range_state *state, u32 action,
					     u64 start, u64 end)
{
	struct release r = { .state = state, .start = start, .end = end };

	if (!state || start >= end)
		return 0;
	if (action == PP_ACTION_DEACTIVATE) {
		pp_queued(state, bpf_pp_deactivate(start, end), PP_STAT_DEACTIVATED, end - start);
		return 0;
	}
	r.room = stream_has_room(state, end - start);
	if (state->share < PP_BLOCK_PAGES)
		bpf_loop((end - start) / PP_BLOCK + 2, release_block, &r, 0);
	else if (r.room)
		r.left = pages_of(end - start);
	else
		drop(&r, start, end);
	if (r.left) {
		pp_count_range(state, PP_STAT_SPARED, r.left);
		stream_leaves(state, r.left);
	}
	return 0;
}

#endif
