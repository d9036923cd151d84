/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Layout of the engine's maps, for the BPF programs that fill them and for the
 * tools (as root) that read them. Private to one build: not an ABI.
 */
#ifndef PP_MAPS_H
#define PP_MAPS_H

#include <pagepatrol/abi.h>

/* Address spaces with ranges, by size class. Large tables are 88 KiB each and
 * set aside at load; small ones are made when needed. */
#define PP_MAX_SMALL_TABLES 16384
#define PP_MAX_LARGE_TABLES 64
#define PP_MAX_USERS 65536
/* States are evicted, the least recently used first: that costs counters and
 * pending runs, nothing else. */
#define PP_MAX_RANGE_STATES 16384

/* Counting filter in front of the tables; a power of two. */
#define PP_FILTER_SLOTS 16384

/* How long a subscription that failed is not asked for again; ns. */
#define PP_SUBSCRIBE_AGAIN 1000000000ull

/* struct pp_table_head.flags */
#define PP_TABLE_ASKED 0x1u	 /* a subscription was asked for */
#define PP_TABLE_SUBSCRIBED 0x2u /* ... and made */
#define PP_TABLE_ANSWERS 0x4u	 /* has a range that reclaim must ask about */
#define PP_TABLE_GROWN 0x8u	 /* a small one: the large one is in force */
#define PP_TABLE_ATTACHED 0x10u	 /* put there by root, not by the process */
#define PP_TABLE_UNPAID 0x20u	 /* a fork's copy that keeps nothing: over the user's limit, or torn */

struct pp_table_head {
	__u32 lock; /* 1 while a writer is at the idle half */
	__u32 seq;  /* its lowest bit is the half in use */
	__u32 nr[2]; /* ranges in each half */
	__u32 flags;
	__u32 subscribe_errors;
	__u32 uid;
	__u32 tgid; /* who pushed first, for people to read; 0: not ready yet */
	__u64 retry; /* a subscription that failed is not tried again before; ns */
	__u64 kept; /* pages that the budgets let it keep; charged to @uid */
	__u64 mm;   /* key of the address space: that of the map */
	char comm[16];
};

/* keep[i]: pages, from the start of ranges[i], that the budget lets PIN and
 * ACTIVATE keep; the rest of the range follows the kernel's default */
struct pp_small_table {
	struct pp_table_head head;
	struct pp_range ranges[2 * PP_SMALL_RANGES];
	__u32 keep[2 * PP_SMALL_RANGES];
};

struct pp_large_table {
	struct pp_table_head head;
	struct pp_range ranges[2 * PP_MAX_RANGES];
	__u32 keep[2 * PP_MAX_RANGES];
};

/* What a user's processes have together, those in user namespaces of his as well. */
struct pp_user {
	__s64 tables; /* processes with ranges */
	__s64 large;  /* ... that have a large table */
	__s64 kept;   /* pages that these may keep */
};

/* The limits in force, for people to read; what counts is in the programs. */
struct pp_limits {
	__u64 max_kept_per_user; /* pages; 0: none */
	__u32 max_processes_per_user;
	__u32 keep_percent;
	__u32 margin_pages;
	__u32 lag_pages;
};

/* Pages by rule, while a half is filled. A policy has 256 rules at most; numbers
 * above these share the last place. */
#define PP_BUDGET_RULES 512
#define PP_MAX_BUDGETS 256 /* processes that push at the same moment */

struct pp_budget {
	__u32 rule[PP_BUDGET_RULES];
};

/* Where the program `attach` is pinned; mode 0600 in the private folder. */
#define PP_PIN_ATTACH PP_PIN_PRIVATE "/attach"

/* struct pp_attach.op */
#define PP_ATTACH_LOOK 0u /* find out the key, change nothing */
#define PP_ATTACH_SET 1u  /* put a table in force */
#define PP_ATTACH_END 2u  /* take one out of force that was put there so */

