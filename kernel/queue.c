// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues work on current->mm from where nothing may sleep, and has it done in the
 * same thread on its way back to user space (task_work).
 */
#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/task_work.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "pagepatrol.h"

struct pp_queued {
	struct callback_head twork; /* of the first of a burst */
	struct hlist_node open; /* of the first, until it runs */
	struct pp_queued *next; /* of the same burst */
	struct pp_queued *last; /* of the first */
	struct task_struct *task;
	u32 user; /* slot of pp_pending_of_user */
	struct pp_work work;
};

/*
 * Work queued or running, over whose limits threads that queue at the same moment may
 * go by one each; each holds the module. It runs when its thread goes
 * back to user space, which one that sits in a system call may not do for long:
 * then unloading is refused (-EWOULDBLOCK), it never waits for that thread.
 */
static atomic_t pp_pending = ATOMIC_INIT(0);
#define PP_MAX_PENDING 65536

/*
 * One user must not use up what all have: each has a quarter at most. Users
 * share a slot by chance, which costs them nothing but that they share it.
 */
#define PP_USER_BITS 8
#define PP_MAX_PENDING_OF_USER (PP_MAX_PENDING / 4)
static atomic_t pp_pending_of_user[1 << PP_USER_BITS];

/*
 * What a thread queues until it goes back to user space is a burst, and done in that
 * order: task work alone would run the newest first, and a range that is dropped and
 * then read again would be gone. The first of a burst is task work, and found by its
 * thread here; the others hang on it.
 */
#define PP_BURST_BITS 10
static struct pp_bursts {
	/* never taken from an interrupt, pp_queue() refuses there: they may stay on */
	raw_spinlock_t lock;
	struct hlist_head first;
} pp_bursts[1 << PP_BURST_BITS];

/* Here and not in the array's initializer: one class for lockdep. */
void __init pp_queue_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pp_bursts); i++)
		raw_spin_lock_init(&pp_bursts[i].lock);
}

static struct pp_bursts *pp_bursts_of(struct task_struct *task)
{
	return &pp_bursts[hash_ptr(task, PP_BURST_BITS)];
}

/* Of current; under the lock. */
static struct pp_queued *pp_burst(struct pp_bursts *bursts)
{
	struct pp_queued *first;

	hlist_for_each_entry(first, &bursts->first, open)
		if (first->task == current)
			return first;
	return NULL;
}

static bool pp_has_burst(void)
{
	struct pp_bursts *bursts = pp_bursts_of(current);
	bool has;

	raw_spin_lock(&bursts->lock);
	has = pp_burst(bursts);
	raw_spin_unlock(&bursts->lock);
	return has;
}

/* Hangs it on current's burst; returns false if it is the first of one. */
static bool pp_burst_add(struct pp_queued *queued)
{
	struct pp_bursts *bursts = pp_bursts_of(current);
	struct pp_queued *first;

	raw_spin_lock(&bursts->lock);
	first = pp_burst(bursts);
	if (first) {
		first->last->next = queued;
		first->last = queued;
	} else {
		hlist_add_head(&queued->open, &bursts->first);
	}
	raw_spin_unlock(&bursts->lock);
	return first;
}

/* From now on nothing is hung on it. */
static void pp_burst_close(struct pp_queued *first)
{
	struct pp_bursts *bursts = pp_bursts_of(first->task);

	raw_spin_lock(&bursts->lock);
	hlist_del(&first->open);
	raw_spin_unlock(&bursts->lock);
}

/* The end of it still is the module's text: pp_exit() waits that out. */
static void pp_queued_free(struct pp_queued *queued)
{
	atomic_dec(&pp_pending_of_user[queued->user]);
	kfree(queued);
	atomic_dec(&pp_pending);
	module_put(THIS_MODULE);
}

static void pp_run(struct callback_head *twork)
{
	struct pp_queued *queued = container_of(twork, struct pp_queued, twork);
	struct pp_queued *next;

	pp_burst_close(queued);
	for (; queued; queued = next) {
		cond_resched();
		next = queued->next;
		pp_do(&queued->work);
		pp_queued_free(queued);
	}
}

/*
 * Whose work it is: who made the (outermost) user namespace that current is in, as
 * he may have many users there. Root's namespaces are no one's.
 */
static kuid_t pp_payer(void)
{
	struct user_namespace *ns = current_user_ns();

	while (ns->level > 1)
		ns = ns->parent;
	return ns->level && !uid_eq(ns->owner, GLOBAL_ROOT_UID) ? ns->owner :
								  current_uid();
}

static int pp_queue_work(const struct pp_work *work)
{
	u32 user = hash_32(__kuid_val(pp_payer()), PP_USER_BITS);
	struct pp_queued *queued;
	int err;

	if (atomic_read(&pp_pending) >= PP_MAX_PENDING ||
	    atomic_read(&pp_pending_of_user[user]) >= PP_MAX_PENDING_OF_USER)
		return -EBUSY;
	queued = kmalloc(sizeof(*queued), GFP_NOWAIT | __GFP_NOWARN);
	if (!queued)
		return -ENOMEM;
	init_task_work(&queued->twork, pp_run);
	queued->next = NULL;
	queued->last = queued;
	queued->task = current;
	queued->user = user;
	queued->work = *work;
	atomic_inc(&pp_pending);
	atomic_inc(&pp_pending_of_user[user]);
	__module_get(THIS_MODULE); /* the calling program holds it already */
	if (pp_burst_add(queued))
		return 0;
	err = task_work_add(current, &queued->twork, TWA_RESUME);
	if (err) {
		pp_burst_close(queued);
		pp_queued_free(queued);
	}
	return err;
}

/* Does the work for current->mm, if that can be done on the spot, or queues it. */
int pp_queue(struct pp_work work)
{
	if (!in_task() || !current->mm || (current->flags & PF_KTHREAD))
		return -EINVAL;
	if (current->flags & PF_EXITING)
		return -ESRCH;
	/* a worker that never goes back to user space (vhost), nor runs task work */
	if ((current->flags & (PF_USER_WORKER | PF_IO_WORKER)) == PF_USER_WORKER)
		return -EINVAL;
	work.mm = current->mm;
	if (work.op != PP_WORK_SUBSCRIBE && work.op != PP_WORK_RETURN) {
		if (work.start >= work.end || !PAGE_ALIGNED(work.start) ||
		    !PAGE_ALIGNED(work.end))
			return -EINVAL;
		if (work.end > current->mm->task_size)
			return -ERANGE;
		/* not before what is queued, unless that runs by now: pp_returning() */
		if (!pp_has_burst() && pp_do_at_once(&work))
			return 0;
	}
	return pp_queue_work(&work);
}

module_param_cb(pending, &pp_count_ops, &pp_pending, 0444);
MODULE_PARM_DESC(pending, "work queued or running now (read only)");
