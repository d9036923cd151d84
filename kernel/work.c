// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done to a range of current->mm, in task work (queue.c): in its own thread,
 * with no lock held.
 */
#include <linux/backing-dev.h>
#include <linux/dax.h>
#include <linux/fadvise.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "pagepatrol.h"
#include "symbols.h"

/*
 * How much is prefetched between two looks at how much memory is left, and how
 * many pages are to be left over.
 */
#define PP_PREFETCH_CHUNK (2UL << 20)
#define PP_PREFETCH_MARGIN 1024UL

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

/* Where in the vma the file ends: a mapping may be much longer than its file. */
static unsigned long pp_vma_file_end(struct vm_area_struct *vma)
{
	pgoff_t pages;

	if (!vma->vm_file)
		return vma->vm_start;
	pages = DIV_ROUND_UP(i_size_read(vma->vm_file->f_mapping->host), PAGE_SIZE);
	if (pages <= vma->vm_pgoff)
		return vma->vm_start;
	pages -= vma->vm_pgoff;
	if (pages >= vma_pages(vma))
		return vma->vm_end;
	return vma->vm_start + (pages << PAGE_SHIFT);
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

/* Of each block, in the file, all but its first pages. */
static void pp_vma_drop_rest(struct vm_area_struct *vma, unsigned long start,
			     unsigned long end, const struct pp_work *work)
{
	unsigned long block = (unsigned long)work->block << PAGE_SHIFT;
	unsigned long stays = (unsigned long)work->pages << PAGE_SHIFT;

	while (start < end) {
		unsigned long in = (pp_pgoff(vma, start) << PAGE_SHIFT) & (block - 1);
		unsigned long next = start + min(end - start, block - in);

		start += in < stays ? stays - in : 0;
		if (start < next)
			pp_vma_drop(vma, start, next);
		start = next;
	}
}

static bool pp_vma_has_cache(struct vm_area_struct *vma)
{
	return vma->vm_file && !(vma->vm_flags & (VM_SPECIAL | VM_HUGETLB));
}

/* Whether activating it would change nothing; then the LRU's lock is not needed. */
static bool pp_folio_is_youngest(struct folio *folio)
{
	bool youngest = false;
#if defined(CONFIG_LRU_GEN) && defined(CONFIG_MEMCG)
	int gen = folio_lru_gen(folio);
	struct mem_cgroup *memcg;
	struct lruvec *lruvec;

	/* not on MGLRU's lists: folio_activate() itself looks at the flag */
	if (gen < 0 || mem_cgroup_disabled())
		return false;
	rcu_read_lock(); /* the folio may be charged to another cgroup in a moment */
	memcg = folio_memcg(folio);
	if (memcg) {
		lruvec = &memcg->nodeinfo[folio_nid(folio)]->lruvec;
		youngest = gen == lru_gen_from_seq(READ_ONCE(lruvec->lrugen.max_seq));
	}
	rcu_read_unlock();
#endif
	return youngest;
}

static void pp_folio_activate_if_old(struct folio *folio)
{
	if (!pp_folio_is_youngest(folio))
		pp_call_folio_activate(folio);
}

/* Returns whether all of a batch were on an LRU, so that they could be activated. */
static bool pp_activate_batch(struct folio_batch *fbatch)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < folio_batch_count(fbatch); i++) {
		all = all && folio_test_lru(fbatch->folios[i]);
		pp_folio_activate_if_old(fbatch->folios[i]);
	}
	return all;
}

/* Does current map this page of a file there? */
static bool pp_maps(unsigned long address, struct folio *folio)
{
	struct page *page;
	bool same;

	if (get_user_pages_fast_only(address, 1, 0, &page) != 1)
		return false;
	same = page_folio(page) == folio;
	put_page(page);
	return same;
}

/*
 * Nobody maps it (then POSIX_FADV_DONTNEED could drop it), or current alone does, as
 * MADV_COLD has it. A large folio that two map in parts may pass for one's own if he
 * has its ends.
 */
