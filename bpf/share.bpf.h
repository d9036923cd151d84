/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What streams leave in the cache of files that do not fit.
 *
 * As long as there is room a stream leaves all it read, so the files that come first
 * are whole in the cache and the last not at all. When they are read again the disk is
 * idle while the reader is in the former, and the reader waits in the latter. So once it
 * is known how much there is to read (all that a cgroup's streams brought in, as far as
 * it comes by again) and how much of it fits (what they left, and what is left of
 * memory), each block of each file gets the same share: its beginning stays, its rest
 * goes. The rest of the next block is read while the reader is in this one: the disk is
 * never idle, and never ahead by more than a block.
 *
 * What was left whole is cut to its share when its mapping goes, or when the stream
 * that left it comes by again. Only what streams brought in themselves, without a gap,
 * is ever cut: what others had in the cache is theirs.
 */
#ifndef PP_SHARE_BPF_H
#define PP_SHARE_BPF_H

#include "engine.bpf.h"

/* Pages of a block: what is more than a share by no more than this is not cut to it; and by
 * how much a share moves about from pass to pass. */
#define SHARE_CUT 2
#define SHARE_MOVES 16ull

/* Folios of a file that can be told from a block; and pages that a fault may bring in, else
 * it alone moves what is left by more than a block. */
#define SHARE_FOLIO (PP_BLOCK / 4)
#define SHARE_MOST PP_BLOCK_PAGES

/* By how much the margin grows when a limit was reached: what reclaim takes at least, or
 * a cgroup is charged at once. */
#define MARGIN_GROWS 64ull

/* Files are gone through at most so often; ns. */
#define SWEEP_AGAIN 100000000ull

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PP_MAX_STREAMED);
	__type(key, struct pp_streamed_key);
	__type(value, struct pp_streamed);
} pp_streamed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PP_MAX_STREAMERS);
	__type(key, u64);
	__type(value, struct pp_streamer);
} pp_streamers SEC(".maps");

static __always_inline struct pp_streamer *my_streamer(void)
{
	u64 cgroup = bpf_get_current_cgroup_id();

	return bpf_map_lookup_elem(&pp_streamers, &cgroup);
}

static __always_inline struct pp_streamer *make_streamer(void)
{
	static const struct pp_streamer none = { .share = PP_BLOCK_PAGES };
	u64 cgroup = bpf_get_current_cgroup_id();
	struct pp_streamer *found = my_streamer();

	if (found)
		return found;
	bpf_map_update_elem(&pp_streamers, &cgroup, &none, BPF_NOEXIST);
	found = bpf_map_lookup_elem(&pp_streamers, &cgroup);
	if (found)
		found->hits = bpf_pp_limit_hits();
	return found;
}

static __always_inline struct pp_streamed_key file_key(const struct pp_range_state *state)
{
	return (struct pp_streamed_key){
		.cgroup = bpf_get_current_cgroup_id(),
		.ino = state->ino,
		.dev = state->dev,
		.generation = state->generation,
	};
}

static __always_inline struct pp_streamed *file_of(const struct pp_range_state *state)
{
	struct pp_streamed_key key = file_key(state);

	return bpf_map_lookup_elem(&pp_streamed, &key);
}

static __always_inline u64 pages_of(u64 bytes)
{
	return bytes >> PAGE_SHIFT;
}

/* Ranges with fewer blocks are not shared out. */
static __always_inline bool has_blocks(u64 start, u64 end)
{
	return end - start >= 2 * PP_BLOCK;
}

/* The address at which the block begins that another is in. */
static __always_inline u64 block_start(const struct pp_range_state *state, u64 address)
{
	return ((address - state->delta) & -PP_BLOCK) + state->delta;
}

/* Where in the file's block that an offset is in the part begins that goes. */
static __always_inline u64 rest_of_block(const struct pp_range_state *state, u64 offset)
{
	u64 stays = (u64)state->share << PAGE_SHIFT;

	/* not in the middle of a folio, and no less than one */
	if (state->folio)
		stays = at_least(stays & -state->folio, state->folio);
	return (offset & -PP_BLOCK) + at_most(stays, PP_BLOCK);
}

