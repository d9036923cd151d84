// SPDX-License-Identifier: Apache-2.0
// How much longer than usual everything may take here: scripts/test sets
// PAGEPATROL_TEST_SLOW for debugging kernels and PREEMPT_RT. Limits that tests set themselves are
// multiplied by it, and the rests of the storm; it must not excuse anything but time. C and C++.
#pragma once

#include <stdbool.h>
#include <stdlib.h>

static inline int slowness(void) {
    const char* factor = getenv("PAGEPATROL_TEST_SLOW");
    const int value = factor ? atoi(factor) : 1;
    return value >= 1 ? value : 1;
}

/// Whether it is that slow as its checkers are on; PREEMPT_RT is slow and has none.
static inline bool debugging_kernel(void) {
    return slowness() > 2;
}
