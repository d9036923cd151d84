// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to the pages that a fault in a range brings in.
 *
 * filemap_fault() is entered (with the address), brings in pages in the same
 * thread, read-ahead included (each seen when it has been added), and is
 * left, nearly always with VM_FAULT_RETRY after I/O: then the mmap lock is gone
 * and vmf->vma must not be looked at again, so all that is needed is remembered
 * at entry. The first page has the module call pp_returning() when the thread goes
 * back to user space: there the pages are told to it.
 *
 * Most faults that come by find their page in the cache. They cost what remembering
 * costs: the range is looked up with the first page that is brought in, and nothing
 * is attached to the function's end. A fault is over when the task's count of faults
 * has moved on.
 */
#include "runs.bpf.h"

/* Pages brought in, one after the other; read-ahead skips what is cached. */
#define PIECES 4

struct piece {
	u64 start;
	u64 end;
};

/* The fault that a thread is in, or was in last. */
struct fault {
	u64 mapping; /* struct address_space of the file; 0: none of ours */
	u64 delta; /* address = (index << PAGE_SHIFT) + delta */
	u64 address;
	u64 mm;
	u64 faults; /* of the task, this one not counted yet */
	/* from here on with the first page that is brought in */
	u64 start, end; /* of the range */
	u64 ino; /* of the file */
	u32 dev;
	u32 generation;
	u32 id; /* 0: none yet */
	u32 action;
	u32 nr;
	bool marked; /* it came to a page that read-ahead had marked, or is tried again */
	bool ahead; /* no fault: read before the reader is there */
	u8 goes_on; /* GOES_ON_*: was the reader shortly before it a moment ago? */
	bool may_ahead; /* the range lets it be read ahead */
	u64 cached; /* pages of the file */
	u64 folio; /* bytes of the largest brought in */
	struct piece piece[PIECES];
};

enum { GOES_ON_UNKNOWN, GOES_ON_NO, GOES_ON_YES };

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fault);
} pp_faults SEC(".maps");

static __always_inline u64 faults_of(const struct task_struct *task)
{
	return task->min_flt + task->maj_flt;
}

static __always_inline struct fault *my_fault(u64 flags)
{
	return bpf_task_storage_get(&pp_faults,
				    (void *)bpf_get_current_task_btf(), 0, flags);
}

/*
 * Is it the file that the range was first seen with? Another one got there
 * behind the shim's back (a raw munmap and mmap): not the policy's business.
 */
static __always_inline bool same_file(struct pp_range_state *state,
				      const struct fault *f)
{
	if (!state->ino) {
		state->dev = f->dev;
		state->ino = f->ino;
		state->generation = f->generation;
		return true;
	}
	return state->ino == f->ino && state->dev == f->dev &&
	       state->generation == f->generation;
}

/*
 * Adds what a fault brought in to the run that it goes on, or starts one.
 *
 * A global function, as the others here: the verifier looks at it once, not for each way
 * that leads there.
 */
__attribute__((noinline)) int extend(struct pp_range_state *state,
				     const struct fault *f, u64 start, u64 end)
{
	struct pp_run *oldest;

	if (!state || !f)
		return 0;
	oldest = &state->runs[0];
	state->clock++;
	for (u32 i = 0; i < PP_RUNS; i++) {
		struct pp_run *run = &state->runs[i];

		if (run->end == start && run->start < run->end) {
			run->tid = bpf_get_current_pid_tgid();
			run->folio = at_least(run->folio, f->folio);
			run->end = end;
			run->stamp = state->clock;
			return 0;
		}
		if (run->start >= run->end || run->stamp < oldest->stamp)
			oldest = run;
		if (oldest->start >= oldest->end)
			oldest->stamp = 0;
	}
	/* cut to the range: the state may have been another's a moment ago */
	pp_run_release(state, f->action, at_least(oldest->start, f->start),
		       at_most(oldest->end, f->end));
	oldest->tid = bpf_get_current_pid_tgid();
	oldest->folio = f->folio;
	oldest->start = start;
	oldest->end = end;
	oldest->stamp = state->clock;
	return 0;
}

/*
 * Where the folios of a run end that @address is not in the middle of: each lies at a
 * multiple of its size in the file, so none reaches over a multiple of the largest.
 */
static __always_inline u64 whole_folios(const struct pp_run *run,
					const struct fault *f, u64 address)
{
	return ((address - f->delta) & -run->folio) + f->delta;
}

/*
 * Releases what the reader has passed of the run it is in, in whole folios: one that
 * is cut in two is dropped neither with its first part nor with its last.
 */
__attribute__((noinline)) int release_behind(struct pp_range_state *state,
					     const struct fault *f)
{
	u64 lag = (u64)cfg_lag_pages << PAGE_SHIFT, address;

	if (!state || !f)
		return 0;
	address = f->address;
	for (u32 i = 0; i < PP_RUNS; i++) {
		struct pp_run *run = &state->runs[i];
		u64 start = run->start, end = run->end;

		if (start >= end || address < start + 2 * lag || address > end)
			continue;
		end = at_most(end, whole_folios(run, f, address - lag));
		if (end <= start)
			continue;
		run->start = end;
		pp_run_release(state, f->action, at_least(start, f->start),
			       at_most(end, f->end));
	}
	return 0;
}

