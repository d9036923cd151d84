/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the engine's programs share: maps, parameters, counters and the look-up of
 * the range that an address lies in.
 *
 * A table is read without a lock (in faults and in reclaim) while its process
 * replaces it: it has two halves, the writer fills the idle one and then flips
 * seq. A reader copies what it found and looks at seq again; if that moved, it
 * has no opinion.
 */
#ifndef PP_ENGINE_BPF_H
#define PP_ENGINE_BPF_H

#include "kernel_types.bpf.h"
#include "kfuncs.bpf.h"
#include "maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PP_MAX_SMALL_TABLES);
	__type(key, u64);
	__type(value, struct pp_small_table);
} pp_small_tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PP_MAX_LARGE_TABLES);
	__type(key, u64);
	__type(value, struct pp_large_table);
} pp_large_tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PP_MAX_RANGE_STATES);
	__type(key, struct pp_range_key);
	__type(value, struct pp_range_state);
} pp_range_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PP_NR_STATS);
	__type(key, u32);
	__type(value, u64);
} pp_totals SEC(".maps");

/* Written by the loader, read by the tools. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pp_limits);
} pp_limits SEC(".maps");

/* How many tables hash to a slot; 0: an mm there has none for certain. */
__u32 pp_filter[PP_FILTER_SLOTS];

/* --- parameters, set by the loader before the programs are loaded --- */

/* Processes with ranges that one user may have. */
const volatile __u32 cfg_max_tables_per_user = 1024;
/* Pages that the processes of one user may keep together; 0: no limit. */
const volatile __u64 cfg_max_kept_pages_per_user = 0;
/* Share of its memory limit that a process may keep, in per cent. */
const volatile __u32 cfg_keep_percent = 75;
/* Pages that count as "no room": a stream starts to drop when fewer are left; see stream_margin(). */
const volatile __u32 cfg_margin_pages = 256;
/* Pages behind the reader that stay: it may still be at them (fault-around). */
const volatile __u32 cfg_lag_pages = 64;
/* Pages of the cache from which on streams share them out by blocks (share.bpf.h): of less,
 * the blocks that are being read would be much. */
const volatile __u32 cfg_share_pages = 64 * PP_BLOCK_PAGES;
/* The pressure valve: answers "yes" that a page reclaimed pays for, how often all
 * that a process keeps may be swept in vain, and in how many rounds of reclaim. */
const volatile __u32 cfg_valve_questions = 32;
const volatile __u32 cfg_valve_sweeps_activate = 6;
const volatile __u32 cfg_valve_sweeps_pin = 8;
const volatile __u32 cfg_valve_futile_activate = 2;
const volatile __u32 cfg_valve_futile_pin = 4;

static __always_inline u64 at_least(u64 x, u64 least)
{
	return x < least ? least : x;
}

static __always_inline u64 at_most(u64 x, u64 most)
{
	return x > most ? most : x;
}

/* What a look-up found, copied. */
struct pp_found {
	u64 mm;
	struct pp_table_head *head;
	struct pp_range range;
	u64 keep_end; /* below it the budget lets a page be kept */
};

/*
 * The key of an address space: its ctx_id where the architecture has one, as it
 * is never used again; else its address. Not the pid: threads, vfork, a dead
 * group leader and faults on behalf of others all break that.
 */
static __always_inline u64 pp_mm_key(struct mm_struct *mm)
{
	if (bpf_core_field_exists(mm->context.ctx_id))
		return mm->context.ctx_id;
	return (u64)mm;
}

static __always_inline u32 *pp_filter_slot(u64 mm)
{
	return &pp_filter[(mm ^ (mm >> 14)) & (PP_FILTER_SLOTS - 1)];
}

static __always_inline void pp_count(u32 stat, u64 n)
{
	u64 *total = bpf_map_lookup_elem(&pp_totals, &stat);

	if (total)
		*total += n;
}

static __always_inline void pp_count_range(struct pp_range_state *state,
					   u32 stat, u64 n)
{
	pp_count(stat, n);
	if (state && stat < PP_NR_RANGE_STATS)
		__sync_fetch_and_add(&state->stats[stat], n);
}

/* Counts what was queued, for a range if it has a state, unless it could not be (@err). */
static __always_inline void pp_queued(struct pp_range_state *state, int err, u32 stat,
				      u64 bytes)
{
	if (err)
		pp_count(PP_STAT_QUEUE_FAILED, 1);
	else if (stat < PP_NR_STATS)
		pp_count_range(state, stat, bytes >> PAGE_SHIFT);
}

/*
 * 1 if x <= y, for values below 2^63, without a branch: with one the verifier
 * would follow 2^10 paths through an unrolled search.
 */
static __always_inline u64 pp_le(u64 x, u64 y)
{
	u64 d = x - y - 1;

	asm volatile("%0 >>= 63" : "+r"(d));
	return d;
}

/*
 * Index of the last of @nr sorted ranges in a half that starts at or below
 * @addr (0 if there is none such: check the range). @slots: of both halves.
 */
