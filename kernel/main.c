// SPDX-License-Identifier: GPL-2.0-only
/*
 * PagePatrol: mechanisms on the page cache for BPF programs.
 *
 * One decision hook (reclaim asks "was this page used?", with the address) and
 * kfuncs that act on a range of the calling process. What is to become of
 * which range is decided in BPF; this holds no policy, keeps no reference on a
 * file, folio or process beyond a call, and never touches the pages of an address
 * space other than current->mm. (A program that root runs may subscribe another
 * one to the question, which touches none.)
 *
 * One source for two places: a module for a kernel as it is, and mm/pagepatrol of a
 * kernel that was patched for it (CONFIG_PAGEPATROL), where the reference check
 * itself asks. What differs is in notifier.c or reference.c, in symbols.h, and between
 * #ifdef MODULE.
 *
 * These kfuncs may be called from a page fault. They check their arguments and
 * queue the work; it runs in the same thread on its way back to user space
 * (task_work), with no lock held. What is little and need not sleep is done in the
 * call, if the mmap lock is free.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/capability.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/string.h>

#include "pagepatrol.h"
#include "symbols.h"

static int pp_queue_range(enum pp_work_op op, u64 start, u64 end)
{
	return pp_queue((struct pp_work){ .op = op, .start = start, .end = end });
}

__bpf_kfunc_start_defs();

/**
 * bpf_pp_subscribe - let pp_page_used() answer for the calling process
 *
 * Subscribes current->mm to the questions that reclaim and aging ask about its
 * pages; once is enough, more does no harm. Ends with the address space or the
 * module. The outcome is reported through pp_subscribed().
 *
 * Return: 0 if queued, -EINVAL outside a user process, -ENOMEM, -EBUSY with too
 * much queued, -ESRCH if the thread is exiting
 */
__bpf_kfunc int bpf_pp_subscribe(void)
{
	return pp_queue((struct pp_work){ .op = PP_WORK_SUBSCRIBE });
}

/**
 * bpf_pp_on_return - have pp_returning() called when current goes back to user space
 *
 * Once for each call that says 0, unless the thread ends or executes another program.
 *
 * Return: 0 if queued, -EINVAL outside a user process, -ENOMEM, -EBUSY with too
 * much queued, -ESRCH if the thread is exiting
 */
__bpf_kfunc int bpf_pp_on_return(void)
{
	return pp_queue((struct pp_work){ .op = PP_WORK_RETURN });
}

/**
 * bpf_pp_activate - move cached file pages of a range to the active list
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 *
 * Return: 0 if queued, -EINVAL for a bad range or outside a user process,
 * -ERANGE beyond the user address space, -ENOMEM, -EBUSY with too much queued,
 * -ESRCH if the thread is exiting, -EOPNOTSUPP if the kernel lacks folio_activate()
 */
__bpf_kfunc int bpf_pp_activate(u64 start, u64 end)
{
	if (!pp_has_folio_activate)
		return -EOPNOTSUPP;
	return pp_queue_range(PP_WORK_ACTIVATE, start, end);
}

/**
 * bpf_pp_deactivate - make the pages of a range the first to be reclaimed
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 *
 * As MADV_COLD (accessed bits cleared, moved to the inactive list, private copies
 * in the range too), and then all of the files' pages that are cached, mapped or
 * not, to the end of that list that reclaim takes from next, but for dirty ones.
 * Pages that others map as well are left alone.
 *
 * Return: as bpf_pp_activate(); -EOPNOTSUPP if the kernel lacks do_madvise()
 */
__bpf_kfunc int bpf_pp_deactivate(u64 start, u64 end)
{
	if (!pp_has_do_madvise)
		return -EOPNOTSUPP;
	return pp_queue_range(PP_WORK_DEACTIVATE, start, end);
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
	return pp_queue_range(PP_WORK_DROP, start, end);
}

/**
 * bpf_pp_drop_rest - drop all but the beginning of each block of a range's file
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 * @block: pages of a block, a power of two, at most 4 MiB; the first begins where the
 *	file does
 * @keep: pages that stay of each
 *
 * Drops, as bpf_pp_drop() does, what is cached of the others.
 *
 * Return: as bpf_pp_drop(); -EINVAL also for a bad @block or if @keep is none less
 */
__bpf_kfunc int bpf_pp_drop_rest(u64 start, u64 end, u32 block, u32 keep)
{
	if (!is_power_of_2(block) || block > PP_CHUNK >> PAGE_SHIFT || keep >= block)
		return -EINVAL;
	return pp_queue((struct pp_work){ .op = PP_WORK_DROP_REST, .start = start,
					  .end = end, .block = block, .pages = keep });
}

