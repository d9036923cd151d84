// SPDX-License-Identifier: GPL-2.0-only
/*
 * The answer to reclaim's question "was this page used?". Where the kernel can do
 * it, the answer for ranges that are to go first is to ignore it, which costs nothing.
 *
 * And the pressure valve: what "yes" may cost. Each "yes" puts the asking task in
 * debt, each page that it reclaims pays some of it off. Where the debt is more than
 * a few sweeps over all that the page's process keeps, reclaim has been at it in
 * vain: then the answer is "no opinion" until enough is reclaimed (first for
 * activate, then for pin). So reclaim never asks more than a fixed number of
 * questions for a page in the long run.
 *
 * And it is "no opinion" after a few futile rounds of the task: the kernel resorts
 * to an out-of-memory kill after 16, however few the pages are that it asked about.
 *
 * The kernel expects that asking clears what it asks about. MGLRU, when it hears "yes"
 * for one page of a folio, asks about 64 pages around it (lru_gen_look_around()), and
 * goes on with the folio's next page: had that the same answer again, a folio of 32
 * pages cost 2080 questions. So a "yes" is said once in a batch of reclaim, which asks
 * about a folio once: from where folios are taken off their list to where it is told
 * what became of them. Who else asks (ageing, DAMON, ...) always hears it.
 */
#include "engine.bpf.h"

/* Written by its own task alone. */
struct reclaimer {
	u64 debt; /* answers "yes" that no page reclaimed has paid for */
	u64 most; /* pages that one of the processes asked about keeps, while in debt */
	u32 futile; /* rounds of reclaim that freed nothing, less those that did; saturates */
	u32 in_batch;
	u64 mm, start, end; /* pages one after the other that "yes" was said for last */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct reclaimer);
} pp_reclaimers SEC(".maps");

/* Pages reclaimed at a time (SWAP_CLUSTER_MAX): less patience would be none. */
#define BATCH 32

static __always_inline struct reclaimer *reclaimer(u64 flags)
{
	return bpf_task_storage_get(&pp_reclaimers, (void *)bpf_get_current_task_btf(),
				    0, flags);
}

/* Was "yes" said for the page in this batch? */
static __always_inline bool said(const struct reclaimer *me, u64 mm, u64 start)
{
	return me->in_batch && me->mm == mm && start >= me->start &&
	       start < me->end;
}

static __always_inline void say(struct reclaimer *me, u64 mm, u64 start, u64 end)
{
	if (me->mm != mm || me->end != start)
		me->start = start;
	me->mm = mm;
	me->end = end;
}

static __always_inline void set_batch(struct reclaimer *me, bool begins)
{
	me->in_batch = begins;
	me->end = 0; /* nothing was said */
}

/* What a counter of pages may be short of, for each processor keeps some back. */
#define SLACK 1024

/* Pages of @kept that can be in memory at all. */
static __always_inline u64 resident(struct mm_struct *mm, u64 kept)
{
	s64 pages;

	if (!bpf_core_field_exists(mm->rss_stat[0].count))
		return kept;
	pages = BPF_CORE_READ(mm, rss_stat[0].count);
	pages = (pages > 0 ? pages : 0) + SLACK;
	return at_most(kept, pages);
}

/*
 * Whether a "yes" is affordable; if so it is charged. @kept: of the process asked
 * about. The debt is the task's, whoever it asked about, so it is the largest of
 * these that counts: else it would be too much for the small ones at once.
 */
static __always_inline bool afford(struct reclaimer *me, u8 action, u64 kept)
{
	bool pin = action == PP_ACTION_PIN;
	u64 sweeps = pin ? cfg_valve_sweeps_pin : cfg_valve_sweeps_activate;

	if (me->futile >= (pin ? cfg_valve_futile_pin : cfg_valve_futile_activate))
		return false;
	if (kept > me->most)
		me->most = kept;
	if (me->debt >= sweeps * me->most + (u64)cfg_valve_questions * BATCH)
		return false;
	me->debt++;
	return true;
}

/* Is something of what was found, from @start on, to be kept? */
static __always_inline bool keeps(const struct pp_found *found, u64 start)
{
	u64 from = start > found->range.start ? start : found->range.start;

	return pp_keeps(found->range.action) && from < found->keep_end;
}

