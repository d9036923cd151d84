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
	u32 id; /* 0: none yet */
	u32 action;
	u32 nr;
	u64 folio; /* bytes of the largest brought in */
	struct piece piece[PIECES];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fault);
} pp_faults SEC(".maps");

static __always_inline struct fault *my_fault(u64 flags)
{
	return bpf_task_storage_get(&pp_faults,
				    (void *)bpf_get_current_task_btf(), 0, flags);
}

static __always_inline struct pp_range_state *make_state(u64 mm, u32 id)
{
	struct pp_range_key key = { .mm = mm, .id = id };
	static const struct pp_range_state none; /* too large for the stack */
	struct pp_range_state *state;

	state = bpf_map_lookup_elem(&pp_range_states, &key);
	if (state)
		return state;
	bpf_map_update_elem(&pp_range_states, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&pp_range_states, &key);
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
		return true;
	}
	return state->ino == f->ino && state->dev == f->dev;
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

/* Tells the module what a fault has brought in. */
__attribute__((noinline)) int finish(void)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	struct fault *f = my_fault(0);
	struct pp_range_state *state;
	u64 pages = 0;
	u8 action;
	u32 nr;

	if (!f || !f->nr)
		return 0;
	nr = f->nr;
	f->nr = 0;
	if (!mm || pp_mm_key(mm) != f->mm)
		return 0; /* execve came between */
	state = make_state(f->mm, f->id);
	if (!state)
		return 0;
	if (!same_file(state, f)) {
		pp_count_range(state, PP_STAT_STALE, 1);
		return 0;
	}
	pp_count_range(state, PP_STAT_FAULTS, 1);
	action = f->action;
	for (u32 i = 0; i < PIECES && i < nr; i++) {
		u64 start = f->piece[i].start, end = f->piece[i].end;

		start = at_least(start, f->start);
		end = at_most(end, f->end);
		if (start >= end)
			continue;
		pages += (end - start) >> PAGE_SHIFT;
		if (action == PP_ACTION_STREAM || action == PP_ACTION_DEACTIVATE) {
			extend(state, f, start, end);
			continue;
		}
		if (!pp_keeps(action))
			continue;
		if (bpf_pp_activate(start, end))
			pp_count(PP_STAT_QUEUE_FAILED, 1);
		else
			pp_count_range(state, PP_STAT_ACTIVATED, (end - start) >> PAGE_SHIFT);
	}
	pp_count_range(state, PP_STAT_INSERTED, pages);
	state->most = at_least(state->most, pages);
	if (action == PP_ACTION_STREAM || action == PP_ACTION_DEACTIVATE)
		release_behind(state, f);
	return 0;
}

static __always_inline u64 faults_of(const struct task_struct *task)
{
	return task->min_flt + task->maj_flt;
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
	u64 key = pp_mm_key(mm), address;
	struct pp_found found;
	struct fault *f;

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
	/* of one before in the same system call, or of a try of this one */
	if (f->nr)
		finish();
	f->delta = address - (vmf->pgoff << PAGE_SHIFT);
	f->address = address;
	f->mm = key;
	f->faults = faults_of(task);
	f->id = 0;
	f->mapping = (u64)vma->vm_file->f_mapping;
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
	f->start = found.range.start;
	f->end = pp_keeps(found.range.action) ? found.keep_end : found.range.end;
	f->action = found.range.action;
	f->nr = 0;
	f->folio = 0;
	f->id = found.range.id;
	return true;
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

	if (err || !f || !f->mapping || (u64)mapping != f->mapping)
		return 0;
	/* read some other way, after that fault; or in a fault in no range */
	if (f->faults != faults_of(bpf_get_current_task_btf()) ||
	    (!f->id && !begin(f, mapping->host))) {
		f->mapping = 0;
		return 0;
	}
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

SEC("fentry/pp_returning")
int BPF_PROG(returning)
{
	finish();
	return 0;
}