/**
 * bpf_pp_readahead - start to read the file behind a range
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned; what lies more than 4 MiB behind @start,
 *	or in another mapping, is not read
 *
 * Reads what is not cached, as far as memory that is left reaches, and waits for none of
 * it. The first page read is marked for read-ahead: a fault that comes to it calls
 * page_cache_async_ra() although it finds the page.
 *
 * Return: as bpf_pp_drop()
 */
__bpf_kfunc int bpf_pp_readahead(u64 start, u64 end)
{
	return pp_queue_range(PP_WORK_READAHEAD, start, end);
}

/**
 * bpf_pp_prefetch - read the files behind a range into the page cache
 * @start: first byte, page aligned
 * @end: one past the last byte, page aligned
 *
 * As POSIX_FADV_WILLNEED, 2 MiB at a time, until the end of the range or until
 * little memory is left in the cgroup or the machine.
 *
 * Return: as bpf_pp_activate(), never -EOPNOTSUPP
 */
__bpf_kfunc int bpf_pp_prefetch(u64 start, u64 end)
{
	return pp_queue_range(PP_WORK_PREFETCH, start, end);
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
	return pp_queue((struct pp_work){ .op = PP_WORK_SET_READAHEAD, .start = start,
					  .end = end, .pages = pages });
}

/**
 * bpf_pp_memory_left - how much may current bring in before a page costs another?
 * @margin: pages that are not to be counted; of a cgroup's limit at most 1/32
 *
 * Looks at the memory cgroup of current and its ancestors (the lower of
 * memory.max and memory.high of each) and at the machine (free memory of each
 * zone above its high watermark). The lowest counts.
 *
 * Return: pages; none if 0 or negative, which is how much of @margin is used
 */
__bpf_kfunc s64 bpf_pp_memory_left(u32 margin)
{
	return pp_memory_left(margin);
}

/**
 * bpf_pp_limit_hits - how often was a memory limit of current's reached?
 *
 * The sum of the events max and high of memory.events.local, of the memory cgroup of
 * current and its ancestors, as far as these are of cgroup v2.
 *
 * Return: a number that is another one if that happened since
 */
__bpf_kfunc u64 bpf_pp_limit_hits(void)
{
	return pp_limit_hits();
}

/**
 * bpf_pp_memory_limit - how much memory may current use at most?
 *
 * Return: pages; the lowest memory.max or memory.high of its memory cgroup and
 * the ancestors, or what the machine has if that is less
 */
__bpf_kfunc u64 bpf_pp_memory_limit(void)
{
	return pp_memory_limit(current);
}

#ifndef MODULE
/**
 * bpf_pp_can_ignore - may pp_page_used() answer PP_ANSWER_IGNORE?
 *
 * A program need not call it: where it isn't (a weak symbol tells), it may not.
 *
 * Return: 1
 */
__bpf_kfunc int bpf_pp_can_ignore(void)
{
	return 1;
}
#endif

/*
 * For a process that is running already and can't speak for itself: only in
 * syscall programs (never in what replaces a function of one, as the door that
 * everybody may run is such a one), and only if root runs these.
 */

/**
 * bpf_pp_task_mm - get the address space of another process
 * @task: any thread of it
 *
 * Return: the address space, to be given back by bpf_pp_mm_put(): it does not
 * end meanwhile. NULL for a kernel thread, a process that is ending, or if the
 * caller is not root (CAP_SYS_ADMIN)
 */
__bpf_kfunc struct mm_struct *bpf_pp_task_mm(struct task_struct *task)
{
	if (!capable(CAP_SYS_ADMIN))
		return NULL;
	return get_task_mm(task);
}

/**
 * bpf_pp_mm_put - give back what bpf_pp_task_mm() gave
 * @mm: the address space; if it ends with this, it does so in a worker
 */
__bpf_kfunc void bpf_pp_mm_put(struct mm_struct *mm)
{
	mmput_async(mm);
}

/**
 * bpf_pp_subscribe_mm - let pp_page_used() answer for another process
 * @mm: its address space, from bpf_pp_task_mm()
 *
 * As bpf_pp_subscribe(), at once. May sleep (the mmap lock; a fatal signal ends that).
 *
 * Return: 0, as the outcome is reported through pp_subscribed()
 */
__bpf_kfunc int bpf_pp_subscribe_mm(struct mm_struct *mm)
{
	pp_do_subscribe(mm);
	return 0;
}

/**
 * bpf_pp_task_memory_limit - bpf_pp_memory_limit() of another process
 * @task: a thread of it
 *
 * Return: pages
 */
__bpf_kfunc u64 bpf_pp_task_memory_limit(struct task_struct *task)
{
	return pp_memory_limit(task);
}

__bpf_kfunc_end_defs();

