// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reclaim's question "was this page used?": the mmu notifier that brings it to the
 * module. Keeps one reference on a subscription of its own for each address space,
 * none on the address space. Where PagePatrol is built in, reference.c takes the
 * place of this file.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "pagepatrol.h"

static atomic_t pp_allocated = ATOMIC_INIT(0); /* subscriptions not yet freed */
static DECLARE_WAIT_QUEUE_HEAD(pp_all_freed);

/* Every subscribed mm, so that unloading can end the subscriptions. */
struct pp_subscription {
	struct mmu_notifier mn;
	struct list_head node; /* on pp_subscriptions, under its lock */
};

static LIST_HEAD(pp_subscriptions);
static DEFINE_SPINLOCK(pp_subscriptions_lock);
static atomic_t pp_nr_subscriptions = ATOMIC_INIT(0);

/* A notifier can say that a page was used, not that it wasn't. */
static int pp_mn_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	return pp_page_used(mm, start, end) > 0;
}

static int pp_mn_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			    unsigned long address)
{
	return pp_page_used(mm, address, address + PAGE_SIZE) > 0;
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
		atomic_dec(&pp_nr_subscriptions);
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

/* Who is being killed does not wait for the mmap lock, be it another process's. */
void pp_do_subscribe(struct mm_struct *mm)
{
	struct pp_subscription *sub;
	struct mmu_notifier *mn;
	bool first;
	int err;

	err = mmap_write_lock_killable(mm);
	if (!err) {
		mn = mmu_notifier_get_locked(&pp_mn_ops, mm);
		mmap_write_unlock(mm);
		err = PTR_ERR_OR_ZERO(mn);
	}
	if (err) {
		/* -EINTR with a signal pending, -ENOMEM: BPF may ask again */
		pp_subscribed(mm, err);
		return;
	}
	sub = container_of(mn, struct pp_subscription, mn);
	spin_lock(&pp_subscriptions_lock);
	first = list_empty(&sub->node);
	if (first) {
		list_add(&sub->node, &pp_subscriptions);
		atomic_inc(&pp_nr_subscriptions);
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
		atomic_dec(&pp_nr_subscriptions);
	}
	spin_unlock(&pp_subscriptions_lock);
	return sub;
}

void pp_end_subscriptions(void)
{
	struct pp_subscription *sub;

	while ((sub = pp_unlist_any()))
		mmu_notifier_put(&sub->mn);
	/*
	 * callbacks under way, then pp_mn_free() of each (by SRCU, with bottom
	 * halves disabled, so that an RCU grace period sees its end)
	 */
	mmu_notifier_synchronize();
	wait_event(pp_all_freed, !atomic_read(&pp_allocated));
	synchronize_rcu();
}

module_param_cb(subscriptions, &pp_count_ops, &pp_nr_subscriptions, 0444);
MODULE_PARM_DESC(subscriptions, "address spaces subscribed now (read only)");
