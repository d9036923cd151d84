// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine: all programs but the door, in one object, as they share their
 * maps. One translation unit (libbpf 1.1 can't link objects that use the same
 * kfunc), one concern a file.
 */
#include "upload.bpf.c"	   /* what a process asks for */
#include "attach.bpf.c"	   /* what root asks for on behalf of a process */
#include "lifecycle.bpf.c" /* fork, exit */
#include "faults.bpf.c"	   /* pages brought in: stream, activate, deactivate */
#include "reclaim.bpf.c"   /* "was it used?": pin, activate; the valve */

char LICENSE[] SEC("license") = "GPL";
