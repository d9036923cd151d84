/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may have how much: the count of tables per user, and the filter that
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
	__type(value, s64);
} pp_users SEC(".maps");

static __always_inline void pp_filter_add(u64 mm, int n)
{
	__sync_fetch_and_add(pp_filter_slot(mm), n);
}

/* Takes one table off the user's quota. */
static __always_inline bool pp_user_charge(u32 uid)
{
	s64 none = 0, *tables;

	bpf_map_update_elem(&pp_users, &uid, &none, BPF_NOEXIST);
	tables = bpf_map_lookup_elem(&pp_users, &uid);
	if (!tables)
		return false;
	if (__sync_fetch_and_add(tables, 1) >= cfg_max_tables_per_user) {
		__sync_fetch_and_add(tables, -1);
		return false;
	}
	return true;
}

static __always_inline void pp_user_uncharge(u32 uid)
{
	s64 *tables = bpf_map_lookup_elem(&pp_users, &uid);

	if (tables)
		__sync_fetch_and_add(tables, -1);
}

#endif
