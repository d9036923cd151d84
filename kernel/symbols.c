// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds kernel functions that are not exported, by registering (and at once
 * removing) a kprobe on their name. In the module only.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/printk.h>
#ifdef CONFIG_X86_KERNEL_IBT
#include <asm/ibt.h>
#endif

#include "symbols.h"

/* What is called where the kernel lacks the function; never reached. */
void pp_no_folio_activate(struct folio *folio)
{
}

int pp_no_do_madvise(struct mm_struct *mm, unsigned long start, size_t len,
		     int behavior)
{
	return -EOPNOTSUPP;
}

DEFINE_STATIC_CALL(pp_folio_activate, pp_no_folio_activate);
DEFINE_STATIC_CALL(pp_folio_rotate_reclaimable, pp_no_folio_activate);
DEFINE_STATIC_CALL(pp_do_madvise, pp_no_do_madvise);

bool pp_has_folio_activate __ro_after_init;
bool pp_has_rotate __ro_after_init;
bool pp_has_do_madvise __ro_after_init;

static void *__init pp_lookup(const char *name, const char *consequence)
{
	struct kprobe kp = { .symbol_name = name };
	unsigned long addr;
	int err = register_kprobe(&kp);

	if (err) {
		pr_warn("%s() not found (%d): %s\n", name, err, consequence);
		return NULL;
	}
	addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
#ifdef CONFIG_X86_KERNEL_IBT
	/* the probe sits behind the ENDBR, or what it was sealed with */
	if (is_endbr(*(u32 *)(addr - 4)))
		addr -= 4;
#endif
	return (void *)addr;
}

void __init pp_resolve_symbols(void)
{
	void (*activate)(struct folio *folio);
	void (*rotate)(struct folio *folio);
	int (*madvise)(struct mm_struct *mm, unsigned long start, size_t len,
		       int behavior);

	activate = pp_lookup("folio_activate",
			     "activate is off, pin costs more reclaim time");
	if (activate) {
		static_call_update(pp_folio_activate, activate);
		pp_has_folio_activate = true;
	}
	rotate = pp_lookup("folio_rotate_reclaimable",
			   "what is deactivated goes later than it could");
	if (rotate) {
		static_call_update(pp_folio_rotate_reclaimable, rotate);
		pp_has_rotate = true;
	}
	madvise = pp_lookup("do_madvise", "deactivate is off");
	if (madvise) {
		static_call_update(pp_do_madvise, madvise);
		pp_has_do_madvise = true;
	}
}
