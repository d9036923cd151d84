// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table for a process that is running already and has no shim: static, Go,
 * started long ago. Run by root's tools alone: pinned in the private folder, and
 * the kfuncs it needs are denied to anybody else, and to what replaces a function
 * of a program (so the door can't come here).
 *
 * Holds the target's address space while at it: the end of that, which removes
 * the table, comes after. Acts on no page of it: ranges come into effect with
 * faults and with reclaim's questions.
 */
#include "table.bpf.h"

extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

struct forget_ctx {
	struct view old;
	u64 mm;
};

static long forget_state(u32 i, struct forget_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->old, i);
	struct pp_range_key key = { .mm = ctx->mm };

	if (!r)
		return 1;
	key.id = r->id;
	bpf_map_delete_elem(&pp_range_states, &key);
	return 0;
}

/* States of a table's ranges; what their streams had pending stays in the cache. */
__attribute__((noinline)) int forget_states(struct pp_small_table *small,
					    struct pp_large_table *large, u32 old)
{
	struct forget_ctx ctx = {};
	u32 nr = view_of(small, large, old, &ctx.old);

	if (!nr)
		return 0;
	ctx.mm = head_of(&ctx.old)->mm;
	bpf_loop(nr, forget_state, &ctx, 0);
	return 0;
}

/* As set_table() of the door, for @key; the caller holds the RCU read lock. */
static __always_inline int attach_table(struct pp_request *req, u64 key,
					u64 task_size, u64 limit, u32 op, u32 flags,
					const struct pp_table_head *owner,
					struct change *change)
{
	struct pp_table_head *head;
	struct pp_small_table *small;
	struct pp_large_table *large;
	struct view v = {};
	int err;

	if (req->version != PP_ABI_VERSION)
		return -EPROTO;
	if (req->op != PP_OP_SET || req->action || req->start || req->end ||
	    !valid_budget(req->budget))
		return -EINVAL;
	if (req->nr_ranges > PP_MAX_RANGES)
		return -E2BIG;
	/* the one in force, which need not be the one that is filled */
	pp_table_of(key, &small, &large);
	head = small ? &small->head : large ? &large->head : NULL;
	if (!head && op == PP_ATTACH_END)
		return -ENOENT;
	if (head && !(head->flags & PP_TABLE_ATTACHED) && !(flags & PP_ATTACH_FORCE)) {
		if (op == PP_ATTACH_END)
			return -ENOENT;
		if (head->nr[head->seq & 1])
			return -EBUSY; /* the process looks after itself */
	}
	err = find_table(key, req->nr_ranges, &v);
	if (err == -ENOENT)
		err = new_table(key, req->nr_ranges, owner, &v);
	if (err)
		return err;
	head = head_of(&v);
	if (!head)
		return 0;
	err = replace_locked(req, task_size, limit, key, &v, change);
	if (err)
		return err;
	if (op == PP_ATTACH_END)
		__sync_fetch_and_and(&head->flags, ~PP_TABLE_ATTACHED);
	else
		__sync_fetch_and_or(&head->flags, PP_TABLE_ATTACHED);
	/* the half before may be one of the small table that was outgrown just now */
	forget_states(small, v.large, change->halves.old);
	return 0;
}

SEC("syscall")
int attach(struct pp_attach *ctx)
{
	struct pp_request req = ctx->request;
	struct pp_table_head owner = {};
	struct change change = {};
	struct task_struct *task;
	u32 op = ctx->op, flags = ctx->flags;
	struct mm_struct *mm;
	u64 limit, key;
	int err = 0;

	task = bpf_task_from_pid(ctx->pid);
	if (!task) {
		ctx->error = -ESRCH;
		return 0;
	}
	mm = bpf_pp_task_mm(task);
	if (!mm) {
		bpf_task_release(task);
		ctx->error = -EINVAL; /* a kernel thread, or it is ending */
		return 0;
	}
	limit = bpf_pp_task_memory_limit(task);
	key = pp_mm_key(mm);
	owner.uid = pp_payer(BPF_CORE_READ(task, real_cred));
	owner.tgid = task->tgid;
	bpf_probe_read_kernel_str(owner.comm, sizeof(owner.comm), task->comm);
	bpf_task_release(task);

	if (op > PP_ATTACH_END || (flags & ~PP_ATTACH_FORCE)) {
		err = -EINVAL;
	} else if (op == PP_ATTACH_SET && ctx->mm != key) {
		err = -ESTALE;
	} else if (op != PP_ATTACH_LOOK) {
		if (op == PP_ATTACH_END)
			req.nr_ranges = 0;
		bpf_rcu_read_lock();
		err = attach_table(&req, key, mm->task_size, limit, op, flags,
				   &owner, &change);
		bpf_rcu_read_unlock();
	}
	if (!err && change.answers)
		bpf_pp_subscribe_mm(mm);
	bpf_pp_mm_put(mm);
	ctx->mm = key;
	ctx->error = err;
	ctx->request.asked = req.asked;
	ctx->request.granted = req.granted;
	ctx->request.limited_by = req.limited_by;
	return 0;
}
