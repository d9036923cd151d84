// SPDX-License-Identifier: GPL-2.0-only
/*
 * PagePatrol: mechanisms on the page cache for BPF programs.
 *
 * One decision hook (reclaim asks "was this page used?", with the address) and
 * kfuncs that act on a range of the calling process. What is to become of
 * which range is decided in BPF; this file holds no policy, keeps no reference
 * on a file, folio or process beyond a call, and never touches an address
 * space other than current->mm.
 *
 * All kfuncs may be called from a page fault. They check their arguments,
 * queue the work and return; the work runs in the same thread on its way back
 * to user space (task_work), with no lock held.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/backing-dev.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/dax.h>
#include <linux/memcontrol.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/page_counter.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/task_work.h>
#include <linux/userfaultfd_k.h>
#include <linux/wait.h>

#include "symbols.h"

/* How much of a range is worked on under one hold of the mmap lock. */
#define PP_CHUNK (4UL << 20)

/* bpf_pp_set_readahead(): what the device says; twice that, as for
 * POSIX_FADV_SEQUENTIAL */
#define PP_READAHEAD_DEFAULT U32_MAX
#define PP_READAHEAD_SEQUENTIAL (U32_MAX - 1)

enum pp_work_op {
	PP_WORK_SUBSCRIBE,
	PP_WORK_ACTIVATE,
	PP_WORK_DEACTIVATE,
	PP_WORK_DROP,
	PP_WORK_READAHEAD,
};

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

static atomic_t pp_allocated = ATOMIC_INIT(0); /* subscriptions not yet freed */
static DECLARE_WAIT_QUEUE_HEAD(pp_all_freed);

/* Every subscribed mm, so that unloading can end the subscriptions. */
struct pp_subscription {
	struct mmu_notifier mn;
	struct list_head node; /* on pp_subscriptions, under its lock */
};

static LIST_HEAD(pp_subscriptions);
static DEFINE_SPINLOCK(pp_subscriptions_lock);
static int pp_nr_subscriptions; /* under the lock */

/*
 * The hooks. A BPF program attached to them gives or takes the answer, so the
 * compiler must neither inline them nor fold their constant result into the
 * callers: noipa where the compiler has it.
 */
#if __has_attribute(noipa)
#define PP_HOOK __attribute__((noipa))
#else
#define PP_HOOK noinline
#endif

__bpf_hook_start();

/**
 * pp_page_used - fmod_ret hook: is a page to count as used?
 * @mm: the address space that maps it
 * @start: first address of the page there
 * @end: one past its last address
 *
 * Asked in reclaim and aging, with the page table lock held: must not sleep.
 *
 * Return: not 0 if the page counts as used, whatever its accessed bit says
 */
PP_HOOK int pp_page_used(struct mm_struct *mm, unsigned long start,
			 unsigned long end)
{
	asm volatile("");
	return 0;
}

/**
 * pp_subscribed - fentry hook: a subscription was made, or failed
 * @mm: the address space, that of current
 * @error: 0, or the negative errno why there is none
 *
 * Return: nothing that counts
 */
PP_HOOK int pp_subscribed(struct mm_struct *mm, int error)
{
	asm volatile("");
	return error;
}

__bpf_hook_end();

/* --- subscription of an mm to the questions that reclaim asks --- */

static int pp_mn_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	return pp_page_used(mm, start, end);
}

static int pp_mn_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			    unsigned long address)
{
	return pp_page_used(mm, address, address + PAGE_SIZE);
}

static struct mmu_notifier *pp_mn_alloc(struct mm_struct *mm)
{
	struct pp_subscription *sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);

	if (!sub)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&sub->node);
	atomic_inc(&pp_allocated);
	return &sub->mn;
}

static void pp_mn_free(struct mmu_notifier *mn)
{
	kfree(container_of(mn, struct pp_subscription, mn));
	if (atomic_dec_and_test(&pp_allocated))
		wake_up(&pp_all_freed);
}

/*
 * Each listed subscription holds one reference; who takes it off the list
 * drops it, be that the end of the address space or of the module.
 */
static bool pp_unlist(struct pp_subscription *sub)
{
	bool listed;

	spin_lock(&pp_subscriptions_lock);
	listed = !list_empty(&sub->node);
	if (listed) {
		list_del_init(&sub->node);
		pp_nr_subscriptions--;
	}
	spin_unlock(&pp_subscriptions_lock);
	return listed;
}

static void pp_mn_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	if (pp_unlist(container_of(mn, struct pp_subscription, mn)))
		mmu_notifier_put(mn);
}

static const struct mmu_notifier_ops pp_mn_ops = {
	.release = pp_mn_release,
	.clear_flush_young = pp_mn_clear_young,
	.clear_young = pp_mn_clear_young,
	.test_young = pp_mn_test_young,
	.alloc_notifier = pp_mn_alloc,
	.free_notifier = pp_mn_free,
};

