// SPDX-License-Identifier: Apache-2.0
//
// The contract compiles alone as C11 and says the same as in C++ (abi_test.cpp).
#include <pagepatrol/abi.h>

#include <stddef.h>

unsigned long pp_c_layout(unsigned i) {
    static const unsigned long layout[] = {
        sizeof(struct pp_range),
        sizeof(struct pp_request),
        offsetof(struct pp_range, id),
        offsetof(struct pp_range, action),
        offsetof(struct pp_range, flags),
        offsetof(struct pp_range, pages),
        offsetof(struct pp_range, budget),
        offsetof(struct pp_range, rule),
        offsetof(struct pp_range, read_ahead),
        offsetof(struct pp_range, reserved),
        offsetof(struct pp_request, ranges),
        offsetof(struct pp_request, nr_ranges),
        offsetof(struct pp_request, start),
        offsetof(struct pp_request, end),
        offsetof(struct pp_request, budget),
        offsetof(struct pp_request, action),
        offsetof(struct pp_request, limited_by),
        offsetof(struct pp_request, asked),
        offsetof(struct pp_request, granted),
        offsetof(struct pp_request, result),
    };
    return i < sizeof layout / sizeof layout[0] ? layout[i] : 0;
}
