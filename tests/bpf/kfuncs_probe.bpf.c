// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that call the module's kfuncs from where they may and from where they may
 * not. Only loaded, one at a time, never attached: the verifier's answer is the test.
 * The name says what that has to be: success_* or failure_*.
 */
#include "kfuncs.bpf.h"

SEC("fentry/filemap_fault")
int success_fault_entry(void *ctx)
{
	return bpf_pp_drop(0, PAGE_SIZE) & 0;
}

SEC("fentry/filemap_fault")
int success_fault_looks(void *ctx)
{
	return (bpf_pp_memory_left(0) | bpf_pp_limit_hits() | bpf_pp_memory_limit()) & 0;
}

SEC("fexit/filemap_fault")
int success_fault_exit(void *ctx)
{
	return bpf_pp_activate(0, PAGE_SIZE) & 0;
}

SEC("syscall")
int success_syscall(void *ctx)
{
	return bpf_pp_deactivate(0, PAGE_SIZE);
}

/* in atomic context, with locks held */
SEC("tp_btf/sched_switch")
int failure_sched_switch(void *ctx)
{
	return bpf_pp_drop(0, PAGE_SIZE);
}

SEC("fexit/__filemap_add_folio")
int failure_page_added(void *ctx)
{
	return bpf_pp_drop(0, PAGE_SIZE);
}

SEC("fexit/__filemap_add_folio")
int success_page_added(void *ctx)
{
	return (bpf_pp_on_return() | bpf_pp_subscribe()) & 0;
}

SEC("fentry/page_cache_async_ra")
int failure_page_marked(void *ctx)
{
	return bpf_pp_readahead(0, PAGE_SIZE);
}

SEC("fentry/page_cache_async_ra")
int success_page_marked(void *ctx)
{
	return bpf_pp_on_return() & 0;
}

/* with preemption off, where a PREEMPT_RT kernel can't allocate */
SEC("tp_btf/mm_filemap_add_to_page_cache")
int failure_tracepoint(void *ctx)
{
	return bpf_pp_on_return() & 0;
}

SEC("fentry/pp_returning")
int success_returning(void *ctx)
{
	return bpf_pp_drop(0, PAGE_SIZE) & 0;
}

SEC("tp_btf/sched_switch")
int failure_on_return(void *ctx)
{
	return bpf_pp_on_return() & 0;
}

/* in reclaim, with a page table locked */
SEC("fmod_ret/pp_page_used")
int failure_page_used(void *ctx)
{
	return bpf_pp_drop(0, PAGE_SIZE);
}

/* at the end of an address space */
SEC("fentry/exit_mmap")
int failure_exit_mmap(void *ctx)
{
	return bpf_pp_subscribe();
}

SEC("iter/task")
int failure_iterator(void *ctx)
{
	return bpf_pp_activate(0, PAGE_SIZE) & 0;
}

SEC("kprobe/filemap_fault")
int failure_kprobe(void *ctx)
{
	return bpf_pp_drop(0, PAGE_SIZE);
}

SEC("xdp")
int failure_packet(void *ctx)
{
	return bpf_pp_drop(0, PAGE_SIZE);
}

/*
 * A function to be replaced, in a program that may call kfuncs and in one that may
 * not: what replaces it is where that is.
 */
__attribute__((noinline)) int replaceable(u64 number)
{
	asm volatile("" : "+r"(number));
	return number;
}

SEC("syscall")
int success_target(void *ctx)
{
	return replaceable(1);
}

SEC("tp_btf/sched_switch")
int success_bad_target(void *ctx)
{
	return replaceable(2) & 0;
}

SEC("freplace/replaceable")
int success_extension(u64 number)
{
	return bpf_pp_drop(0, PAGE_SIZE);
}

SEC("freplace/replaceable")
int failure_extension(u64 number)
{
	return bpf_pp_drop(0, PAGE_SIZE);
}

/* what names another process: in a program that root runs, and nowhere else */
SEC("syscall")
int success_others(void *ctx)
{
	return bpf_pp_task_memory_limit(bpf_get_current_task_btf()) != 0;
}

SEC("fentry/filemap_fault")
int failure_others_fault(void *ctx)
{
	return bpf_pp_task_memory_limit(bpf_get_current_task_btf()) & 0;
}

SEC("freplace/replaceable")
int failure_others_extension(u64 number)
{
	return bpf_pp_task_memory_limit(bpf_get_current_task_btf()) & 0;
}

char LICENSE[] SEC("license") = "GPL";
