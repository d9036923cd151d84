/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The budget: no more is kept than a share of the memory that the process may
 * use. Where that is short it is granted rule by rule, in the order of the
 * policy; what is not granted follows the kernel's default.
 */
#ifndef PP_BUDGET_BPF_H
#define PP_BUDGET_BPF_H

#include "view.bpf.h"

/* Pages that a range asks to keep; 16 TiB is as good as everything. */
static __always_inline u32 kept_pages(const struct pp_range *r)
{
	u64 pages = (r->end - r->start) >> PAGE_SHIFT;

	if (!pp_keeps(r->action))
		return 0;
	return pages < ~0u ? pages : ~0u;
}

#define BUDGET_RULES 32 /* rounds: rule 0, that no policy has, and 31 more */

struct budget_ctx {
	struct view v;
	u64 left; /* pages */
	u32 nr, i, rule, next_rule;
};

/* One range in one round; a round for each rule, in the order of the policy. */
static long grant(u32 n, struct budget_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->v, ctx->i);
	u32 *keep = keep_at(&ctx->v, ctx->i);
	u64 pages;

	if (!r || !keep)
		return 1;
	pages = kept_pages(r);
	if (r->rule == ctx->rule) {
		if (pages > ctx->left)
			pages = ctx->left;
		*keep = pages;
		ctx->left -= pages;
	} else if (r->rule > ctx->rule) {
		*keep = 0;
		if (pages && r->rule < ctx->next_rule)
			ctx->next_rule = r->rule;
	}
	if (++ctx->i < ctx->nr)
		return 0;
	if (ctx->next_rule == ~0u)
		return 1;
	ctx->i = 0;
	ctx->rule = ctx->next_rule;
	ctx->next_rule = ~0u;
	return 0;
}

/* Grants what fits of the @asked pages of a half; returns how many. */
__attribute__((noinline)) u64 keep_what_fits(u64 mm, u64 new, u64 asked)
{
	struct budget_ctx budget = { .next_rule = ~0u };
	u64 most = bpf_pp_memory_limit() * cfg_keep_percent / 100;

	if (asked <= most)
		return asked;
	budget.left = most;
	budget.nr = view_of(mm, new, &budget.v);
	bpf_loop(budget.nr * BUDGET_RULES, grant, &budget, 0);
	return most - budget.left;
}

#endif
