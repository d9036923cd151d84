/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The one contract between user space, the BPF programs and the kernel module:
 * types and constants only. It depends on fixed-width types alone and compiles
 * as C11, C++20, kernel C and for the BPF target (tests/unit/abi_test does it).
 *
 * Rules for changing it: append only, no implicit padding, no pointer, bool or
 * enum as a field; bump PP_ABI_VERSION when the meaning of a field changes.
 */
#ifndef PAGEPATROL_ABI_H
#define PAGEPATROL_ABI_H

#include <linux/types.h>

#define PP_ABI_VERSION 2u

/* Where the loader pins what it loads: a bpffs of its own, as /sys/fs/bpf is
 * closed to users on some systems and open to all their links on others.
 * Everybody may run the door program (mode 0444, no maps, no state); maps and
 * links live in the 0700 folder. */
#define PP_PIN_DIR "/run/pagepatrol"
#define PP_PIN_DOOR PP_PIN_DIR "/upload"
#define PP_PIN_PRIVATE PP_PIN_DIR "/private"

/* Ranges one process may have; more are refused with -E2BIG. */
#define PP_MAX_RANGES 1024u
/* Ranges a process may have before it needs a table of the large class. */
#define PP_SMALL_RANGES 64u

/*
 * What is to become of the page-cache pages of a range (struct pp_range.action).
 * NONE:       the kernel's default; in a table for its read-ahead alone
 * PIN:        never reclaimed, as long as the pressure valve is shut
 * ACTIVATE:   treated as hot: active list when brought in and when pushed
 * DEACTIVATE: first to go: the end of the inactive list, accessed bits cleared
 * STREAM:     read once in order, with a doubled read-ahead window: what this mapping brought in is dropped behind the reader once
 *             memory is tight; what was cached before stays
 * EVICT:      dropped when the range goes
 * PREFETCH:   brought in when the range comes, up to where memory gets tight
 */
#define PP_ACTION_NONE 0u
#define PP_ACTION_PIN 1u
#define PP_ACTION_ACTIVATE 2u
#define PP_ACTION_DEACTIVATE 3u
#define PP_ACTION_STREAM 4u
#define PP_ACTION_EVICT 5u
#define PP_ACTION_PREFETCH 6u
#define PP_NR_ACTIONS 7u

/* struct pp_range.flags: turn read-ahead off for the mapped file, whatever
 * @read_ahead says (what MADV_RANDOM asks for, without making the kernel ignore
 * that pages are used) */
#define PP_RANGE_NO_READAHEAD 0x01u
#define PP_RANGE_FLAGS PP_RANGE_NO_READAHEAD

/* struct pp_range.read_ahead: the kernel's own window (twice that for STREAM) */
#define PP_READ_AHEAD_DEFAULT 0xffffu

/* A budget: 0 for none of its own; a number of pages; or, with this bit, a share
 * of the memory limit in 1/10000 */
#define PP_BUDGET_SHARE 0x80000000u
#define PP_BUDGET_WHOLE 10000u

/**
 * struct pp_range - a part of the address space and what is to become of it
 * @start: first byte; a multiple of the page size
 * @end: one past the last byte; a multiple of the page size, above @start
 * @id: names the range within its process; not 0, not used again for another
 * @pages: how many pages of it, from the start, the file backs now: what counts
 *	against budgets; the range may be longer (a file that grows)
 * @budget: most that all ranges of its @rule together may keep, see
 *	PP_BUDGET_SHARE; the same in all ranges of a rule
 * @rule: number of the rule in the policy file, from 1; 0: the program's own call
 * @read_ahead: window in pages; 0: off; PP_READ_AHEAD_DEFAULT
 * @action: PP_ACTION_*
 * @flags: PP_RANGE_* bits
 * @reserved: 0
 *
 * A table of ranges is sorted by @start and its ranges do not overlap.
 */
struct pp_range {
	__u64 start;
	__u64 end;
	__u32 id;
	__u32 pages;
	__u32 budget;
	__u16 rule;
	__u16 read_ahead;
	__u8 action;
	__u8 flags;
	__u8 reserved[6];
};

/* struct pp_request.op */
#define PP_OP_SET 1u /* replace the table of the calling process */
#define PP_OP_ACT 2u /* act once on a part of the address space */

/* struct pp_request.limited_by: what kept @granted below @asked */
#define PP_LIMITED_NO 0u
#define PP_LIMITED_RULE 1u    /* the budget of a rule */
#define PP_LIMITED_PROCESS 2u /* the budget of the process: the policy's or the administrator's */
#define PP_LIMITED_USER 3u    /* what the user's processes may keep together */