static __always_inline bool may_share(const struct pp_range_state *state)
{
	return state->folio <= SHARE_FOLIO && state->most <= SHARE_MOST;
}

/* --- how much room there must be --- */

/*
 * Pages that count as "no room" for a stream that is done with @pages: what faults bring
 * in, and that much again; and more. All that is on its way from one look to the next must
 * find room: else a limit is reached, and reclaim takes what streams have left, those
 * pages first that come by again next. How much that is nobody knows: each thread that
 * reads has its read-ahead, each CPU has charged some in advance. So the margin grows when
 * a limit was reached since the last look, and shrinks slowly as pages are released. It
 * does not grow beyond what bpf_pp_memory_left() takes of a limit.
 */
static __always_inline u64 stream_margin(struct pp_range_state *state, u64 pages)
{
	struct pp_streamer *streamer = make_streamer();
	u64 margin, before, hits;
	s64 tight;

	if (!state || !streamer)
		return cfg_margin_pages;
	tight = *(volatile s64 *)&streamer->tight;
	margin = at_least(2 * state->most, cfg_margin_pages) +
		 (tight > 0 ? (u64)tight / PP_BLOCK_PAGES : 0);
	before = streamer->hits; /* read before the number that it is compared with */
	hits = bpf_pp_limit_hits();
	if (hits == before) {
		if (tight > 0)
			__sync_fetch_and_add(&streamer->tight, -(s64)at_most(pages, tight));
	} else if (__sync_bool_compare_and_swap(&streamer->hits, before, hits) &&
		   margin < bpf_pp_memory_limit() >> 5) {
		__sync_fetch_and_add(&streamer->tight,
				     at_least(state->most, MARGIN_GROWS) * PP_BLOCK_PAGES);
	}
	return at_most(margin, ~0u);
}

/* May a stream leave so many bytes that it is done with? */
__attribute__((noinline)) int stream_has_room(struct pp_range_state *state, u64 size)
{
	u64 margin;

	if (!state)
		return 0;
	margin = stream_margin(state, pages_of(size));
	/* a share is worked out for the margin: what is left moves around that */
	if (state->share < PP_BLOCK_PAGES)
		margin /= 2;
	return bpf_pp_memory_left(margin) > 0;
}

/* --- how much there is --- */

struct sweep {
	struct pp_streamer *streamer;
	u64 cgroup;
	s64 size, kept;
};

static long sweep_file(void *map, const struct pp_streamed_key *key,
		       struct pp_streamed *file, struct sweep *ctx)
{
	struct pp_streamer *streamer = ctx->streamer;

	if (key->cgroup != ctx->cgroup)
		return 0;
	if (streamer->passed - file->seen > 2 * (u64)streamer->size) {
		bpf_map_delete_elem(map, key);
		return 0;
	}
	ctx->size += pages_of(file->reach - file->start);
	ctx->kept += file->kept;
	return 0;
}

/*
 * @pages came by. Now and then, files are forgotten that did not come by while twice as
 * much as there is did; the sums are made anew then.
 */
__attribute__((noinline)) int stream_passed(u64 pages)
{
	struct sweep ctx = { .cgroup = bpf_get_current_cgroup_id() };
	struct pp_streamer *streamer = my_streamer();
	u64 now;

	if (!streamer)
		return 0;
	__sync_fetch_and_add(&streamer->passed, pages);
	now = bpf_ktime_get_ns();
	if (streamer->passed - streamer->swept <= (u64)streamer->size ||
	    now - streamer->swept_at < SWEEP_AGAIN)
		return 0;
	streamer->swept = streamer->passed;
	streamer->swept_at = now;
	ctx.streamer = streamer;
	bpf_for_each_map_elem(&pp_streamed, sweep_file, &ctx, 0);
	streamer->size = ctx.size;
	streamer->kept = ctx.kept;
	return 0;
}

