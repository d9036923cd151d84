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

/* Pages that current may still use before a cgroup is at its limit. */
unsigned long pp_memcg_left(void)
{
	unsigned long left = ULONG_MAX;
	struct mem_cgroup *memcg;

	if (mem_cgroup_disabled())
		return left;
	rcu_read_lock();
	for (memcg = mem_cgroup_from_task(current); memcg;
	     memcg = parent_mem_cgroup(memcg)) {
		unsigned long limit = pp_memcg_limit(memcg);
		unsigned long used = page_counter_read(&memcg->memory);

		left = min(left, used < limit ? limit - used : 0);
	}
	rcu_read_unlock();
	return left;
}

bool pp_memcg_tight(unsigned long margin)
{
	struct mem_cgroup *memcg;
	bool tight = false;

	if (mem_cgroup_disabled())
		return false;
	rcu_read_lock();
	for (memcg = mem_cgroup_from_task(current); memcg && !tight;
	     memcg = parent_mem_cgroup(memcg)) {
		unsigned long limit = pp_memcg_limit(memcg);

		tight = page_counter_read(&memcg->memory) +
				min(margin, limit >> 5) >= limit;
	}
	rcu_read_unlock();
	return tight;
}

/* Tight if no zone has room above its high watermark: kswapd is about to run. */
bool pp_machine_tight(unsigned long margin)
{
	int nid, i;

	for_each_online_node(nid) {
		pg_data_t *pgdat = NODE_DATA(nid);

		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &pgdat->node_zones[i];

			if (!populated_zone(zone))
				continue;
			if (zone_page_state(zone, NR_FREE_PAGES) >
			    high_wmark_pages(zone) + margin +
				    zone->lowmem_reserve[ZONE_NORMAL])
				return false;
		}
	}
	return true;
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
