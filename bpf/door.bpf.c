// SPDX-License-Identifier: GPL-2.0-only
/*
 * The door: the one program that everybody may run. It holds nothing, no map
 * and no kfunc, so a process that keeps it open keeps neither the tables nor
 * the module alive. The engine replaces pp_handle() while PagePatrol is loaded;
 * without it the answer is -ENODEV.
 */
#include "kernel_types.bpf.h"
#include <pagepatrol/abi.h>

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

/* global, so that it can be replaced; a stub that the compiler can't see through */
__attribute__((noinline)) int pp_handle(struct pp_request *req)
{
	if (!req)
		return 0;
	req->result = -ENODEV;
	return 0;
}

SEC("syscall")
int upload(struct pp_request *ctx)
{
	struct pp_request req = *ctx;

	/* What replaces pp_handle() is not sleepable: it counts on RCU for its
	 * map elements and for its own text. */
	bpf_rcu_read_lock();
	pp_handle(&req);
	bpf_rcu_read_unlock();
	ctx->limited_by = req.limited_by;
	ctx->asked = req.asked;
	ctx->granted = req.granted;
	ctx->result = req.result;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