/**
 * struct pp_request - context of the pinned upload program, in and out
 * @version: PP_ABI_VERSION; otherwise -EPROTO
 * @op: PP_OP_*
 * @ranges: SET: address of @nr_ranges struct pp_range in the caller's memory
 * @nr_ranges: SET: 0 to PP_MAX_RANGES; ACT: 0
 * @budget: SET: most that the process may keep, see PP_BUDGET_SHARE; the
 *	administrator's limit holds as well. ACT: 0
 * @start: SET: first byte of the part of the address space that changes with this
 *	call: ranges of the new table that start in [@start, @end) are acted on at once
 *	(ACTIVATE, DEACTIVATE, PREFETCH, read-ahead); what STREAM ranges of the old table
 *	have pending in it, and the pages of EVICT ranges there, are dropped before the
 *	call returns to user space.
 *	ACT: first byte of the part to act on
 * @end: one past its last byte; SET: equal to @start if nothing is to be done now
 * @action: ACT: ACTIVATE, DEACTIVATE, EVICT or PREFETCH, done once, before the
 *	call returns to user space; SET: 0
 * @limited_by: out: PP_LIMITED_*, the first that did
 * @asked: out: pages that the table asks to keep (PIN, ACTIVATE)
 * @granted: out: pages of these that the budgets let it keep
 * @result: out: 0, or a negative errno; the table is unchanged on error:
 *	-ENODEV  PagePatrol was unloaded: the program may be re-opened later
 *	-EPROTO  @version is not the kernel side's
 *	-EINVAL  unknown op, reserved not 0, ranges not aligned, wrapping,
 *		 unsorted, overlapping, with an unknown action or flag
 *	-ERANGE  a range lies outside the user address space
 *	-EFAULT  @ranges can't be read
 *	-E2BIG   @nr_ranges is above PP_MAX_RANGES
 *	-EDQUOT  the user has too many processes with ranges
 *	-EAGAIN  another thread of the process is in the middle of a call
 *	-ENOMEM  no memory for the table now
 *	-EOPNOTSUPP ACT: the kernel lacks what @action needs
 */
struct pp_request {
	__u32 version;
	__u32 op;
	__u64 ranges;
	__u32 nr_ranges;
	__u32 budget;
	__u64 start;
	__u64 end;
	__u32 action;
	__u32 limited_by;
	__u64 asked;
	__u64 granted;
	__s64 result;
};

/*
 * Counters. One list serves the totals (per-CPU array), the ranges and the
 * printout. Pages are base pages.
 */
#define PP_STAT_FAULTS 0u	 /* faults in a range that brought pages into the page cache */
#define PP_STAT_INSERTED 1u	 /* pages brought in by such faults */
#define PP_STAT_DROPPED 2u	 /* pages handed to drop behind a stream */
#define PP_STAT_SPARED 3u	 /* pages of a stream left, memory was not tight */
#define PP_STAT_ASKED 4u	 /* reclaim asked "was this page used?" */
#define PP_STAT_KEPT 5u		 /* ... and was told yes */
#define PP_STAT_VALVE 6u	 /* ... was told no, the pressure valve was open */
#define PP_STAT_ACTIVATED 7u	 /* pages handed to the active list */
#define PP_STAT_DEACTIVATED 8u	 /* pages handed to the inactive list */
#define PP_STAT_STALE 9u	 /* ... that brought in pages of another file than the range's */
/* totals only, from here on */
#define PP_NR_RANGE_STATS 10u
#define PP_STAT_UPLOADS 10u	 /* tables accepted */
#define PP_STAT_REFUSED 11u	 /* tables refused, for any reason */
#define PP_STAT_REFUSED_INVALID 12u /* ... -EINVAL, -ERANGE, -EFAULT, -EPROTO */
#define PP_STAT_REFUSED_QUOTA 13u   /* ... -E2BIG, -EDQUOT */
#define PP_STAT_FORKS 14u	 /* tables copied to a forked child */
#define PP_STAT_EXITS 15u	 /* tables removed with their address space */
#define PP_STAT_QUEUE_FAILED 16u /* kfunc refused: no memory, or not there */
#define PP_STAT_EVICTED 17u	 /* pages handed to drop by EVICT, ranges and ACT */
#define PP_STAT_PREFETCHED 18u	 /* pages handed to prefetch, ranges and ACT */
#define PP_STAT_ACTS 19u	 /* ACT calls accepted */
#define PP_STAT_IGNORED 20u	 /* reclaim asked "was this page used?", told that it doesn't count */
#define PP_NR_STATS 21u

#ifdef __cplusplus
#define PP_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define PP_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif
PP_STATIC_ASSERT(sizeof(struct pp_range) == 40, "struct pp_range is 40 bytes");
PP_STATIC_ASSERT(sizeof(struct pp_request) == 72, "struct pp_request is 72 bytes");

#endif /* PAGEPATROL_ABI_H */