/* struct pp_attach.flags */
#define PP_ATTACH_FORCE 0x1u /* whoever put the table there that is in force */

/*
 * Context of the program `attach`, which root alone can reach: a table for a
 * process that is running already.
 */
struct pp_attach {
	struct pp_request request; /* SET: as of PP_OP_SET, without a changed part */
	__u64 mm;    /* key of the address space; SET: in, -ESTALE if it is another by now; out */
	__s64 error; /* out: before anything else; the request's result counts if it is 0 */
	__u32 pid;
	__u32 op;
	__u32 flags;
	__u32 pad;
};

/*
 * What streams leave in the cache is the beginning of each block of a file, see
 * share.bpf.h. Files and cgroups are forgotten, the least recently used first: that
 * costs an even share, or a margin that has to be found again, nothing else.
 */
#define PP_BLOCK (1ull << 20)
#define PP_BLOCK_PAGES ((__u32)(PP_BLOCK >> 12))
#define PP_MAX_STREAMED 8192
#define PP_MAX_STREAMERS 1024

struct pp_streamed_key {
	__u64 cgroup;
	__u64 ino;
	__u32 dev;
	__u32 generation; /* of the inode: its number may be used again */
};

/* A file that streams of a cgroup brought in. */
struct pp_streamed {
	__u64 start, end; /* what of it, without a gap; bytes */
	__u64 next_start, next_end; /* the same further on, until they meet */
	__u64 reach; /* how far they came */
	__s64 kept;  /* pages of it that they left in the cache, at most */
	__u64 seen;  /* pp_streamer.passed when it was last mapped or read */
	__u32 share; /* pages of a block that were left, at most */
	__u32 pad;
};

/* All that the streams of a cgroup read. */
struct pp_streamer {
	__s64 size;   /* pages of its files, from start to reach */
	__s64 kept;   /* ... that were left in the cache */
	__u64 passed; /* pages that came by, read or found in the cache */
	__u64 swept;  /* passed when files that do not come by any more were last forgotten */
	__u64 swept_at; /* ... and when that was; ns */
	__u64 hits;   /* bpf_pp_limit_hits() at the last look */
	__s64 tight;  /* how much the margin has grown; 1/PP_BLOCK_PAGES of a page */
	__u32 share;  /* pages of a block that are left in the cache */
	__u32 pad;
};

struct pp_range_key {
	__u64 mm;
	__u32 id;
	__u32 pad;
};

/*
 * A stream in progress: what a reader brought in and has not yet passed.
 * Addresses of the process, page aligned; empty if end <= start.
 */
struct pp_run {
	__u64 start;
	__u64 end;
	__u64 stamp; /* pp_range_state.clock when last extended */
	__u64 folio; /* bytes of the largest folio in it */
	__u32 tid;   /* thread that brought it in */
	__u32 pad;
};

#define PP_RUNS 8
#define PP_AHEAD 8 /* a power of two */

/*
 * Made at the first fault in a range, removed with it. Written by all threads
 * of the process without a lock: counters may miss one now and then, and a run
 * may be mixed up by two threads at once; that costs a page brought in again or
 * left in the cache, nothing else: a run is cut to its range before it is acted on,
 * and the module checks each address it is given.
 */
struct pp_range_state {
	__u64 ino; /* the file seen first in the range; 0: none yet */
	__u32 dev;
	__u32 clock;
	__u64 most; /* pages that one fault brought in */
	__u64 delta; /* of a stream: address less offset in the file */
	__u64 folio; /* bytes of the largest folio that was brought in */
	__u32 share; /* pages of a block that the stream leaves; PP_BLOCK_PAGES: all */
	__u32 generation; /* of the file's inode */
	__u32 ahead[PP_AHEAD]; /* blocks whose rest is being read before the reader is there */
	__u64 stats[PP_NR_RANGE_STATS];
	struct pp_run runs[PP_RUNS];
};

#endif