/* Does a run lie behind the reader, which is in it or at its end? */
static __always_inline bool goes_on(const struct pp_range_state *state, u64 address)
{
	for (u32 i = 0; i < PP_RUNS; i++)
		if (state->runs[i].start < address && address <= state->runs[i].end)
			return true;
	return false;
}

/*
 * What the reader has passed, but that it read on from there: the rest of the block before,
 * which was read before the reader came, and the end of the range once it begins anew.
 */
static __always_inline void release_passed(struct pp_range_state *state,
						const struct fault *f)
{
	u64 block = block_start(state, f->address);

	for (u32 i = 0; i < PP_RUNS; i++) {
		struct pp_run *run = &state->runs[i];
		u64 start = run->start, end = run->end;

		if (start >= end || run->tid != (u32)bpf_get_current_pid_tgid())
			continue;
		if (!(end <= block && block <= start + PP_BLOCK) &&
		    !(end >= f->end && block + 2 * PP_BLOCK < start))
			continue;
		run->end = start;
		pp_run_release(state, f->action, at_least(start, f->start),
			       at_most(end, f->end));
	}
}

/* A stream's share of its file, once the file is large enough to have one. */
__attribute__((noinline)) int level(struct pp_range_state *state, struct fault *f, u32 id)
{
	struct pp_streamed *file;
	u64 start, end = 0;

	if (!state || !f)
		return 0;
	if (!has_blocks(f->start, f->end))
		return 0;
	file = file_of(state);
	if (file && f->cached)
		stream_cached(state, file, f->cached);
	stream_settle(state);
	if (state->share >= PP_BLOCK_PAGES)
		return 0;
	stream_cut(state, f->start, f->end, f->address);
	release_passed(state, f);
	if (!f->may_ahead)
		return 0;
	start = stream_ahead(state, f->address, f->end, f->goes_on == GOES_ON_YES, &end);
	if (!start || bpf_pp_readahead(start, end))
		return 0;
	if (bpf_pp_on_return())
		return 0;
	pp_count(PP_STAT_PREFETCHED, pages_of(end - start));
	/* what it brings in is told as if a fault did */
	f->address = start;
	f->faults = faults_of(bpf_get_current_task_btf());
	f->id = id;
	f->ahead = true;
	f->folio = 0;
	return 0;
}

/* Tells the module what a fault has brought in; @over: it will bring in nothing more. */
__attribute__((noinline)) int finish(bool over)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	struct fault *f = my_fault(0);
	struct pp_range_state *state;
	u64 pages = 0;
	u32 nr, id;
	bool ahead;
	u8 action;

	if (!f)
		return 0;
	nr = f->nr;
	ahead = f->ahead;
	if (ahead)
		f->mapping = 0; /* this is all that is read so */
	f->ahead = false;
	if (!nr && !f->marked)
		return 0;
	f->nr = 0;
	f->marked = false;
	if (!mm || pp_mm_key(mm) != f->mm)
		return 0; /* execve came between */
	state = pp_make_state(f->mm, f->id);
	if (!state)
		return 0;
	if (!same_file(state, f)) {
		pp_count_range(state, PP_STAT_STALE, 1);
		return 0;
	}
	if (nr && !ahead)
		pp_count_range(state, PP_STAT_FAULTS, 1);
	action = f->action;
	state->delta = f->delta;
	state->folio = at_least(state->folio, f->folio);
	/* before what it brought in is told */
	if (f->goes_on == GOES_ON_UNKNOWN)
		f->goes_on = goes_on(state, f->address) ? GOES_ON_YES : GOES_ON_NO;
	for (u32 i = 0; i < PIECES && i < nr; i++) {
		u64 start = f->piece[i].start, end = f->piece[i].end;

		start = at_least(start, f->start);
		end = at_most(end, f->end);
		if (start >= end)
			continue;
		pages += (end - start) >> PAGE_SHIFT;
		if (action == PP_ACTION_STREAM || action == PP_ACTION_DEACTIVATE) {
			extend(state, f, start, end);
			if (action == PP_ACTION_STREAM && has_blocks(f->start, f->end))
				stream_grows(state, start - f->delta, end - f->delta);
			continue;
		}
		if (!pp_keeps(action))
			continue;
		pp_queued(state, bpf_pp_activate(start, end), PP_STAT_ACTIVATED, end - start);
	}
	pp_count_range(state, PP_STAT_INSERTED, pages);
	if (ahead)
		return 0;
	state->most = at_least(state->most, pages);
	if (action == PP_ACTION_STREAM || action == PP_ACTION_DEACTIVATE)
		release_behind(state, f);
	if (!over)
		return 0;
	id = f->id;
	f->id = 0; /* the same fault may come again: a signal ended it */
	if (action == PP_ACTION_STREAM)
		level(state, f, id);
	return 0;
}

