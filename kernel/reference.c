// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reclaim's question "was this page used?" where PagePatrol is built in: the
 * reference check asks directly (<linux/pagepatrol.h>), so a subscription is one
 * bit of the address space. The module has notifier.c instead.
 */
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/module.h>
#include <linux/pagepatrol.h>

#include "pagepatrol.h"

static atomic_t pp_nr_subscriptions = ATOMIC_INIT(0);

/*
 * References to a private copy and to tmpfs count even where those to the file's pages
 * are to be ignored: they are data of the process, not page cache, and go to swap.
 */
bool __pagepatrol_referenced(struct folio *folio, struct vm_area_struct *vma,
			     unsigned long addr, unsigned long size, bool young)
{
	int answer = pp_page_used(vma->vm_mm, addr, addr + size);

	if (answer > 0)
		return true;
	if (answer < 0 && !folio_test_anon(folio) &&
	    !folio_test_swapbacked(folio))
		return false;
	return young && vma_has_recency(vma);
}

/*
 * As above, what is the process's own is not page cache: private copies, which a read
 * may bring back from swap, and tmpfs.
 *
 * Nothing else that asks can be preempted (PREEMPT_RT apart). While this is, BPF would skip
 * the program for all who ask on that processor.
 */
bool __pagepatrol_ignored(struct vm_area_struct *vma, unsigned long addr,
			  unsigned int flags)
{
	int answer;

	if (!(vma->vm_flags & VM_SHARED) &&
	    ((flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) ||
	     READ_ONCE(vma->anon_vma)))
		return false;
	if (vma_is_shmem(vma))
		return false;
	preempt_disable();
	answer = pp_page_used(vma->vm_mm, addr, addr);
	preempt_enable();
	return answer < 0;
}

/* @mm has users: its end, which takes the bit back, is still to come. */
void pp_do_subscribe(struct mm_struct *mm)
{
	/* No order towards those who test it: a question too few is default behaviour. */
	if (!test_and_set_bit(MMF_PAGEPATROL, &mm->flags))
		atomic_inc(&pp_nr_subscriptions);
	pp_subscribed(mm, 0);
}

void __pagepatrol_exit(struct mm_struct *mm)
{
	if (test_and_clear_bit(MMF_PAGEPATROL, &mm->flags))
		atomic_dec(&pp_nr_subscriptions);
}

module_param_cb(subscriptions, &pp_count_ops, &pp_nr_subscriptions, 0444);
MODULE_PARM_DESC(subscriptions, "address spaces subscribed now (read only)");
