/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of either size class, for the writer: which half, which ranges, what
 * the budget lets each keep. Readers have pp_find() of engine.bpf.h.
 */
#ifndef PP_VIEW_BPF_H
#define PP_VIEW_BPF_H

#include "engine.bpf.h"

/* A half of a table of either class; exactly one pointer is set. */
struct view {
	struct pp_small_table *small;
	struct pp_large_table *large;
	u32 half;
};

/*
 * A half in one number: bit 0 which one, bit 1 set if of the large class, from bit
 * 2 on the number of its ranges. With the tables it can be passed to a global
 * function (which the verifier looks at by itself: in one piece this program is too
 * much for it). Such a function takes pointers to what it may read, and each look-up
 * saved counts: this runs at every mapping of a file.
 */
#define WHERE_LARGE 2

static __always_inline u32 where(bool large, u32 half, u32 nr)
{
	return nr << 2 | (large ? WHERE_LARGE : 0) | (half & 1);
}

static __always_inline u32 where_nr(u32 where)
{
	return where >> 2;
}

/* A half before and after, see where(). */
struct halves {
	u32 old, new;
};

/* In one number, for global functions. */
static __always_inline u64 both(struct halves halves)
{
	return (u64)halves.new << 32 | halves.old;
}

/* Sets @v to a half of one of the tables; how many ranges it has. */
static __always_inline u32 view_of(struct pp_small_table *small,
				   struct pp_large_table *large, u32 where,
				   struct view *v)
{
	v->small = NULL;
	v->large = NULL;
	v->half = where & 1;
	/* not in one: the compiler would put the pointers together with an `or` */
	if (where & WHERE_LARGE) {
		if (!large)
			return 0;
		v->large = large;
	} else {
		if (!small)
			return 0;
		v->small = small;
	}
	return where_nr(where);
}

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
	if (nr <= 1)
		return 0;
	if (v->small)
		return pp_search(v->small->ranges, 2 * PP_SMALL_RANGES, v->half,
				 nr, addr) - v->half * PP_SMALL_RANGES;
	if (v->large)
		return pp_search(v->large->ranges, 2 * PP_MAX_RANGES, v->half,
				 nr, addr) - v->half * PP_MAX_RANGES;
	return 0;
}

static __always_inline u32 *keep_at(struct view *v, u32 i)
{
	if (v->small)
		return &v->small->keep[(v->half * PP_SMALL_RANGES + i) &
				       (2 * PP_SMALL_RANGES - 1)];
	if (v->large)
		return &v->large->keep[(v->half * PP_MAX_RANGES + i) &
				       (2 * PP_MAX_RANGES - 1)];
	return NULL;
}

#endif
