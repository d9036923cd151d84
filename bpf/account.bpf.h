/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may have how much: tables and kept pages per user, and the filter that
 * tells address spaces without a table.
 */
#ifndef PP_ACCOUNT_BPF_H
#define PP_ACCOUNT_BPF_H

#include "engine.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PP_MAX_USERS);
	__type(key, u32);
	__type(value, struct pp_user);
} pp_users SEC(".maps");

static __always_inline void pp_filter_add(u64 mm, int n)
{
	__sync_fetch_and_add(pp_filter_slot(mm), n);
}

static __always_inline bool pp_take(s64 *count, s64 most)
{
	if (__sync_fetch_and_add(count, 1) < most)
		return true;
	__sync_fetch_and_add(count, -1);
	return false;
}

/* User namespaces within one another, at most, with the first. */
#define USER_NAMESPACES 33

/*
 * Who is charged for what a task with these credentials has: its user, or, if that
 * is one in a user namespace, who made this (of those within one another: the
 * outermost). Somebody with a range of users there would else have as many quotas.
 * Root's namespaces are no one's: the users in them are told apart.
 */
static __always_inline u32 pp_payer(const struct cred *cred)
{
	struct user_namespace *ns = BPF_CORE_READ(cred, user_ns);
	u32 uid = BPF_CORE_READ(cred, uid.val), owner;
	int level = 0;

	for (int i = 0; i < USER_NAMESPACES; i++) {
		level = BPF_CORE_READ(ns, level);
		if (level <= 1)
			break;
		ns = BPF_CORE_READ(ns, parent);
	}
	if (level < 1)
		return uid;
	owner = BPF_CORE_READ(ns, owner.val);
	return owner ? owner : uid;
}

/* Takes a table off the user's quota; a large one counts as both. */
static __always_inline bool pp_user_charge(u32 uid, bool table, bool large)
{
	struct pp_user none = {}, *user;

	bpf_map_update_elem(&pp_users, &uid, &none, BPF_NOEXIST);
	user = bpf_map_lookup_elem(&pp_users, &uid);
	if (!user)
		return false;
	if (large && !pp_take(&user->large, PP_MAX_LARGE_TABLES / 4))
		return false;
	if (!table || pp_take(&user->tables, cfg_max_tables_per_user))
		return true;
	if (large)
		__sync_fetch_and_add(&user->large, -1);
	return false;
}

static __always_inline void pp_user_uncharge(u32 uid, bool table, bool large)
{
	struct pp_user *user = bpf_map_lookup_elem(&pp_users, &uid);

	if (user && table)
		__sync_fetch_and_add(&user->tables, -1);
	if (user && large)
		__sync_fetch_and_add(&user->large, -1);
}

/*
 * A process of the user was let keep @was pages and asks for @want: how many it
 * gets. What the user is charged changes by that, no more and no less, whoever
 * asks at the same time; at the limit two at once may both get a little less.
 */
static __always_inline u64 pp_user_keep(u32 uid, u64 was, u64 want)
{
	struct pp_user *user = bpf_map_lookup_elem(&pp_users, &uid);
	s64 most = cfg_max_kept_pages_per_user, more = want - was, now, over;

	if (!user)
		return 0; /* charged for a table, so there is one */
	now = __sync_fetch_and_add(&user->kept, more) + more;
	if (now < 0) /* can't be; it would let him keep more than he may for good */
		__sync_fetch_and_add(&user->kept, -now);
	if (!most || more <= 0 || now <= most)
		return want;
	over = now - most;
	if (over > more)
		over = more;
	__sync_fetch_and_add(&user->kept, -over);
	return want - over;
}

#endif