static void pp_do_subscribe(struct mm_struct *mm)
{
	struct mmu_notifier *mn = mmu_notifier_get(&pp_mn_ops, mm);
	struct pp_subscription *sub;
	bool first;

	if (IS_ERR(mn)) {
		/* -EINTR with a signal pending, -ENOMEM: BPF may ask again */
		pp_subscribed(mm, PTR_ERR(mn));
		return;
	}
	sub = container_of(mn, struct pp_subscription, mn);
	spin_lock(&pp_subscriptions_lock);
	first = list_empty(&sub->node);
	if (first) {
		list_add(&sub->node, &pp_subscriptions);
		pp_nr_subscriptions++;
	}
	spin_unlock(&pp_subscriptions_lock);
	if (!first)
		mmu_notifier_put(mn); /* the listed reference is enough */
	pp_subscribed(mm, 0);
}

static struct pp_subscription *pp_unlist_any(void)
{
	struct pp_subscription *sub;

	spin_lock(&pp_subscriptions_lock);
	sub = list_first_entry_or_null(&pp_subscriptions,
				       struct pp_subscription, node);
	if (sub) {
		list_del_init(&sub->node);
		pp_nr_subscriptions--;
	}
	spin_unlock(&pp_subscriptions_lock);
	return sub;
}

static void pp_end_subscriptions(void)
{
	struct pp_subscription *sub;

	while ((sub = pp_unlist_any()))
		mmu_notifier_put(&sub->mn);
	/* callbacks under way, then pp_mn_free() of each (by SRCU, with bottom
	 * halves disabled, so that an RCU grace period sees its end) */
	mmu_notifier_synchronize();
	wait_event(pp_all_freed, !atomic_read(&pp_allocated));
	synchronize_rcu();
}

/* --- work on a range of current->mm --- */

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

static int pp_queue(enum pp_work_op op, u64 start, u64 end, u32 arg)
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

/* --- kfuncs --- */

__bpf_kfunc_start_defs();

/**
 * bpf_pp_subscribe - let pp_page_used() answer for the calling process
 *
 * Subscribes current->mm to the questions that reclaim and aging ask about its
 * pages; once is enough, more does no harm. Ends with the address space or the
 * module. The outcome is reported through pp_subscribed().
 *
 * Return: 0 if queued, -EINVAL outside a user process, -ENOMEM, -EBUSY with too
 * much queued, -ESRCH
 */
__bpf_kfunc int bpf_pp_subscribe(void)
{
	return pp_queue(PP_WORK_SUBSCRIBE, 0, 0, 0);
}

/**
 * bpf_pp_activate - move cached file pages of a range to the active list
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 *
 * Return: 0 if queued, -EINVAL for a bad range or outside a user process,
 * -ERANGE beyond the user address space, -ENOMEM, -EBUSY with too much queued,
 * -ESRCH, -EOPNOTSUPP if the kernel lacks folio_activate()
 */
__bpf_kfunc int bpf_pp_activate(u64 start, u64 end)
{
	if (!pp_has_folio_activate)
		return -EOPNOTSUPP;
	return pp_queue(PP_WORK_ACTIVATE, start, end, 0);
}

/**
 * bpf_pp_deactivate - make the pages of a range the first to be reclaimed
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 *
 * As MADV_COLD: accessed bits cleared, moved to the inactive list, private
 * copies in the range too; pages that others map as well are left alone.
 *
 * Return: as bpf_pp_activate(); -EOPNOTSUPP if the kernel lacks do_madvise()
 */
__bpf_kfunc int bpf_pp_deactivate(u64 start, u64 end)
{
	if (!pp_has_do_madvise)
		return -EOPNOTSUPP;
	return pp_queue(PP_WORK_DEACTIVATE, start, end, 0);
}

/**
 * bpf_pp_drop - drop the cached file pages of a range
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 *
 * Unmaps them from the calling process and drops those that are clean and that
 * nobody else maps. No data is lost: private copies, dirty pages, locked
 * memory and memory file systems are left alone.
 *
 * Return: as bpf_pp_activate(), never -EOPNOTSUPP
 */
__bpf_kfunc int bpf_pp_drop(u64 start, u64 end)
{
	return pp_queue(PP_WORK_DROP, start, end, 0);
}

/**
 * bpf_pp_set_readahead - set the read-ahead window of the files of a range
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 * @pages: window in pages, 0 for none, at most what the device can;
 *	PP_READAHEAD_DEFAULT: the device's own; PP_READAHEAD_SEQUENTIAL: twice it
 *
 * Acts on the open file behind the mapping (its f_ra), as posix_fadvise() does.
 *
 * Return: as bpf_pp_activate(), never -EOPNOTSUPP
 */