static bool pp_folio_is_ours(struct vm_area_struct *vma, struct folio *folio)
{
	unsigned long address = vma->vm_start +
				((folio->index - vma->vm_pgoff) << PAGE_SHIFT);
	int mapcount = folio_mapcount(folio);

	if (!folio_mapped(folio))
		return true;
	/* one by one, or by one huge mapping: what else has both its ends counts as more */
	if ((mapcount != folio_nr_pages(folio) && mapcount != 1) ||
	    !pp_maps(address, folio) ||
	    !pp_maps(address + folio_size(folio) - PAGE_SIZE, folio))
		return false;
	folio_clear_referenced(folio); /* it has just been set */
	return true;
}

/*
 * To the end of the LRU that reclaim takes from. Stay where they are: dirty pages and
 * those being written or read, what others map, and folios that reach out of the range.
 */
static void pp_vma_rotate(struct vm_area_struct *vma, unsigned long start,
			  unsigned long end)
{
	struct folio_batch fbatch;
	pgoff_t first, next, last;
	unsigned int i;

	if (!pp_vma_has_cache(vma) || vma->vm_flags & VM_LOCKED)
		return;
	first = pp_pgoff(vma, start);
	last = pp_pgoff(vma, end) - 1;
	next = first;
	folio_batch_init(&fbatch);
	while (filemap_get_folios(vma->vm_file->f_mapping, &next, last,
				  &fbatch)) {
		for (i = 0; i < folio_batch_count(&fbatch); i++) {
			struct folio *folio = fbatch.folios[i];

			if (folio->index >= first &&
			    folio_next_index(folio) - 1 <= last &&
			    !folio_test_writeback(folio) &&
			    pp_folio_is_ours(vma, folio))
				pp_call_folio_rotate_reclaimable(folio);
		}
		folio_batch_release(&fbatch);
		cond_resched();
	}
}

static void pp_vma_activate(struct vm_area_struct *vma, unsigned long start,
			    unsigned long end)
{
	struct folio_batch fbatch;
	pgoff_t index, last;

	if (!pp_vma_has_cache(vma))
		return;
	index = pp_pgoff(vma, start);
	last = pp_pgoff(vma, end) - 1;
	folio_batch_init(&fbatch);
	while (filemap_get_folios(vma->vm_file->f_mapping, &index, last,
				  &fbatch)) {
		pp_activate_batch(&fbatch);
		folio_batch_release(&fbatch);
		cond_resched();
	}
}

/*
 * The same for what is in one batch, without sleeping. Returns whether all that is
 * cached was on an LRU already, so that it could be activated: pages that have just
 * been read are on their way there until somebody drains the per-CPU batches.
 */
static bool pp_vma_activate_few(struct vm_area_struct *vma, unsigned long start,
				unsigned long end)
{
	struct folio_batch fbatch;
	pgoff_t index, last;
	bool all;

	if (!pp_vma_has_cache(vma))
		return true;
	index = pp_pgoff(vma, start);
	last = pp_pgoff(vma, end) - 1;
	folio_batch_init(&fbatch);
	filemap_get_folios(vma->vm_file->f_mapping, &index, last, &fbatch);
	all = pp_activate_batch(&fbatch);
	folios_put(&fbatch);
	return all;
}

