/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Budgets: how much a table may keep. Each rule has one of its own, the process
 * has one (the policy's or the administrator's, whichever is lower), and so has
 * the user. What there is goes to the program's own calls (rule 0), then to the
 * rules in the order of the policy, within a rule by address; what is not granted
 * follows the kernel's default.
 */
#ifndef PP_BUDGET_BPF_H
#define PP_BUDGET_BPF_H

#include "account.bpf.h"
#include "view.bpf.h"

/* What check_half() finds beside the pages asked for, which are less than 2^48. */
#define WANTS_KEPT (1ull << 61)	   /* has a range that is to be kept */
#define WANTS_RULES (1ull << 60)   /* ... whose rule has a budget */
#define WANTS_MORE (1ull << 59)	   /* ... and these span more than the process may keep */
#define WANTS_IGNORED (1ull << 58) /* has a range whose references are to be ignored */
#define WANTS_PAGES (WANTS_IGNORED - 1)

/* One for a table that is being filled, as long as that takes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PP_MAX_BUDGETS);
	__type(key, u64);
	__type(value, struct pp_budget);
} pp_budgets SEC(".maps");

const struct pp_budget no_budget = {};

static __always_inline bool valid_budget(u32 budget)
{
	return !(budget & PP_BUDGET_SHARE) ||
	       (budget & ~PP_BUDGET_SHARE) <= PP_BUDGET_WHOLE;
}

/* A budget in pages; @limit is the memory limit. */
static __always_inline u64 budget_pages(u32 budget, u64 limit)
{
	if (!budget)
		return ~0ull;
	if (budget & PP_BUDGET_SHARE)
		return limit * (budget & ~PP_BUDGET_SHARE) / PP_BUDGET_WHOLE;
	return budget;
}

/* Pages of a range by its addresses; 16 TiB is as good as everything. */
static __always_inline u32 range_pages(const struct pp_range *r)
{
	return at_most((r->end - r->start) >> PAGE_SHIFT, ~0u);
}

/* Pages that a range asks to keep: as many of it as the file backs. */
static __always_inline u32 kept_pages(const struct pp_range *r)
{
	u32 pages = range_pages(r);

	if (!pp_keeps(r->action))
		return 0;
	return at_most(r->pages, pages);
}

struct budget_ctx {
	struct view v;
	struct pp_budget *budget;
	u64 limit; /* pages of memory */
	u64 asked; /* pages, of each rule no more than its budget */
	u64 left;  /* pages still to be granted */
	u64 spare; /* pages that files may grow by */
};

static __always_inline u32 *rule_at(struct budget_ctx *ctx, u32 rule)
{
	if (!ctx->budget)
		return NULL;
	if (rule >= PP_BUDGET_RULES)
		rule = PP_BUDGET_RULES - 1;
	return &ctx->budget->rule[rule & (PP_BUDGET_RULES - 1)];
}

/* First: what each rule asks for, up to its budget. */
static long ask_for(u32 i, struct budget_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->v, i);
	u32 *rule = r ? rule_at(ctx, r->rule) : NULL;
	u64 most, sum;

	if (!rule)
		return 1;
	most = budget_pages(r->budget, ctx->limit);
	if (most > ~0u)
		most = ~0u;
	sum = (u64)*rule + kept_pages(r);
	if (sum > most)
		sum = most;
	if (sum > *rule) {
		ctx->asked += sum - *rule;
		*rule = sum;
	}
	return 0;
}

/* Second: what each rule gets. */
static long grant_rule(u32 i, struct budget_ctx *ctx)
{
	u32 *rule = rule_at(ctx, i);

	if (!rule)
		return 1;
	if (*rule > ctx->left)
		*rule = ctx->left;
	ctx->left -= *rule;
	return 0;
}