__bpf_kfunc int bpf_pp_set_readahead(u64 start, u64 end, u32 pages)
{
	return pp_queue(PP_WORK_READAHEAD, start, end, pages);
}

/* What a cgroup and nobody above it may use, in pages. */
static unsigned long pp_memcg_limit(struct mem_cgroup *memcg)
{
	return min(READ_ONCE(memcg->memory.max), READ_ONCE(memcg->memory.high));
}

static bool pp_memcg_tight(unsigned long margin)
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
static bool pp_machine_tight(unsigned long margin)
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

/**
 * bpf_pp_memory_tight - is a page that current brings in about to cost another?
 * @margin: pages that count as no room; at most 1/32 of a cgroup's limit
 *
 * Looks at the memory cgroup of current and its ancestors (the lower of
 * memory.max and memory.high of each) and at the machine (free memory of each
 * zone against its high watermark).
 *
 * Return: 1 if less than @margin is left in one of them, else 0
 */
__bpf_kfunc int bpf_pp_memory_tight(u32 margin)
{
	return pp_memcg_tight(margin) || pp_machine_tight(margin);
}

/**
 * bpf_pp_memory_limit - how much memory may current use at most?
 *
 * Return: pages; the lowest memory.max or memory.high of its memory cgroup and
 * the ancestors, or what the machine has if that is less
 */
__bpf_kfunc u64 bpf_pp_memory_limit(void)
{
	unsigned long limit = totalram_pages();
	struct mem_cgroup *memcg;

	if (mem_cgroup_disabled())
		return limit;
	rcu_read_lock();
	for (memcg = mem_cgroup_from_task(current); memcg;
	     memcg = parent_mem_cgroup(memcg))
		limit = min(limit, pp_memcg_limit(memcg));
	rcu_read_unlock();
	return limit;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(pp_kfunc_ids)
BTF_ID_FLAGS(func, bpf_pp_subscribe)
BTF_ID_FLAGS(func, bpf_pp_activate)
BTF_ID_FLAGS(func, bpf_pp_deactivate)
BTF_ID_FLAGS(func, bpf_pp_drop)
BTF_ID_FLAGS(func, bpf_pp_set_readahead)
BTF_ID_FLAGS(func, bpf_pp_memory_tight)
BTF_ID_FLAGS(func, bpf_pp_memory_limit)
BTF_KFUNCS_END(pp_kfunc_ids)

/*
 * Only where queueing work is known to be safe: in a call by the process itself
 * (syscall programs and what replaces their functions) and in a file fault.
 */
static int pp_kfunc_filter(const struct bpf_prog *prog, u32 kfunc_id)
{
	if (!btf_id_set8_contains(&pp_kfunc_ids, kfunc_id))
		return 0;
	switch (prog->type) {
	case BPF_PROG_TYPE_SYSCALL:
		return 0;
	case BPF_PROG_TYPE_EXT:
		return prog->aux->saved_dst_prog_type == BPF_PROG_TYPE_SYSCALL ?
			       0 : -EACCES;
	case BPF_PROG_TYPE_TRACING:
		return !prog->aux->dst_prog && prog->aux->attach_func_name &&
		       !strcmp(prog->aux->attach_func_name, "filemap_fault") ?
			       0 : -EACCES;
	default:
		return -EACCES;
	}
}

static const struct btf_kfunc_id_set pp_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &pp_kfunc_ids,
	.filter = pp_kfunc_filter,
};

BTF_KFUNCS_START(pp_fmodret_ids)
BTF_ID_FLAGS(func, pp_page_used)
BTF_KFUNCS_END(pp_fmodret_ids)

static const struct btf_kfunc_id_set pp_fmodret_set = {
	.owner = THIS_MODULE,
	.set = &pp_fmodret_ids,
};

module_param_named(pending, pp_pending.counter, int, 0444);
MODULE_PARM_DESC(pending, "work queued or running now (read only)");
module_param_named(subscriptions, pp_nr_subscriptions, int, 0444);
MODULE_PARM_DESC(subscriptions, "address spaces subscribed now (read only)");

static int __init pp_init(void)
{
	int err;

	pp_resolve_symbols();
	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING, &pp_kfunc_set);
	err = err ?: register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL,
					       &pp_kfunc_set);
	err = err ?: register_btf_fmodret_id_set(&pp_fmodret_set);
	if (err)
		pr_err("can't register with BPF: %d (was the module built with BTF?)\n",
		       err);
	return err;
}

/*
 * No program that calls a kfunc and no work is left, as each holds the module.
 * What may be left is a thread in the last instructions of pp_work_free().
 */
static void __exit pp_exit(void)
{
	synchronize_rcu_tasks();
	pp_end_subscriptions();
}

module_init(pp_init);
module_exit(pp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PagePatrol: page-cache kfuncs and the was-it-used hook for BPF");
MODULE_VERSION("0.1.0");