/*
 * Finds the range by which the pages from @start to @end are judged. Of a huge page that
 * is the one with its first address, or the last that it touches, whichever is to be
 * kept, and rather by a pin.
 */
static __always_inline bool find_judge(u64 mm, u64 start, u64 end,
				       struct pp_found *found)
{
	struct pp_found first;
	bool keep;

	if (!pp_find_last(mm, start, end > start ? end - 1 : start, found))
		return false;
	if (found->range.start <= start)
		return true;
	keep = keeps(found, start);
	if (keep && found->range.action == PP_ACTION_PIN)
		return true;
	if (!pp_find(mm, start, &first))
		return keep;
	if (!keep || keeps(&first, start))
		*found = first;
	return true;
}

SEC("fmod_ret/pp_page_used")
int BPF_PROG(page_used, struct mm_struct *mm, unsigned long start,
	     unsigned long end)
{
	struct pp_range_state *state;
	struct reclaimer *me;
	struct pp_found found;
	/* in a fault, or of a page that is unmapped: a "yes" would keep nothing */
	bool aside = start == end;
	u8 action;

	if (!find_judge(pp_mm_key(mm), start, end, &found))
		return PP_ANSWER_NONE;
	action = found.range.action;
	if (pp_can_ignore() && ((1u << action) & PP_IGNORED_ACTIONS)) {
		/* of a huge page: what lies behind the range may be worth keeping */
		if (end > found.range.end)
			return PP_ANSWER_NONE;
		if (!aside)
			pp_count(PP_STAT_IGNORED, 1);
		return PP_ANSWER_IGNORE;
	}
	if (aside || !keeps(&found, start))
		return PP_ANSWER_NONE;
	me = reclaimer(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (me && said(me, found.mm, start))
		return PP_ANSWER_NONE;
	state = pp_state_of(found.mm, found.range.id);
	pp_count_range(state, PP_STAT_ASKED, 1);
	if (!me || !afford(me, action, resident(mm, found.head->kept))) {
		pp_count_range(state, PP_STAT_VALVE, 1);
		return PP_ANSWER_NONE;
	}
	pp_count_range(state, PP_STAT_KEPT, 1);
	say(me, found.mm, start, end);
	return PP_ANSWER_USED;
}

/* Where folios are taken, a batch follows that ends in one of the next two. */
SEC("tp_btf/mm_vmscan_lru_isolate")
int BPF_PROG(isolate, int zone, int order, unsigned long requested,
	     unsigned long scanned, unsigned long skipped, unsigned long taken)
{
	struct reclaimer *me = reclaimer(0);

	if (me && taken)
		set_batch(me, true);
	return 0;
}

SEC("tp_btf/mm_vmscan_lru_shrink_inactive")
int BPF_PROG(shrink_inactive, int nid, unsigned long scanned,
	     unsigned long reclaimed)
{
	struct reclaimer *me = reclaimer(0);
	u64 paid = reclaimed * cfg_valve_questions;

	if (!me)
		return 0;
	set_batch(me, false);
	if (!paid)
		return 0;
	if (me->debt > paid) {
		me->debt -= paid;
	} else {
		me->debt = 0;
		me->most = 0;
	}
	return 0;
}

/* The classic LRU asks about its active list, too. */
SEC("tp_btf/mm_vmscan_lru_shrink_active")
int BPF_PROG(shrink_active)
{
	struct reclaimer *me = reclaimer(0);

	if (me)
		set_batch(me, false);
	return 0;
}

/* A round of reclaim, all priorities of it, is over. */
static __always_inline void round_over(unsigned long reclaimed)
{
	struct reclaimer *me = reclaimer(0);

	if (!me)
		return;
	if (reclaimed)
		me->futile -= me->futile > 0;
	else if (me->futile < at_least(cfg_valve_futile_activate, cfg_valve_futile_pin))
		me->futile++;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(memcg_reclaim_end, unsigned long reclaimed)
{
	round_over(reclaimed);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(direct_reclaim_end, unsigned long reclaimed)
{
	round_over(reclaimed);
	return 0;
}