/* Third: what each range gets of it. */
static long grant_range(u32 i, struct budget_ctx *ctx)
{
	struct pp_range *r = range_at(&ctx->v, i);
	u32 *keep = keep_at(&ctx->v, i);
	u32 *rule = r ? rule_at(ctx, r->rule) : NULL;
	u64 pages, more;

	if (!rule || !keep)
		return 1;
	pages = kept_pages(r);
	if (pages > *rule)
		pages = *rule;
	*rule -= pages;
	if (pp_keeps(r->action)) {
		more = range_pages(r) - pages;
		if (more > ctx->spare)
			more = ctx->spare;
		ctx->spare -= more;
		pages += more;
	}
	*keep = pages;
	return 0;
}

/* What the rules of a half ask for within their budgets; or a negative errno. */
__attribute__((noinline)) s64 ask_by_rule(struct pp_small_table *small,
					  struct pp_large_table *large, u32 new,
					  u64 mm, u64 limit)
{
	struct budget_ctx ctx = { .limit = limit };
	u32 nr = view_of(small, large, new, &ctx.v);

	if (bpf_map_update_elem(&pp_budgets, &mm, &no_budget, BPF_ANY))
		return -EAGAIN; /* as many push at this moment as there are places */
	ctx.budget = bpf_map_lookup_elem(&pp_budgets, &mm);
	bpf_loop(nr, ask_for, &ctx, 0);
	return ctx.asked;
}

/*
 * Shares @pages out to the ranges of a half, as ask_by_rule() left it, and @spare
 * more to those that their files don't fill yet, by address.
 */
__attribute__((noinline)) int share_out(struct pp_small_table *small,
					struct pp_large_table *large, u32 new,
					u64 pages, u64 spare)
{
	struct budget_ctx ctx = { .left = pages, .spare = spare };
	u32 nr = view_of(small, large, new, &ctx.v);
	struct pp_table_head *head = head_of(&ctx.v);
	u64 mm;

	if (!head)
		return 0;
	mm = head->mm;
	ctx.budget = bpf_map_lookup_elem(&pp_budgets, &mm);
	bpf_loop(PP_BUDGET_RULES, grant_rule, &ctx, 0);
	bpf_loop(nr, grant_range, &ctx, 0);
	return 0;
}

/* What the process's and the administrator's limit leave it. */
static __always_inline u64 most_pages(u32 budget, u64 limit)
{
	u64 most = limit * cfg_keep_percent / 100;
	u64 own = budget_pages(budget, limit);

	return at_most(own, most);
}

/*
 * Lets a half keep what the budgets allow, and charges the user for it instead of
 * for @was pages. The ranges' keep covers all of their addresses by now. That
 * stays so, and files may grow, if all these fit into the one limit there is; else
 * it is shared out, as what the caller says of its files may be wrong: the sum of
 * keep never is above a limit.
 *
 * @wants: WANTS_* of the half. Returns 0 or a negative errno.
 */
static __always_inline int keep_what_fits(struct view *v,
					  const struct pp_table_head *head,
					  u32 new, u64 was, u64 limit, u64 wants,
					  struct pp_request *req)
{
	u64 most = most_pages(req->budget, limit), sum = req->asked;
	bool one_limit = !(wants & WANTS_RULES) && !cfg_max_kept_pages_per_user;
	bool share = (wants & WANTS_KEPT) &&
		     (!one_limit || (wants & WANTS_MORE));
	u64 mm = head->mm;
	s64 by_rule;

	if (share) {
		by_rule = ask_by_rule(v->small, v->large, new, mm, limit);
		if (by_rule < 0)
			return by_rule;
		if ((u64)by_rule < sum)
			req->limited_by = PP_LIMITED_RULE;
		sum = by_rule;
	}
	if (sum > most) {
		if (!req->limited_by)
			req->limited_by = PP_LIMITED_PROCESS;
		sum = most;
	}
	req->granted = sum == was ? sum : pp_user_keep(head->uid, was, sum);
	if (req->granted < sum && !req->limited_by)
		req->limited_by = PP_LIMITED_USER;
	if (share) {
		share_out(v->small, v->large, new, req->granted,
			  one_limit ? most - req->granted : 0);
		bpf_map_delete_elem(&pp_budgets, &mm);
	}
	return 0;
}

#endif
