// SPDX-License-Identifier: Apache-2.0
//
// The contract: same layout in C and C++, no padding, constants in order.
#include <pagepatrol/abi.h>

#include <cstddef>
#include <gtest/gtest.h>
#include <type_traits>

extern "C" unsigned long pp_c_layout(unsigned i);

namespace {

TEST(Abi, SameLayoutInCAndCpp) {
    const unsigned long layout[] = {
        sizeof(pp_range),
        sizeof(pp_request),
        offsetof(pp_range, id),
        offsetof(pp_range, action),
        offsetof(pp_range, flags),
        offsetof(pp_range, pages),
        offsetof(pp_range, budget),
        offsetof(pp_range, rule),
        offsetof(pp_range, read_ahead),
        offsetof(pp_range, reserved),
        offsetof(pp_request, ranges),
        offsetof(pp_request, nr_ranges),
        offsetof(pp_request, start),
        offsetof(pp_request, end),
        offsetof(pp_request, budget),
        offsetof(pp_request, action),
        offsetof(pp_request, limited_by),
        offsetof(pp_request, asked),
        offsetof(pp_request, granted),
        offsetof(pp_request, result),
    };
    for (unsigned i = 0; i < std::size(layout); ++i)
        EXPECT_EQ(pp_c_layout(i), layout[i]) << i;
}

TEST(Abi, NoPadding) {
    static_assert(std::has_unique_object_representations_v<pp_range>);
    static_assert(std::has_unique_object_representations_v<pp_request>);
}

TEST(Abi, Constants) {
    static_assert(PP_SMALL_RANGES <= PP_MAX_RANGES);
    static_assert(PP_ACTION_PREFETCH + 1 == PP_NR_ACTIONS);
    static_assert(PP_NR_RANGE_STATS <= PP_NR_STATS);
    static_assert(PP_STAT_IGNORED + 1 == PP_NR_STATS);
    // a number of pages and a share can't be taken for each other
    static_assert(PP_BUDGET_WHOLE < PP_BUDGET_SHARE);
    static_assert((PP_RANGE_FLAGS & PP_RANGE_NO_READAHEAD) == PP_RANGE_NO_READAHEAD);
}

} // namespace
