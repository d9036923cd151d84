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

#include "engine.bpf.h"

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
	u32 stat = PP_STAT_SPARED;
	int err = 0;

	if (!state || start >= end)
		return 0;
	if (action == PP_ACTION_DEACTIVATE) {
		err = bpf_pp_deactivate(start, end);
		stat = PP_STAT_DEACTIVATED;
	} else if (bpf_pp_memory_tight(at_least(2 * state->most, cfg_margin_pages))) {
		err = bpf_pp_drop(start, end);
		stat = PP_STAT_DROPPED;
	}
	if (err)
		pp_count(PP_STAT_QUEUE_FAILED, 1);
	else
		pp_count_range(state, stat, (end - start) >> PAGE_SHIFT);
	return 0;
}

#endif
