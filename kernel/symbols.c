// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds kernel functions that are not exported, by registering (and at once
 * removing) a kprobe on their name.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/printk.h>
#ifdef CONFIG_X86_KERNEL_IBT
#include <asm/ibt.h>
#endif

#include "symbols.h"

struct pp_symbols pp_sym;

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
	/* the probe sits behind the ENDBR that an indirect call must land on */
	if (is_endbr(*(u32 *)(addr - 4)))
		addr -= 4;
#endif
	return (void *)addr;
}

void __init pp_resolve_symbols(void)
{
	pp_sym.folio_activate = pp_lookup(
		"folio_activate", "activate is off, pin costs more reclaim time");
	pp_sym.do_madvise = pp_lookup("do_madvise", "deactivate is off");
}
