/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions that the kernel has but does not export to modules. Looked up
 * once at load; a missing one makes its kfunc say -EOPNOTSUPP. Built in, they are
 * called directly.
 *
 * Static calls, as these are direct: where the kernel checks indirect branches
 * (IBT) it has sealed the entry of functions whose address nobody takes.
 */
#ifndef PP_SYMBOLS_H
#define PP_SYMBOLS_H

#ifdef MODULE

#include <linux/mm_types.h>
#include <linux/static_call.h>

void pp_no_folio_activate(struct folio *folio);
int pp_no_do_madvise(struct mm_struct *mm, unsigned long start, size_t len,
		     int behavior);

DECLARE_STATIC_CALL(pp_folio_activate, pp_no_folio_activate);
DECLARE_STATIC_CALL(pp_folio_rotate_reclaimable, pp_no_folio_activate);
DECLARE_STATIC_CALL(pp_do_madvise, pp_no_do_madvise);

#define pp_call_folio_activate static_call(pp_folio_activate)
#define pp_call_folio_rotate_reclaimable static_call(pp_folio_rotate_reclaimable)
#define pp_call_do_madvise static_call(pp_do_madvise)

extern bool pp_has_folio_activate;
extern bool pp_has_rotate; /* folio_rotate_reclaimable() */
extern bool pp_has_do_madvise;

void pp_resolve_symbols(void);

#else /* built in */

#include <linux/mm.h>

#include "../internal.h"

#define pp_call_folio_activate folio_activate
#define pp_call_folio_rotate_reclaimable folio_rotate_reclaimable
#define pp_call_do_madvise do_madvise

#define pp_has_folio_activate true
#define pp_has_rotate true
#define pp_has_do_madvise true

static inline void pp_resolve_symbols(void)
{
}

#endif

#endif