static void pp_vma_set_readahead(struct vm_area_struct *vma, u32 pages)
{
	struct backing_dev_info *bdi;
	unsigned long window;

	if (!pp_vma_has_cache(vma))
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

/* Where in the vma a chunk that starts there ends. */
static unsigned long pp_chunk_end(struct vm_area_struct *vma,
				  const struct pp_work *work,
				  unsigned long start)
{
	unsigned long offset = pp_pgoff(vma, start) << PAGE_SHIFT;
	unsigned long left = min(work->end, vma->vm_end) - start;

	if (work->op != PP_WORK_SET_READAHEAD) /* is set once per mapping, however large */
		left = min(left, PP_CHUNK - (offset & (PP_CHUNK - 1)));
	return start + left;
}

/*
 * Finds the first chunk of a range, from @start on: steps over holes, and over what is no
 * part of a file. Returns its mapping, with the mmap lock held; or NULL, without it, if
 * there is none or the thread is being killed.
 */
static struct vm_area_struct *pp_lock_chunk(struct mm_struct *mm,
					    const struct pp_work *work,
					    unsigned long *start, unsigned long *end)
{
	while (*start < work->end && !fatal_signal_pending(current)) {
		struct vm_area_struct *vma;

		if (mmap_read_lock_killable(mm))
			return NULL;
		vma = find_vma(mm, *start);
		if (!vma || vma->vm_start >= work->end) {
			mmap_read_unlock(mm);
			return NULL;
		}
		*start = max(*start, vma->vm_start);
		if (work->op == PP_WORK_SET_READAHEAD ||
		    *start < pp_vma_file_end(vma)) {
			*end = pp_chunk_end(vma, work, *start);
			return vma;
		}
		*start = vma->vm_end;
		mmap_read_unlock(mm);
		cond_resched();
	}
	return NULL;
}

/* Holds the mmap lock for one chunk at a time. */
static void pp_do_range(struct mm_struct *mm, const struct pp_work *work)
{
	unsigned long start = work->start, end;
	struct vm_area_struct *vma;

	while ((vma = pp_lock_chunk(mm, work, &start, &end))) {
		if (work->op == PP_WORK_DROP)
			pp_vma_drop(vma, start, end);
		else if (work->op == PP_WORK_DROP_REST)
			pp_vma_drop_rest(vma, start, end, work);
		else if (work->op == PP_WORK_ACTIVATE)
			pp_vma_activate(vma, start, end);
		else if (work->op == PP_WORK_DEACTIVATE)
			pp_vma_rotate(vma, start, end);
		else
			pp_vma_set_readahead(vma, work->pages);
		mmap_read_unlock(mm);
		start = end;
		cond_resched();
	}
}

/* MADV_COLD, which takes the lock itself. Mappings that it refuses are passed over. */
static void pp_do_cold(struct mm_struct *mm, const struct pp_work *work)
{
	unsigned long start = work->start, end;

	while (pp_lock_chunk(mm, work, &start, &end)) {
		mmap_read_unlock(mm);
		pp_call_do_madvise(mm, start, end - start, MADV_COLD);
		start = end;
		cond_resched();
	}
}

/*
 * What is little and does not sleep, for a range within one mapping, if the mmap
 * lock is free: then it need not be queued. Returns whether it is done. May be called
 * wherever pp_queue() may.
 */
bool pp_do_at_once(const struct pp_work *work)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool done = false;

	if (work->op != PP_WORK_SET_READAHEAD &&
	    (work->op != PP_WORK_ACTIVATE ||
	     (work->end - work->start) >> PAGE_SHIFT > PAGEVEC_SIZE))
		return false;
	if (!mmap_read_trylock(mm))
		return false;
	vma = vma_lookup(mm, work->start);
	if (vma && work->end <= vma->vm_end) {
		if (work->op == PP_WORK_ACTIVATE) {
			done = pp_vma_activate_few(vma, work->start, work->end);
		} else {
			pp_vma_set_readahead(vma, work->pages);
			done = true;
		}
	}
	mmap_read_unlock(mm);
	return done;
}

/*
 * Has the files behind the range read into the page cache, up to where memory
 * gets tight: without a lock, holding each file over its own reads.
 */
static void pp_do_prefetch(struct mm_struct *mm, const struct pp_work *work)
{
	unsigned long start = work->start;

	while (start < work->end && !fatal_signal_pending(current)) {
		struct vm_area_struct *vma;
		long left = pp_memory_left(PP_PREFETCH_MARGIN);
		unsigned long end, vma_end, pages = 0;
		struct file *file = NULL;
		loff_t offset = 0;

		if (left <= 0)
			return;
		if (mmap_read_lock_killable(mm))
			return;
		vma = find_vma(mm, start);
		if (!vma || vma->vm_start >= work->end) {
			mmap_read_unlock(mm);
			return;
		}
		start = max(start, vma->vm_start);
		vma_end = min(work->end, vma->vm_end);
		end = start + min3(PP_PREFETCH_CHUNK, (unsigned long)left << PAGE_SHIFT,
				   vma_end - start);
		if (pp_vma_has_cache(vma) &&
		    S_ISREG(file_inode(vma->vm_file)->i_mode)) {
			file = get_file(vma->vm_file);
			offset = (loff_t)pp_pgoff(vma, start) << PAGE_SHIFT;
			/* one call reads no more than this of what it is told */
			pages = max_t(unsigned long,
				      inode_to_bdi(file->f_mapping->host)->io_pages,
				      READ_ONCE(file->f_ra.ra_pages));
			end = min(end, start + (pages << PAGE_SHIFT));
		}
		mmap_read_unlock(mm);
		if (!pages || offset >= i_size_read(file_inode(file)) ||
		    vfs_fadvise(file, offset, end - start, POSIX_FADV_WILLNEED))
			end = vma_end; /* nothing (more) to read there */
		if (file)
			fput(file);
		start = end;
		cond_resched();
	}
}