/*
 * A module registers one set. Flags of those that name another process, and of no
 * others, mean something to the verifier; the mark of those that only queue does not,
 * as they have no pointer for an argument.
 */
#define PP_ONLY_QUEUES KF_RCU

BTF_KFUNCS_START(pp_kfunc_ids)
BTF_ID_FLAGS(func, bpf_pp_subscribe, PP_ONLY_QUEUES)
BTF_ID_FLAGS(func, bpf_pp_on_return, PP_ONLY_QUEUES)
BTF_ID_FLAGS(func, bpf_pp_activate)
BTF_ID_FLAGS(func, bpf_pp_deactivate)
BTF_ID_FLAGS(func, bpf_pp_drop)
BTF_ID_FLAGS(func, bpf_pp_drop_rest)
BTF_ID_FLAGS(func, bpf_pp_readahead)
BTF_ID_FLAGS(func, bpf_pp_prefetch)
BTF_ID_FLAGS(func, bpf_pp_set_readahead)
BTF_ID_FLAGS(func, bpf_pp_memory_left)
BTF_ID_FLAGS(func, bpf_pp_limit_hits)
BTF_ID_FLAGS(func, bpf_pp_memory_limit)
#ifndef MODULE
BTF_ID_FLAGS(func, bpf_pp_can_ignore)
#endif
BTF_ID_FLAGS(func, bpf_pp_task_mm, KF_ACQUIRE | KF_RET_NULL | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_pp_mm_put, KF_RELEASE)
BTF_ID_FLAGS(func, bpf_pp_subscribe_mm, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_pp_task_memory_limit, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(pp_kfunc_ids)

static bool pp_attached_to(const struct bpf_prog *prog, const char *name)
{
	return prog->type == BPF_PROG_TYPE_TRACING && !prog->aux->dst_prog &&
	       prog->aux->attach_func_name &&
	       !strcmp(prog->aux->attach_func_name, name);
}

/*
 * Only where queueing work is known to be safe: in a call by the process itself
 * (syscall programs and what replaces their functions), in a file fault and on the
 * way back to user space.
 */
static bool pp_may_act(const struct bpf_prog *prog)
{
	if (prog->type == BPF_PROG_TYPE_EXT)
		return prog->aux->saved_dst_prog_type == BPF_PROG_TYPE_SYSCALL;
	return prog->type == BPF_PROG_TYPE_SYSCALL ||
	       pp_attached_to(prog, "filemap_fault") ||
	       pp_attached_to(prog, "pp_returning");
}

/*
 * Built in, it is asked about all of the kernel's kfuncs; a module's about its own alone.
 * An id that it does not know was relocated then: the module's BTF came with a base of
 * its own (.BTF.base), for which the ids here were not.
 */
static int pp_kfunc_filter(const struct bpf_prog *prog, u32 kfunc_id)
{
	const u32 *pair = btf_id_set8_contains(&pp_kfunc_ids, kfunc_id);
	bool may;

	if (!pair)
		return __is_defined(MODULE) ? -EACCES : 0;
	if (pair[1] & ~PP_ONLY_QUEUES) /* names another process */
		may = prog->type == BPF_PROG_TYPE_SYSCALL;
	else if (pair[1]) /* in a fault, too, where a folio is or may be locked */
		may = pp_may_act(prog) ||
		      pp_attached_to(prog, "__filemap_add_folio") ||
		      pp_attached_to(prog, "page_cache_async_ra");
	else
		may = pp_may_act(prog);
	return may ? 0 : -EACCES;
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

static int pp_count_get(char *buffer, const struct kernel_param *kp)
{
	return scnprintf(buffer, PAGE_SIZE, "%d\n", atomic_read(kp->arg));
}

static int pp_count_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

const struct kernel_param_ops pp_count_ops = {
	.set = pp_count_set,
	.get = pp_count_get,
};

static int __init pp_init(void)
{
	int err;

	pp_queue_init();
	pp_resolve_symbols();
	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING, &pp_kfunc_set);
	err = err ?: register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL,
					       &pp_kfunc_set);
	err = err ?: register_btf_fmodret_id_set(&pp_fmodret_set);
	if (err)
		pr_err("can't register with BPF: %d (was it built with BTF?)\n",
		       err);
	return err;
}
module_init(pp_init);

#ifdef MODULE
/*
 * No program that calls a kfunc and no work is left, as each holds the module.
 * What may be left is a thread in the last instructions of pp_queued_free().
 */
static void __exit pp_exit(void)
{
	synchronize_rcu_tasks();
	pp_end_subscriptions();
}

module_exit(pp_exit);
#endif

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PagePatrol: page-cache kfuncs and the was-it-used hook for BPF");
MODULE_VERSION("0.1.0");
