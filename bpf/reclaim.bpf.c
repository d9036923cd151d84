// SPDX-License-Identifier: GPL-2.0-only
/*
 * The answer to reclaim's question "was this page used?", and the pressure
 * valve: a task that reclaims in vain at the last priorities is no longer told
 * "yes" on behalf of a policy (first for activate, then for pin), so that a
 * policy can't turn into an out-of-memory kill.
 */
#include "engine.bpf.h"

struct reclaimer {
	int priority;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct reclaimer);
} pp_reclaimers SEC(".maps");

#define DEF_PRIORITY 12

static __always_inline struct reclaimer *reclaimer(u64 flags)
{
	return bpf_task_storage_get(&pp_reclaimers, (void *)bpf_get_current_task_btf(),
				    0, flags);
}

static __always_inline bool valve_open(u8 action)
{
	struct reclaimer *me = reclaimer(0);
	int open = action == PP_ACTION_PIN ? cfg_valve_pin : cfg_valve_activate;

	if (!me)
		return false;
	/* kswapd gives up before it comes to 0 */
	if (open == 0 && (bpf_get_current_task_btf()->flags & PF_KSWAPD))
		open = 1;
	return me->priority <= open;
}

SEC("fmod_ret/pp_page_used")
int BPF_PROG(page_used, struct mm_struct *mm, unsigned long start,
	     unsigned long end)
{
	struct pp_range_state *state;
	struct pp_found found;
	u8 action;

	if (!pp_find(pp_mm_key(mm), start, &found))
		return 0;
	action = found.range.action;
	if (!pp_keeps(action) || start >= found.keep_end)
		return 0;
	state = pp_state_of(found.mm, found.range.id);
	pp_count_range(state, PP_STAT_ASKED, 1);
	if (valve_open(action)) {
		pp_count_range(state, PP_STAT_VALVE, 1);
		return 0;
	}
	pp_count_range(state, PP_STAT_KEPT, 1);
	return 1;
}

SEC("tp_btf/mm_vmscan_lru_shrink_inactive")
int BPF_PROG(shrink_inactive, int nid, unsigned long scanned,
	     unsigned long reclaimed, struct reclaim_stat *stat, int priority,
	     int file)
{
	struct reclaimer *me;

	me = reclaimer(priority <= cfg_valve_activate ?
			       BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	if (me)
		me->priority = priority;
	return 0;
}

static __always_inline int reclaim_ended(void)
{
	struct reclaimer *me = reclaimer(0);

	if (me)
		me->priority = DEF_PRIORITY;
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(memcg_reclaim_end, unsigned long reclaimed)
{
	return reclaim_ended();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(direct_reclaim_end, unsigned long reclaimed)
{
	return reclaim_ended();
}

SEC("tp_btf/mm_vmscan_memcg_softlimit_reclaim_end")
int BPF_PROG(softlimit_reclaim_end, unsigned long reclaimed)
{
	return reclaim_ended();
}

SEC("tp_btf/mm_vmscan_kswapd_sleep")
int BPF_PROG(kswapd_sleep, int nid)
{
	return reclaim_ended();
}