/* The first page from @index on that is not cached; @end or more if there is none before. */
static pgoff_t pp_next_miss(struct address_space *mapping, pgoff_t index, pgoff_t end)
{
	if (index >= end)
		return end;
	rcu_read_lock();
	/* page 0 is what page_cache_next_miss() says for none */
	if (!index) {
		void *entry = xa_load(&mapping->i_pages, 0);

		index = entry && !xa_is_value(entry);
	}
	if (index && index < end)
		index = page_cache_next_miss(mapping, index, end - index);
	rcu_read_unlock();
	return index;
}

/*
 * Starts to read what is not cached of a range within one mapping, as far as memory that
 * is left reaches. The first page that is read is marked as read-ahead's are: a fault that
 * comes to it passes by page_cache_async_ra(), although the page is there.
 */
static void pp_do_readahead(struct mm_struct *mm, const struct pp_work *work)
{
	unsigned long pages = min(work->end - work->start, PP_CHUNK) >> PAGE_SHIFT;
	long left = pp_memory_left(0);
	struct address_space *mapping;
	struct file_ra_state ra = {};
	pgoff_t index = 0, end = 0;
	struct vm_area_struct *vma;
	struct file *file = NULL;

	if (left <= 0 || mmap_read_lock_killable(mm))
		return;
	vma = vma_lookup(mm, work->start);
	if (vma && pp_vma_may_drop(vma)) {
		file = get_file(vma->vm_file);
		index = pp_pgoff(vma, work->start);
		end = index + min(pages, (vma->vm_end - work->start) >> PAGE_SHIFT);
	}
	mmap_read_unlock(mm);
	if (!file)
		return;
	mapping = file->f_mapping;
	end = min(end, DIV_ROUND_UP(i_size_read(mapping->host), PAGE_SIZE));
	index = pp_next_miss(mapping, index, end);
	if (index < end && mapping->a_ops->readahead) {
		DEFINE_READAHEAD(ractl, file, &ra, mapping, index);

		pages = min_t(unsigned long, end - index, left);
		ra.size = pages; /* what is not read after all is taken off */
		ra.async_size = pages;
		page_cache_ra_unbounded(&ractl, pages, pages);
	}
	fput(file);
}

/*
 * Has what is on its way to the LRU, or between its lists, arrive: lru_add_drain(), which
 * modules can't call. Releasing a batch of none does it, and nothing else.
 */
static void pp_drain(void)
{
	struct folio_batch none;

	folio_batch_init(&none);
	__folio_batch_release(&none);
}

/*
 * MADV_COLD clears accessed bits, but moves only what is mapped, not what was read
 * ahead, and to the end of the inactive list that reclaim comes to last. So all of it
 * is moved on from there. (If the thread changes processors in between, a few pages
 * may be moved back by the old one's batch.)
 */
static void pp_do_deactivate(struct mm_struct *mm, const struct pp_work *work)
{
	pp_do_cold(mm, work);
	if (!pp_has_rotate)
		return;
	pp_drain();
	pp_do_range(mm, work);
	pp_drain(); /* a batch holds references, which would spare them */
}

/* Unless the thread ends, or executes another program by now. */
void pp_do(const struct pp_work *work)
{
	struct mm_struct *mm = current->mm;

	if (!mm || mm != work->mm || (current->flags & PF_EXITING))
		return;
	if (work->op == PP_WORK_SUBSCRIBE)
		pp_do_subscribe(mm);
	else if (work->op == PP_WORK_RETURN)
		pp_returning(mm);
	else if (work->op == PP_WORK_DEACTIVATE)
		pp_do_deactivate(mm, work);
	else if (work->op == PP_WORK_PREFETCH)
		pp_do_prefetch(mm, work);
	else if (work->op == PP_WORK_READAHEAD)
		pp_do_readahead(mm, work);
	else
		pp_do_range(mm, work);
}