/* A stream brought in [@start, @end) of its file. */
__attribute__((noinline)) int stream_grows(struct pp_range_state *state, u64 start, u64 end)
{
	struct pp_streamed new_file = { .start = start, .end = start, .reach = start,
					.share = PP_BLOCK_PAGES };
	struct pp_streamed_key key;
	struct pp_streamer *streamer;
	struct pp_streamed *file;
	u64 grown;

	if (!state || !may_share(state))
		return 0;
	key = file_key(state);
	streamer = make_streamer();
	file = bpf_map_lookup_elem(&pp_streamed, &key);
	if (!file) {
		bpf_map_update_elem(&pp_streamed, &key, &new_file, BPF_NOEXIST);
		file = bpf_map_lookup_elem(&pp_streamed, &key);
	}
	if (!streamer || !file)
		return 0;
	file->seen = streamer->passed;
	if (start <= file->end) {
		file->end = at_least(file->end, end);
	} else if (start == file->next_end) {
		file->next_end = end;
	} else if (start < file->next_start || start > file->next_end) {
		file->next_start = start;
		file->next_end = end;
	}
	if (file->next_start <= file->end)
		file->end = at_least(file->end, file->next_end);
	if (end <= file->reach)
		return 0;
	grown = pages_of(end - file->reach);
	file->reach = end;
	__sync_fetch_and_add(&streamer->size, grown);
	stream_passed(grown);
	return 0;
}

/* A stream leaves pages of its file in the cache, or takes them from there (@pages < 0). */
__attribute__((noinline)) int stream_leaves(struct pp_range_state *state, s64 pages)
{
	struct pp_streamer *streamer = my_streamer();
	struct pp_streamed *file;
	s64 size;

	if (!state)
		return 0;
	file = file_of(state);
	if (!streamer || !file)
		return 0;
	size = pages_of(file->reach - file->start);
	if (pages > size - file->kept) /* they were reclaimed, and read again */
		pages = size - file->kept;
	__sync_fetch_and_add(&streamer->kept, pages);
	__sync_fetch_and_add(&file->kept, pages);
	if (pages > 0)
		file->share = at_least(file->share, state->share);
	return 0;
}

/* No more of a file can have been left than is cached: reclaim and others take, too. */
static __always_inline void stream_cached(struct pp_range_state *state,
					  const struct pp_streamed *file, u64 pages)
{
	if (file->kept > (s64)pages)
		stream_leaves(state, (s64)pages - file->kept);
}

/* --- the share --- */

/* Works out which share of each block fits. */
__attribute__((noinline)) int stream_settle(struct pp_range_state *state)
{
	struct pp_streamer *streamer;
	s64 fits;

	if (!state)
		return 0;
	state->share = PP_BLOCK_PAGES;
	if (!may_share(state))
		return 0;
	streamer = my_streamer();
	if (!streamer)
		return 0;
	fits = streamer->kept + bpf_pp_memory_left(stream_margin(state, 0));
	if (fits >= streamer->size || fits < cfg_share_pages)
		state->share = PP_BLOCK_PAGES;
	else
		state->share = (u64)fits * PP_BLOCK_PAGES / (u64)streamer->size;
	streamer->share = state->share;
	return 0;
}

static __always_inline bool drop_rests(u64 from, u64 to, u64 stays)
{
	int err = 0;

	if (from < to)
		err = bpf_pp_drop_rest(from, to, PP_BLOCK_PAGES, pages_of(stays));
	pp_queued(NULL, err, PP_NR_STATS, 0);
	return !err;
}

/*
 * Cuts what streams left of a file to its share, if all of that is in [@from, @to) of the
 * address space; but for the block around @reader (0: none) and the next, whose rest may
 * have been read ahead.
 */
__attribute__((noinline)) int stream_cut(struct pp_range_state *state, u64 from, u64 to,
					 u64 reader)
{
	struct pp_streamer *streamer;
	struct pp_streamed *file;
	u64 stays, block, start, end;
	u32 share;
	s64 left;

	if (!state)
		return 0;
	streamer = my_streamer();
	file = file_of(state);
	if (!streamer || !file)
		return 0;
	state->share = streamer->share;
	stays = rest_of_block(state, 0);
	share = file->share;
	start = file->start + state->delta;
	end = file->end + state->delta;
	if (stays >= PP_BLOCK || file->kept <= 0 || share <= state->share + SHARE_CUT ||
	    start >= end || start < from || end > to)
		return 0;
	/* another thread may be at it */
	if (!__sync_bool_compare_and_swap(&file->share, share, state->share))
		return 0;
	block = block_start(state, reader);
	if (!drop_rests(start, reader ? at_most(end, block) : end, stays) ||
	    (reader && !drop_rests(at_least(start, block + 2 * PP_BLOCK), end, stays)))
		return 0;
	left = pages_of(file->reach - file->start) * pages_of(stays) / PP_BLOCK_PAGES;
	if (left < file->kept)
		stream_leaves(state, left - file->kept);
	return 0;
}

