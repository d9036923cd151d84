/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program may ask of PagePatrol by itself: keep pages of files that it has
 * mapped, or say once that they are hot or cold. C11 and C++. Link with
 * libpagepatrol-api.a (pkg-config pagepatrol): it needs no policy and no preload,
 * and where libpagepatrol.so is preloaded, it works on that library's table. Without
 * that, link it into one object of a process alone, the program or one of its shared
 * libraries: each copy has a table of its own, and the kernel keeps the last one given.
 *
 * All functions:
 * - take [@addr, @addr + @len), @addr a multiple of the page size, @len in bytes,
 *   rounded up to pages;
 * - act on the calling process alone, and on its mappings of regular files with
 *   storage behind them: not on anonymous memory, memfd or /dev/shm;
 * - return 0, or -1 with errno, having changed nothing (but see pp_unpin());
 * - write nothing to stderr, start no thread, and are safe to call from several;
 *   not from signal handlers.
 *
 * errno:
 *	EINVAL	@addr is not a multiple of the page size, @len is 0, or the two wrap
 *	ENOMEM	a part of the range is not mapped; or the kernel side has no memory
 *	EOPNOTSUPP a part of it is no mapping of such a file (pp_pin()); or the kernel
 *		lacks what is asked (pp_activate(), pp_deactivate())
 *	ENODEV	PagePatrol is not loaded (`ppctl load`)
 *	EPERM	bpf(2) is denied here, or the door is closed to this user; or the policy
 *		says "unpin" of a part of it (pp_pin())
 *	E2BIG	more ranges than a process may have (1024)
 *	EDQUOT	the user has as many processes with ranges as one may have
 *	EPROTO	the kernel side is of another version
 *	EAGAIN	another thread is in the middle of a call; try again
 */
#ifndef PAGEPATROL_PAGEPATROL_H
#define PAGEPATROL_PAGEPATROL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * pp_pin - have the kernel keep the pages of a mapped file
 * @addr: first byte
 * @len: bytes
 *
 * Pages that are in memory, and that come in later, are not reclaimed, as far as
 * the budgets of the process and the user go; what does not fit follows the
 * kernel's default. Nothing is read ahead of time and nothing is locked: it is no
 * mlock(2). Replaces what the policy says of the range, if there is one, and takes
 * back earlier MADV_RANDOM and MADV_SEQUENTIAL, which would undo it.
 *
 * Lasts until pp_unpin(), the unmapping of the range, or exec. If libpagepatrol.so
 * is not preloaded, call pp_unpin() before you unmap. A child made by fork(2) keeps
 * what its parent kept.
 */
int pp_pin(void *addr, size_t len);

/**
 * pp_unpin - end what pp_pin() began
 * @addr: first byte
 * @len: bytes
 *
 * The range is back to what the policy says of it. What was not pinned stays as it
 * is. If it fails with ENOMEM because parts are not mapped, the rest is done.
 */
int pp_unpin(void *addr, size_t len);

/**
 * pp_activate - say once that the pages are hot
 * @addr: first byte
 * @len: bytes
 *
 * Those that are in memory go to the list of the recently used. Nothing is
 * remembered. Returns when it is done.
 */
int pp_activate(void *addr, size_t len);

/**
 * pp_deactivate - say once that the pages are cold
 * @addr: first byte
 * @len: bytes
 *
 * Those that are in memory are the first to be reclaimed, unless they are used
 * again. They stay as long as there is room: nothing has to be read again now.
 */
int pp_deactivate(void *addr, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* PAGEPATROL_PAGEPATROL_H */
