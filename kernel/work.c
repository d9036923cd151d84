// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work on a range of current->mm: queued from where nothing may sleep, done in
 * the same thread on its way back to user space (task_work), with no lock held.
 */
#include <linux/backing-dev.h>
#include <linux/dax.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/userfaultfd_k.h>

#include "pagepatrol.h"
#include "symbols.h"

/* How much of a range is worked on under one hold of the mmap lock. */
#define PP_CHUNK (4UL << 20)

struct pp_work {
	struct callback_head twork;
	struct mm_struct *mm; /* compared, never followed: execve changes it */
	enum pp_work_op op;
	unsigned long start;
	unsigned long end;
	u32 arg;
};

/*
 * Work queued or running; each holds the module. It runs when its thread goes
 * back to user space, which one that sits in a system call may not do for long:
 * then unloading is refused (-EWOULDBLOCK), it never waits for that thread.
 */
static atomic_t pp_pending = ATOMIC_INIT(0);
#define PP_MAX_PENDING 65536

/*
 * Only clean-able file pages that the process merely looks at: never a private
 * copy (zapping it would lose data), a locked, special or huge mapping, nor a
 * file system whose page cache is the only place of the data (tmpfs, ramfs).
 */
static bool pp_vma_may_drop(struct vm_area_struct *vma)
{
	struct address_space *mapping;

	if (!vma->vm_file || vma->anon_vma || userfaultfd_armed(vma))
		return false;
	if (vma->vm_flags & (VM_LOCKED | VM_SPECIAL | VM_HUGETLB))
		return false;
	mapping = vma->vm_file->f_mapping;
	return S_ISREG(mapping->host->i_mode) && !dax_mapping(mapping) &&
	       mapping_can_writeback(mapping);
}

static pgoff_t pp_pgoff(struct vm_area_struct *vma, unsigned long address)
{
	return vma->vm_pgoff + ((address - vma->vm_start) >> PAGE_SHIFT);
}

/*
 * What MADV_DONTNEED and then POSIX_FADV_DONTNEED do, which any reader of the
 * file may: pages that are dirty or that anybody else maps stay. Another thread
 * may make the first private copy right now, in spite of pp_vma_may_drop(); that
 * copies are spared is decided for each page under the page table lock.
 */
static void pp_vma_drop(struct vm_area_struct *vma, unsigned long start,
			unsigned long end)
{
	struct zap_details details = { .even_cows = false };

	if (!pp_vma_may_drop(vma))
		return;
	zap_page_range_single(vma, start, end - start, &details);
	invalidate_mapping_pages(vma->vm_file->f_mapping, pp_pgoff(vma, start),
				 pp_pgoff(vma, end) - 1);
}

static void pp_vma_activate(struct vm_area_struct *vma, unsigned long start,
			    unsigned long end)
{
	struct folio_batch fbatch;
	pgoff_t index, last;
	unsigned int i;

	if (!vma->vm_file || (vma->vm_flags & (VM_SPECIAL | VM_HUGETLB)))
		return;
	index = pp_pgoff(vma, start);
	last = pp_pgoff(vma, end) - 1;
	folio_batch_init(&fbatch);
	while (filemap_get_folios(vma->vm_file->f_mapping, &index, last,
				  &fbatch)) {
		for (i = 0; i < folio_batch_count(&fbatch); i++)
			static_call(pp_folio_activate)(fbatch.folios[i]);
		folio_batch_release(&fbatch);
		cond_resched();
	}
}

static void pp_vma_set_readahead(struct vm_area_struct *vma, u32 pages)
{
	struct backing_dev_info *bdi;
	unsigned long window;

	if (!vma->vm_file || (vma->vm_flags & (VM_SPECIAL | VM_HUGETLB)))
		return;
	bdi = inode_to_bdi(vma->vm_file->f_mapping->host);
	if (pages == PP_READAHEAD_DEFAULT)
		window = bdi->ra_pages;
	else if (pages == PP_READAHEAD_SEQUENTIAL)
		window = bdi->ra_pages * 2;
	else
		window = min_t(unsigned long, pages,
			       max(bdi->ra_pages, bdi->io_pages));
	WRITE_ONCE(vma->vm_file->f_ra.ra_pages, window);
}

/* Holds the mmap lock for one chunk at a time; steps over holes. */
static void pp_do_range(struct mm_struct *mm, const struct pp_work *work)
{
	/* read-ahead is set once per mapping, however large */
	unsigned long chunk = work->op == PP_WORK_READAHEAD ?
				      work->end - work->start : PP_CHUNK;
	unsigned long start = work->start;

	while (start < work->end && !fatal_signal_pending(current)) {
		struct vm_area_struct *vma;
		unsigned long end;

		if (mmap_read_lock_killable(mm))
			return;
		vma = find_vma(mm, start);
		if (!vma || vma->vm_start >= work->end) {
			mmap_read_unlock(mm);
			return;
		}
		start = max(start, vma->vm_start);
		end = min3(work->end, vma->vm_end,
			   start + min(chunk, work->end - start));
		if (work->op == PP_WORK_DROP)
			pp_vma_drop(vma, start, end);
		else if (work->op == PP_WORK_ACTIVATE)
			pp_vma_activate(vma, start, end);
		else
			pp_vma_set_readahead(vma, work->arg);
		mmap_read_unlock(mm);
		start = end;
		cond_resched();
	}
}

/* The end of it still is module text: pp_exit() waits that out. */
static void pp_work_free(struct pp_work *work)
{
	kfree(work);
	atomic_dec(&pp_pending);
	module_put(THIS_MODULE);
}

static void pp_work_run(struct callback_head *twork)
{
	struct pp_work *work = container_of(twork, struct pp_work, twork);
	struct mm_struct *mm = current->mm;

	if (mm && mm == work->mm && !(current->flags & PF_EXITING)) {
		if (work->op == PP_WORK_SUBSCRIBE)
			pp_do_subscribe(mm);
		else if (work->op == PP_WORK_DEACTIVATE)
			static_call(pp_do_madvise)(mm, work->start,
						   work->end - work->start,
						   MADV_COLD);
		else
			pp_do_range(mm, work);
	}
	pp_work_free(work);
}

int pp_queue(enum pp_work_op op, u64 start, u64 end, u32 arg)
{
	struct pp_work *work;
	int err;

	if (!in_task() || !current->mm ||
	    (current->flags & (PF_KTHREAD | PF_EXITING)))
		return -EINVAL;
	if (op != PP_WORK_SUBSCRIBE) {
		if (start >= end || !PAGE_ALIGNED(start) || !PAGE_ALIGNED(end))
			return -EINVAL;
		if (end > current->mm->task_size)
			return -ERANGE;
	}
	if (atomic_read(&pp_pending) >= PP_MAX_PENDING)
		return -EBUSY;
	work = kmalloc(sizeof(*work), GFP_NOWAIT | __GFP_NOWARN);
	if (!work)
		return -ENOMEM;
	work->mm = current->mm;
	work->op = op;
	work->start = start;
	work->end = end;
	work->arg = arg;
	init_task_work(&work->twork, pp_work_run);
	atomic_inc(&pp_pending);
	__module_get(THIS_MODULE); /* the calling program holds it already */
	err = task_work_add(current, &work->twork, TWA_RESUME);
	if (err)
		pp_work_free(work);
	return err;
}

module_param_named(pending, pp_pending.counter, int, 0444);
MODULE_PARM_DESC(pending, "work queued or running now (read only)");