/* --- a file that is mapped again --- */

struct found_file {
	u64 ino;
	u64 nrpages;
	u64 delta;
	u32 dev;
	u32 generation;
};

static long look_at_file(struct task_struct *task, struct vm_area_struct *vma,
			 struct found_file *found)
{
	struct file *file = vma->vm_file;
	struct inode *inode;

	if (!file)
		return 0;
	inode = file->f_mapping->host;
	found->ino = inode->i_ino;
	found->dev = inode->i_sb->s_dev;
	found->generation = inode->i_generation;
	found->nrpages = file->f_mapping->nrpages;
	found->delta = vma->vm_start - (vma->vm_pgoff << PAGE_SHIFT);
	return 0;
}

/* A range of a stream comes: if streams have read its file before, that counts. */
__attribute__((noinline)) int stream_enters(u64 mm, u32 id, u64 start)
{
	struct found_file found = {};
	struct pp_streamed_key key = { .cgroup = bpf_get_current_cgroup_id() };
	struct pp_range_state *state;
	struct pp_streamer *streamer = my_streamer();
	struct pp_streamed *file;
	u64 size;

	if (!streamer || !streamer->size) /* none is known */
		return 0;
	if (bpf_find_vma(bpf_get_current_task_btf(), start, look_at_file, &found, 0))
		return 0;
	key.ino = found.ino;
	key.dev = found.dev;
	key.generation = found.generation;
	file = bpf_map_lookup_elem(&pp_streamed, &key);
	if (!file)
		return 0;
	state = pp_make_state(mm, id);
	if (!state)
		return 0;
	state->ino = found.ino;
	state->dev = found.dev;
	state->generation = found.generation;
	state->delta = found.delta;
	state->share = streamer->share;
	size = pages_of(file->reach - file->start);
	stream_cached(state, file, found.nrpages);
	/* cut when another process had it mapped, which spared it? */
	if (found.nrpages > file->kept + size / 8)
		file->share = PP_BLOCK_PAGES;
	file->seen = streamer->passed;
	stream_passed(size);
	return 0;
}

/* --- reading ahead --- */

/*
 * The reader is at @address: what is to be read now before it is there, if anything, up
 * to @end. That is the rest of the next block, but no more than what stays of one: a disk
 * that is slower than the reader does not read more while the reader is in that. Only
 * what streams have read before: else nothing of the block is in the cache.
 * @goes_on: the reader was shortly before this address a moment ago.
 */
static __always_inline u64 stream_ahead(struct pp_range_state *state, u64 address,
					u64 range_end, bool goes_on, u64 *end)
{
	u64 block = (address - state->delta) / PP_BLOCK, start, stays;
	struct pp_streamed *file = file_of(state);
	u32 *mine = &state->ahead[block & (PP_AHEAD - 1)];
	u32 *next = &state->ahead[(block + 1) & (PP_AHEAD - 1)];

	if (*mine == (u32)block + 1) {
		*mine = 0;
		goes_on = true;
	}
	if (!goes_on || *next == (u32)block + 2)
		return 0;
	start = (block + 1) * PP_BLOCK + state->delta;
	stays = (u64)state->share << PAGE_SHIFT;
	*end = at_most(at_most(start + PP_BLOCK, start + 2 * stays), range_end);
	/* the share may have been less when the block was read last; what is there is skipped */
	start += stays - at_most(stays, SHARE_MOVES << PAGE_SHIFT);
	if (!file || start >= at_most(*end, file->reach + state->delta))
		return 0;
	*next = (u32)block + 2;
	return start;
}

#endif
