// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory a task may use, and whether any of it is left. Looks only.
 */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page_counter.h>
#include <linux/rcupdate.h>

#include "pagepatrol.h"

/* What a cgroup and nobody above it may use, in pages. */
static unsigned long pp_memcg_limit(struct mem_cgroup *memcg)
{
	return min(READ_ONCE(memcg->memory.max), READ_ONCE(memcg->memory.high));
}

/*
 * Pages that current may still bring in until a cgroup is at its limit, but for
 * @margin (1/32 of the limit at most); negative if it is short of these.
 */
static long pp_memcg_left(unsigned long margin)
{
	struct mem_cgroup *memcg;
	long left = LONG_MAX;

	if (mem_cgroup_disabled())
		return left;
	rcu_read_lock();
	for (memcg = mem_cgroup_from_task(current); memcg;
	     memcg = parent_mem_cgroup(memcg)) {
		unsigned long limit = pp_memcg_limit(memcg);

		left = min_t(long, left, limit - page_counter_read(&memcg->memory) -
					 min(margin, limit >> 5));
	}
	rcu_read_unlock();
	return left;
}

/*
 * How often current's cgroup and those above were at a limit, by whomever that was
 * reached. Of cgroup v2 only, whose events these are.
 */
u64 pp_limit_hits(void)
{
	struct mem_cgroup *memcg;
	u64 hits = 0;

	if (mem_cgroup_disabled() || !cgroup_subsys_on_dfl(memory_cgrp_subsys))
		return 0;
	rcu_read_lock();
	for (memcg = mem_cgroup_from_task(current); memcg;
	     memcg = parent_mem_cgroup(memcg))
		hits += atomic_long_read(&memcg->memory_events_local[MEMCG_MAX]) +
			atomic_long_read(&memcg->memory_events_local[MEMCG_HIGH]);
	rcu_read_unlock();
	return hits;
}

/*
 * What pp_memcg_left() is of cgroups, of the machine: in that zone that has most. When
 * no zone has room above its high watermark, kswapd is about to run.
 */
static long pp_machine_left(unsigned long margin)
{
	long left = LONG_MIN;
	int nid, i;

	for_each_online_node(nid) {
		pg_data_t *pgdat = NODE_DATA(nid);

		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &pgdat->node_zones[i];

			if (!populated_zone(zone))
				continue;
			left = max_t(long, left,
				     zone_page_state(zone, NR_FREE_PAGES) -
				     high_wmark_pages(zone) - margin -
				     zone->lowmem_reserve[ZONE_NORMAL]);
		}
	}
	return left;
}

/* Pages that current may bring in before a page costs another; 0 or less: none. */
long pp_memory_left(unsigned long margin)
{
	return min(pp_memcg_left(margin), pp_machine_left(margin));
}

/* The lowest limit of a task, in pages. */
u64 pp_memory_limit(struct task_struct *task)
{
	unsigned long limit = totalram_pages();
	struct mem_cgroup *memcg;

	if (mem_cgroup_disabled())
		return limit;
	rcu_read_lock();
	for (memcg = mem_cgroup_from_task(task); memcg;
	     memcg = parent_mem_cgroup(memcg))
		limit = min(limit, pp_memcg_limit(memcg));
	rcu_read_unlock();
	return limit;
}