/* A forked child's first fault; a subscription that failed is asked for again. */
static __always_inline void look_after(const struct pp_found *found)
{
	if (found->head->flags & PP_TABLE_ANSWERS)
		pp_want_subscription(found->head);
}

/* Every file fault of every process comes by here that fault-around did not serve. */
SEC("fentry/filemap_fault")
int BPF_PROG(fault_enter, struct vm_fault *vmf)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct vm_area_struct *vma = vmf->vma;
	struct mm_struct *mm = vma->vm_mm;
	u64 key = pp_mm_key(mm), address, delta, mapping;
	struct pp_found found;
	struct fault *f;
	bool again;

	if (!*pp_filter_slot(key))
		return 0;
	/* a fault on behalf of another process (ptrace, process_vm_readv) */
	if (mm != task->mm)
		return 0;
	address = vmf->address & PAGE_MASK;
	f = my_fault(0);
	if (!f) {
		if (pp_find(key, address, &found))
			look_after(&found);
		f = my_fault(BPF_LOCAL_STORAGE_GET_F_CREATE);
	}
	if (!f)
		return 0;
	delta = address - (vmf->pgoff << PAGE_SHIFT);
	mapping = (u64)vma->vm_file->f_mapping;
	again = f->id && f->address == address && f->delta == delta && f->mm == key &&
		f->mapping == mapping && f->faults == faults_of(task);
	/* of one before in the same system call, or of a try of this one */
	if (f->nr) {
		finish(false);
		f->marked = true;
	}
	f->ahead = false;
	if (again)
		return 0;
	f->marked = false;
	f->delta = delta;
	f->address = address;
	f->mm = key;
	f->faults = faults_of(task);
	f->id = 0;
	f->mapping = mapping;
	return 0;
}

/* The fault brings in a page: is it in a range? */
static __always_inline bool begin(struct fault *f, const struct inode *inode)
{
	struct pp_found found;

	if (!pp_find(f->mm, f->address, &found))
		return false;
	look_after(&found);
	if (bpf_pp_on_return()) {
		pp_count(PP_STAT_QUEUE_FAILED, 1);
		return false;
	}
	f->ino = inode->i_ino;
	f->dev = inode->i_sb->s_dev;
	f->generation = inode->i_generation;
	f->start = found.range.start;
	f->end = pp_keeps(found.range.action) ? found.keep_end : found.range.end;
	f->action = found.range.action;
	f->nr = 0;
	f->folio = 0;
	f->goes_on = GOES_ON_UNKNOWN;
	f->cached = 0;
	f->may_ahead = !(found.range.flags & PP_RANGE_NO_READAHEAD) && found.range.read_ahead;
	f->id = found.range.id;
	return true;
}

/* Is the task in that fault, and in a range? */
static __always_inline bool in_fault(struct fault *f, struct address_space *mapping)
{
	if ((u64)mapping != f->mapping)
		return false;
	/* read some other way, after that fault; or in a fault in no range */
	if (f->faults == faults_of(bpf_get_current_task_btf()) &&
	    (f->id || begin(f, mapping->host)))
		return true;
	f->mapping = 0;
	return false;
}

/*
 * Not its tracepoint: in there a PREEMPT_RT kernel, whose locks sleep, can't allocate
 * what is queued.
 */
SEC("fexit/__filemap_add_folio")
int BPF_PROG(page_added, struct address_space *mapping, struct folio *folio,
	     u64 index, u32 gfp, void **shadow, int err)
{
	struct fault *f = my_fault(0);
	u64 start, end, pages = 1;
	u32 last;

	if (err || !f || !f->mapping)
		return 0;
	if (!in_fault(f, mapping))
		return 0;
	f->cached = mapping->nrpages;
	if (folio->flags & (1ul << bpf_core_enum_value(enum pageflags, PG_head)))
		pages = folio->_folio_nr_pages;
	start = (index << PAGE_SHIFT) + f->delta;
	end = start + (pages << PAGE_SHIFT);
	f->folio = at_least(f->folio, pages << PAGE_SHIFT);
	last = (f->nr - 1) & (PIECES - 1);
	if (f->nr && f->piece[last].end == start) {
		f->piece[last].end = end;
		return 0;
	}
	if (f->nr >= PIECES)
		return 0; /* the rest stays in the cache, as if found there */
	last = f->nr & (PIECES - 1);
	f->piece[last].start = start;
	f->piece[last].end = end;
	f->nr++;
	return 0;
}

/* The fault found its page, which read-ahead had marked. */
SEC("fentry/page_cache_async_ra")
int BPF_PROG(page_marked, struct readahead_control *ractl)
{
	struct fault *f = my_fault(0);

	if (f && f->mapping && in_fault(f, ractl->mapping))
		f->marked = true;
	return 0;
}

SEC("fentry/pp_returning")
int BPF_PROG(returning)
{
	finish(true);
	return 0;
}