static __always_inline u32 pp_search(const struct pp_range *ranges, u32 slots,
				     u32 half, u32 nr, u64 addr)
{
	u32 base = half * (slots / 2), pos = 0;

#pragma unroll
	for (u32 step = PP_MAX_RANGES / 2; step; step >>= 1) {
		u32 try = pos | step;

		if (step >= slots / 2)
			continue;
		pos |= step * (u32)(pp_le(try + 1, nr) &
				    pp_le(ranges[(base + try) & (slots - 1)].start,
					  addr));
	}
	return (base + pos) & (slots - 1);
}

static __always_inline bool pp_find_in(struct pp_table_head *head,
				       const struct pp_range *ranges,
				       const u32 *keep, u32 slots, u64 first,
				       u64 last, struct pp_found *found)
{
	u32 seq = *(volatile u32 *)&head->seq, half = seq & 1;
	u32 nr = *(volatile u32 *)&head->nr[half], i;

	if (!nr || nr > slots / 2)
		return false;
	i = pp_search(ranges, slots, half, nr, last);
	found->range = ranges[i];
	found->keep_end = ranges[i].start;
	if (!(head->flags & PP_TABLE_UNPAID))
		found->keep_end += (u64)keep[i] << PAGE_SHIFT;
	found->head = head;
	barrier();
	return found->range.start <= last && first < found->range.end &&
	       *(volatile u32 *)&head->seq == seq;
}

/*
 * The table in force of an address space: *small or *large is set, or neither.
 * A small table that was outgrown stays until the end of the address space, as
 * its memory may be given to another process the moment it is deleted, while
 * a thread is still at it.
 */
static __always_inline void pp_table_of(u64 mm, struct pp_small_table **small,
					struct pp_large_table **large)
{
	*large = NULL;
	*small = bpf_map_lookup_elem(&pp_small_tables, &mm);
	if (*small && !((*small)->head.flags & PP_TABLE_GROWN))
		return;
	*small = NULL;
	*large = bpf_map_lookup_elem(&pp_large_tables, &mm);
}

/* Whether a table has an owner by now. */
static __always_inline bool pp_published(const struct pp_table_head *head)
{
	return *(volatile u32 *)&head->tgid;
}

/*
 * Finds the last range of address space @mm that has one of the addresses from @first to
 * @last in it.
 */
static __always_inline bool pp_find_last(u64 mm, u64 first, u64 last,
					 struct pp_found *found)
{
	struct pp_small_table *small;
	struct pp_large_table *large;

	found->mm = mm;
	pp_table_of(mm, &small, &large);
	if (small)
		return pp_find_in(&small->head, small->ranges, small->keep,
				  2 * PP_SMALL_RANGES, first, last, found);
	if (large)
		return pp_find_in(&large->head, large->ranges, large->keep,
				  2 * PP_MAX_RANGES, first, last, found);
	return false;
}

/* Finds the range of address space @mm that @addr lies in. */
static __always_inline bool pp_find(u64 mm, u64 addr, struct pp_found *found)
{
	return pp_find_last(mm, addr, addr, found);
}

static __always_inline bool pp_keeps(u8 action)
{
	return action == PP_ACTION_PIN || action == PP_ACTION_ACTIVATE;
}

/* References to the pages of such ranges are to be ignored (bits by action) ... */
#define PP_IGNORED_ACTIONS ((1u << PP_ACTION_DEACTIVATE) | (1u << PP_ACTION_STREAM))

/* ... where they can be. Where not (the module), what asks for it is gone after the
 * verifier. */
static __always_inline bool pp_can_ignore(void)
{
	return bpf_pp_can_ignore;
}

/* Once for a table; a failed one is tried again by a fault, after a while. */
static __always_inline void pp_want_subscription(struct pp_table_head *head)
{
	if (head->flags & PP_TABLE_ASKED)
		return;
	if (head->retry && bpf_ktime_get_ns() < head->retry)
		return;
	__sync_fetch_and_or(&head->flags, PP_TABLE_ASKED);
	if (bpf_pp_subscribe()) {
		head->retry = bpf_ktime_get_ns() + PP_SUBSCRIBE_AGAIN;
		__sync_fetch_and_and(&head->flags, ~PP_TABLE_ASKED);
		pp_count(PP_STAT_QUEUE_FAILED, 1);
	}
}

static __always_inline struct pp_range_state *pp_state_of(u64 mm, u32 id)
{
	struct pp_range_key key = { .mm = mm, .id = id };

	return bpf_map_lookup_elem(&pp_range_states, &key);
}

/* The same, made if there is none. */
static __always_inline struct pp_range_state *pp_make_state(u64 mm, u32 id)
{
	static const struct pp_range_state none = { .share = PP_BLOCK_PAGES };
	struct pp_range_key key = { .mm = mm, .id = id };
	struct pp_range_state *state = pp_state_of(mm, id);

	if (state)
		return state;
	bpf_map_update_elem(&pp_range_states, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&pp_range_states, &key);
}

#endif
