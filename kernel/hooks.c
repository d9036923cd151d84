// SPDX-License-Identifier: GPL-2.0-only
/*
 * The functions that BPF programs attach to. Without a program they do nothing,
 * and have no opinion.
 *
 * A program gives or takes the answer, so the compiler must neither inline them
 * nor fold their constant result into the callers: noipa where it has that.
 */
#include <linux/btf.h>

#include "pagepatrol.h"

#if __has_attribute(noipa)
#define PP_HOOK __attribute__((noipa))
#else
#define PP_HOOK noinline
#endif

__bpf_hook_start();

/**
 * pp_page_used - fmod_ret hook: is a page to count as used?
 * @mm: the address space that maps it
 * @start: first address of the page there; a huge one may be of more than one range
 * @end: one past its last address; @start where only PP_ANSWER_IGNORE makes a
 *       difference
 *
 * Asked in reclaim and aging, and built in also when a page is unmapped (only to be
 * ignored) and at the beginning of a page fault (the same); but for the latter with
 * the page table lock held: must not sleep.
 *
 * Return: enum pp_answer
 */
PP_HOOK int pp_page_used(struct mm_struct *mm, unsigned long start,
			 unsigned long end)
{
	asm volatile("");
	return PP_ANSWER_NONE;
}

/**
 * pp_subscribed - fentry hook: a subscription was made, or failed
 * @mm: the address space
 * @error: 0, or the negative errno why there is none
 *
 * Return: nothing that counts
 */
PP_HOOK int pp_subscribed(struct mm_struct *mm, int error)
{
	asm volatile("");
	return error;
}

/**
 * pp_returning - fentry hook: the caller of bpf_pp_on_return() goes back to user space
 * @mm: its address space
 *
 * No lock is held; may sleep.
 *
 * Return: nothing that counts
 */
PP_HOOK int pp_returning(struct mm_struct *mm)
{
	asm volatile("");
	return 0;
}

__bpf_hook_end();
