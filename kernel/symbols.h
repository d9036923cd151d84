/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions that the kernel has but does not export to modules. Looked up
 * once at load; a missing one is NULL and its kfunc says -EOPNOTSUPP.
 */
#ifndef PP_SYMBOLS_H
#define PP_SYMBOLS_H

#include <linux/mm_types.h>

struct pp_symbols {
	void (*folio_activate)(struct folio *folio);
	int (*do_madvise)(struct mm_struct *mm, unsigned long start, size_t len,
			  int behavior);
};

extern struct pp_symbols pp_sym;

void pp_resolve_symbols(void);

#endif
