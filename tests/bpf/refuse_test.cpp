// SPDX-License-Identifier: Apache-2.0
// Tables that are refused: with which errno, counted as what, and that the table in
// force stays as it is.
#include "child.hpp"
#include "door.hpp"
#include "kernel_side.hpp"

#include <csignal>
#include <memory>
#include <utility>

#include <sys/mman.h>

#include "maps.h"

namespace pagepatrol::test {
namespace {

struct BadCase {
    const char* name;
    int error;
    uint32_t counter;
    /// Takes a good request of two ranges and spoils it.
    void (*spoil)(pp_request& request, pp_range* range);
};

constexpr uint32_t invalid = PP_STAT_REFUSED_INVALID, quota = PP_STAT_REFUSED_QUOTA;

const BadCase bad_cases[] = {
    {"version_0", EPROTO, invalid, [](pp_request& q, pp_range*) { q.version = 0; }},
    {"version_next", EPROTO, invalid,
     [](pp_request& q, pp_range*) { q.version = PP_ABI_VERSION + 1; }},
    {"op_0", EINVAL, invalid, [](pp_request& q, pp_range*) { q.op = 0; }},
    {"op_unknown", EINVAL, invalid, [](pp_request& q, pp_range*) { q.op = 77; }},
    {"act_in_a_set", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q.action = PP_ACTION_ACTIVATE; }},
    {"budget_above_the_whole", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q.budget = PP_BUDGET_SHARE | (PP_BUDGET_WHOLE + 1); }},
    {"rule_budget_above_the_whole", EINVAL, invalid,
     [](pp_request&, pp_range* r) { r[1].budget = UINT32_MAX; }},
    {"reserved_first", EINVAL, invalid, [](pp_request&, pp_range* r) { r[0].reserved[0] = 1; }},
    {"reserved_last", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1].reserved[5] = 128; }},
    {"act_action_none", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q = request_to_act(PP_ACTION_NONE, nowhere, nowhere + page); }},
    {"act_action_pin", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q = request_to_act(PP_ACTION_PIN, nowhere, nowhere + page); }},
    {"act_action_stream", EINVAL, invalid,
     [](pp_request& q, pp_range*) {
         q = request_to_act(PP_ACTION_STREAM, nowhere, nowhere + page);
     }},
    {"act_action_next", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q = request_to_act(PP_NR_ACTIONS, nowhere, nowhere + page); }},
    {"act_on_nothing", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q = request_to_act(PP_ACTION_EVICT, nowhere, nowhere); }},
    {"act_reversed", EINVAL, invalid,
     [](pp_request& q, pp_range*) {
         q = request_to_act(PP_ACTION_EVICT, nowhere + page, nowhere);
     }},
    {"act_unaligned", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q = request_to_act(PP_ACTION_EVICT, nowhere, nowhere + 1); }},
    {"act_with_ranges", EINVAL, invalid,
     [](pp_request& q, pp_range*) {
         q.op = PP_OP_ACT, q.action = PP_ACTION_EVICT, q.start = nowhere, q.end = nowhere + page;
     }},
    {"act_with_a_pointer", EINVAL, invalid,
     [](pp_request& q, pp_range*) {
         q = request_to_act(PP_ACTION_EVICT, nowhere, nowhere + page), q.ranges = nowhere;
     }},
    {"act_with_a_budget", EINVAL, invalid,
     [](pp_request& q, pp_range*) {
         q = request_to_act(PP_ACTION_EVICT, nowhere, nowhere + page), q.budget = 1;
     }},
    {"act_beyond_the_top", ERANGE, invalid,
     [](pp_request& q, pp_range*) {
         q = request_to_act(PP_ACTION_PREFETCH, top(), top() + page);
     }},
    {"change_start_unaligned", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q.start = nowhere + 1, q.end = nowhere + page; }},
    {"change_end_unaligned", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q.start = nowhere, q.end = nowhere + page / 2; }},
    {"change_reversed", EINVAL, invalid,
     [](pp_request& q, pp_range*) { q.start = nowhere + page, q.end = nowhere; }},
    {"start_unaligned", EINVAL, invalid, [](pp_request&, pp_range* r) { r[0].start += 8; }},
    {"end_unaligned", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1].end += 1; }},
    {"empty", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1].end = r[1].start; }},
    {"reversed", EINVAL, invalid,
     [](pp_request&, pp_range* r) { std::swap(r[0].start, r[0].end); }},
    {"wrapping", EINVAL, invalid,
     [](pp_request&, pp_range* r) { r[1].start = -page, r[1].end = page; }},
    {"ending_at_0", EINVAL, invalid,
     [](pp_request&, pp_range* r) { r[1].start = -page, r[1].end = 0; }},
    {"unsorted", EINVAL, invalid, [](pp_request&, pp_range* r) { std::swap(r[0], r[1]); }},
    {"overlapping", EINVAL, invalid, [](pp_request&, pp_range* r) { r[0].end = r[1].end; }},
    {"twice", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1] = r[0]; }},
    {"id_0", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1].id = 0; }},
    {"action_next", EINVAL, invalid, [](pp_request&, pp_range* r) { r[0].action = PP_NR_ACTIONS; }},
    {"action_255", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1].action = 255; }},
    {"flag_unknown", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1].flags = 2; }},
    {"flags_all", EINVAL, invalid, [](pp_request&, pp_range* r) { r[1].flags = 255; }},
    {"beyond_the_top", ERANGE, invalid, [](pp_request&, pp_range* r) { r[1].end = top() + page; }},
    {"in_the_kernel", ERANGE, invalid,
     [](pp_request&, pp_range* r) {
         r[1].start = 0xffff'8000'0000'0000, r[1].end = r[1].start + page;
     }},
    {"pointer_null", EFAULT, invalid, [](pp_request& q, pp_range*) { q.ranges = 0; }},
    {"pointer_to_the_kernel", EFAULT, invalid,
     [](pp_request& q, pp_range*) { q.ranges = 0xffff'8880'0000'0000; }},
    {"pointer_to_nothing", EFAULT, invalid, [](pp_request& q, pp_range*) { q.ranges = nowhere; }},
    {"pointer_at_the_end_of_a_mapping", EFAULT, invalid,
     [](pp_request& q, pp_range* r) {
         // the first range can be read, the second can't
         char* pages = static_cast<char*>(
             mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
         munmap(pages + page, page);
         auto* last = reinterpret_cast<pp_range*>(pages + page) - 1;
         *last = r[0];
         q.ranges = reinterpret_cast<uint64_t>(last);
     }},
    {"one_range_too_many", E2BIG, quota,
     [](pp_request& q, pp_range*) { q.nr_ranges = PP_MAX_RANGES + 1; }},
    {"4_billion_ranges", E2BIG, quota, [](pp_request& q, pp_range*) { q.nr_ranges = UINT32_MAX; }},
};

void PrintTo(const BadCase& bad, std::ostream* out) {
    *out << bad.name;
}

class Refuse : public Loaded, public testing::WithParamInterface<BadCase> {};

int64_t ask_spoilt(const BadCase* bad) {
    auto ranges = row(2);
    pp_request request = request_for(ranges.data(), 2);
    bad->spoil(request, ranges.data());
    return ask(request);
}

TEST_P(Refuse, LeavesTheTable) {
    const BadCase* bad = &GetParam();
    for (const uint32_t before : {0u, 2u, PP_SMALL_RANGES + 6}) {
        Child child(nobody);
        const auto refused = grown(PP_STAT_REFUSED), counted = grown(bad->counter);
        const auto as_other = grown(bad->counter == quota ? invalid : quota);
        ASSERT_EQ(child.run([=] { return upload_row(before, PP_ACTION_STREAM, 9); }), 0);
        EXPECT_EQ(child.run([=] { return ask_spoilt(bad); }), -bad->error);
        EXPECT_EQ(ranges_of(child.pid()), row(before, PP_ACTION_STREAM, 9));
        EXPECT_EQ(grown(PP_STAT_REFUSED), refused + 1);
        EXPECT_EQ(grown(bad->counter), counted + 1);
        EXPECT_EQ(grown(bad->counter == quota ? invalid : quota), as_other);
        // and nothing hangs on from it
        EXPECT_EQ(child.run([] { return upload_row(1); }), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Bad, Refuse, testing::ValuesIn(bad_cases),
                         [](const auto& info) { return std::string(info.param.name); });

class Accept : public Loaded {};

TEST_F(Accept, WhatIsJustAllowed) {
    Child child(nobody);
    // the last page, adjoining ranges, the first byte, any rule, any id
    EXPECT_EQ(child.run([] {
        pp_range ranges[] = {make_range(0, page, UINT32_MAX, PP_ACTION_PIN, 0, UINT16_MAX),
                             make_range(page, 3 * page, 1, PP_ACTION_STREAM, 1, 0),
                             make_range(top() - page, top(), 2, PP_ACTION_DEACTIVATE)};
        // more backed than there is, nothing backed, all of the memory, no window
        ranges[0].pages = UINT32_MAX, ranges[0].budget = PP_BUDGET_SHARE | PP_BUDGET_WHOLE;
        ranges[1].pages = 0, ranges[1].budget = PP_BUDGET_SHARE - 1;
        ranges[2].read_ahead = 0, ranges[2].budget = PP_BUDGET_SHARE;
        pp_request request = request_for(ranges, 3);
        request.budget = PP_BUDGET_SHARE | PP_BUDGET_WHOLE;
        // what the answer goes to may hold anything
        request.limited_by = 77, request.asked = request.granted = ~0ull;
        const int64_t result = ask(request);
        return result ? result : int64_t(request.asked - 1 + request.limited_by);
    }),
              0);
    // a pointer is not looked at without ranges
    EXPECT_EQ(child.run([] {
        pp_request request = request_for(nullptr, 0);
        request.ranges = nowhere;
        return ask(request);
    }),
              0);
    EXPECT_TRUE(ranges_of(child.pid()).empty());
}

TEST_F(Accept, NoContextOfAnotherSize) {
    Child child(nobody);
    ASSERT_EQ(child.run([] { return upload_row(2, PP_ACTION_STREAM, 9); }), 0);
    for (const uint32_t size : {0u, 1u, 4u, 8u, 48u, 71u, 65536u, UINT32_MAX})
        EXPECT_LT(child.run([=] {
            static char context[2 * 65536];
            return run_door(door(), context, size);
        }),
                  0)
            << size;
    EXPECT_EQ(child.run([] { return run_door(door(), reinterpret_cast<void*>(8), 72); }), -EFAULT);
    EXPECT_EQ(ranges_of(child.pid()), row(2, PP_ACTION_STREAM, 9));
    // more than the request is ignored, as by a kernel side older than the caller
    EXPECT_EQ(child.run([] {
        struct {
            pp_request request;
            char more[64];
        } longer{request_for(nullptr, 0), {}};
        const int err = run_door(door(), &longer, sizeof(longer));
        return err ? err : longer.request.result;
    }),
              0);
}

class Quota : public Loaded {};

TEST_F(Quota, OfLargeTablesIsPerUserToo) {
    // the memory for these is set aside at load: one user must not take it all
    constexpr int64_t share = PP_MAX_LARGE_TABLES / 4;
    const auto grow = [] { return upload_row(PP_SMALL_RANGES + 1); };
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i <= share; ++i)
        children.push_back(std::make_unique<Child>(nobody));
    for (int i = 0; i < share; ++i)
        EXPECT_EQ(children[i]->run(grow), 0) << i;
    Child& late = *children[share];
    ASSERT_EQ(late.run([] { return upload_row(PP_SMALL_RANGES); }), 0);
    EXPECT_EQ(late.run(grow), -EDQUOT);
    EXPECT_EQ(ranges_of(late.pid()), row(PP_SMALL_RANGES)) << "the small one stays in force";
    Child other(somebody);
    EXPECT_EQ(other.run(grow), 0);
    EXPECT_EQ(charged().tables, share + 2);
    EXPECT_EQ(charged().large, share + 1);

    children[0]->end(SIGKILL);
    EXPECT_EQ(late.run(grow), 0);
}

class FewTables : public Loaded {
    LoadOptions wanted() const override {
        LoadOptions few = options();
        few.tables_per_user = 4;
        return few;
    }
};

TEST_F(FewTables, ArePerUserAndFreedByExit) {
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 5; ++i)
        children.push_back(std::make_unique<Child>(nobody));
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(children[i]->run([] { return upload_row(1); }), 0) << i;
    EXPECT_EQ(children[4]->run([] { return upload_row(1); }), -EDQUOT);
    EXPECT_EQ(grown(PP_STAT_REFUSED_QUOTA), 1u);
    // who has a table may go on changing it, and growing it
    EXPECT_EQ(children[0]->run([] { return upload_row(100); }), 0);
    // another user is not concerned
    Child other(somebody);
    EXPECT_EQ(other.run([] { return upload_row(1); }), 0);
    // a forked child over quota has no table, and is no worse off for it
    EXPECT_EQ(children[1]->run([] {
        Child grandchild(nobody);
        const int64_t result = grandchild.run([] { return upload_row(1); });
        grandchild.end();
        return result;
    }),
              -EDQUOT);
    EXPECT_EQ(look().processes.size(), 5u);

    children[2]->end(SIGKILL);
    EXPECT_EQ(children[4]->run([] { return upload_row(1); }), 0);
}

} // namespace
} // namespace pagepatrol::test
