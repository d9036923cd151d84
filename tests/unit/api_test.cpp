// SPDX-License-Identifier: Apache-2.0
//
// The program's own calls (pagepatrol.h): what they put into the table, what the
// policy has to say, and each documented error.
#include "core_fixture.hpp"

using namespace pagepatrol;

namespace {

class Api : public Core {
  protected:
    static void expect_table(std::initializer_list<std::array<std::uint64_t, 3>> expected) {
        ASSERT_EQ(kernel.table.size(), expected.size());
        std::size_t i = 0;
        for (const auto& [start, end, action] : expected) {
            EXPECT_EQ(kernel.table[i].start, start);
            EXPECT_EQ(kernel.table[i].end, end);
            EXPECT_EQ(kernel.table[i++].action, action);
        }
    }
};

TEST_F(Api, PinsWithoutAPolicy) {
    core::start(nullptr, page);
    const auto a = map(other, 8);
    EXPECT_EQ(core::pin(at(a), 3 * page + 1), 0);
    expect_table({{a, a + 4 * page, PP_ACTION_PIN}});
    EXPECT_EQ(kernel.table[0].rule, 0);
    EXPECT_EQ(kernel.table[0].pages, 4u);
    EXPECT_EQ(kernel.table[0].read_ahead, PP_READ_AHEAD_DEFAULT);
    EXPECT_EQ(core::pin(at(a), 8 * page), 0); // again, and more
    expect_table({{a, a + 8 * page, PP_ACTION_PIN}});
    EXPECT_EQ(core::unpin(at(a + 2 * page), page), 0);
    expect_table({{a, a + 2 * page, PP_ACTION_PIN}, {a + 3 * page, a + 8 * page, PP_ACTION_PIN}});
    EXPECT_EQ(core::unmap(at(a), 8 * page), 0);
    EXPECT_TRUE(kernel.table.empty());
}

TEST_F(Api, ReplacesTheRuleAndGivesItBack) {
    const auto a = map(streamed, 8);
    EXPECT_EQ(core::pin(at(a + 2 * page), 2 * page), 0);
    expect_table({{a, a + 2 * page, PP_ACTION_STREAM},
                  {a + 2 * page, a + 4 * page, PP_ACTION_PIN},
                  {a + 4 * page, a + 8 * page, PP_ACTION_STREAM}});
    EXPECT_EQ(core::unpin(at(a), 3 * page), 0);
    expect_table({{a, a + 2 * page, PP_ACTION_STREAM},
                  {a + 2 * page, a + 3 * page, PP_ACTION_STREAM},
                  {a + 3 * page, a + 4 * page, PP_ACTION_PIN},
                  {a + 4 * page, a + 8 * page, PP_ACTION_STREAM}});
    const auto pushes = kernel.count("push");
    EXPECT_EQ(core::unpin(at(a), 3 * page), 0); // nothing pinned there
    EXPECT_EQ(kernel.count("push"), pushes);
}

TEST_F(Api, SeveralMappingsAtOnce) {
    const auto a = map(other, 2), b = map(pinned, 2);
    ASSERT_EQ(b, a + 2 * page);
    EXPECT_EQ(core::pin(at(a), 4 * page), 0);
    expect_table({{a, b, PP_ACTION_PIN}, {b, b + 2 * page, PP_ACTION_PIN}});
}

TEST_F(Api, MovesWithItsMapping) {
    const auto a = map(other, 4);
    core::map(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(core::pin(at(a + page), 3 * page), 0);
    const auto b =
        static_cast<std::uint64_t>(core::remap(at(a), 4 * page, 9 * page, MREMAP_MAYMOVE, nullptr));
    EXPECT_NE(a, b);
    expect_table({{b + page, b + 4 * page, PP_ACTION_PIN}}); // not what is new
}

TEST_F(Api, AdviceFromBeforeWouldUndoIt) {
    const auto a = map(other, 2);
    core::advise(at(a), 2 * page, MADV_RANDOM);
    EXPECT_EQ(kernel.pages[a].advice, MADV_RANDOM);
    EXPECT_EQ(core::pin(at(a), 2 * page), 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_NORMAL);
    EXPECT_EQ(core::advise(at(a), 2 * page, MADV_RANDOM), 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_NORMAL);
    EXPECT_EQ(kernel.table[0].flags, PP_RANGE_NO_READAHEAD);
}

TEST_F(Api, Errors) {
    const auto a = map(pinned, 8);
    const auto before = kernel.table;
    const auto anonymous = static_cast<std::uint64_t>(
        core::map(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    add(20, "/memfd:x", page, false);
    const auto memfd = map(20, 1);
    for (const auto call : {core::pin, core::unpin}) {
        EXPECT_EQ(call(at(a + 1), page), -EINVAL);
        EXPECT_EQ(call(at(a), 0), -EINVAL);
        EXPECT_EQ(call(at(a), SIZE_MAX), -EINVAL);
        EXPECT_EQ(call(at(a), SIZE_MAX - 2 * page), -EINVAL);
        EXPECT_EQ(call(at(a - page), 2 * page), -ENOMEM);
    }
    EXPECT_EQ(core::unpin(at(a), 1000 * page), -ENOMEM);
    EXPECT_EQ(core::pin(at(memfd + page), page), -ENOMEM);
    EXPECT_EQ(core::act(at(a + 1), page, PP_ACTION_ACTIVATE), -EINVAL);
    EXPECT_EQ(core::act(at(a), 1000 * page, PP_ACTION_ACTIVATE), -ENOMEM);
    EXPECT_EQ(core::pin(at(anonymous), page), -EOPNOTSUPP);
    EXPECT_EQ(core::pin(at(memfd), page), -EOPNOTSUPP);
    EXPECT_EQ(core::pin(at(a), 9 * page), -EOPNOTSUPP) << "a part of it is anonymous";
    core::unmap(at(memfd), page); // nothing is left of the attempts
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].start, before[0].start);
    EXPECT_EQ(kernel.table[0].end, before[0].end);
    EXPECT_EQ(kernel.table[0].rule, 1);
}

TEST_F(Api, ThePolicySaysNo) {
    Rule r = rule("/data/other", Action::unpin);
    r.offset = Place{static_cast<std::int64_t>(4 * page), 0};
    const Policy p = policy_of({r});
    core::start(&p, page);
    const auto a = map(other, 8);
    EXPECT_EQ(core::pin(at(a), 5 * page), -EPERM);
    EXPECT_EQ(core::pin(at(a), 4 * page), 0);
    expect_table({{a, a + 4 * page, PP_ACTION_PIN}});
}

TEST_F(Api, KernelSideRefusesOrIsMissing) {
    const auto a = map(streamed, 8);
    for (const auto& [from, to] :
         {std::pair{-EDQUOT, -EDQUOT}, {-ENOMEM, -ENOMEM}, {-EPROTO, -EPROTO}, {-E2BIG, -E2BIG}}) {
        kernel.results = {from};
        EXPECT_EQ(core::pin(at(a + page), page), to);
    }
    for (const auto& [from, to] :
         {std::pair{-ENOENT, -ENODEV}, {-EPERM, -EPERM}, {-EACCES, -EPERM}, {-ENOSYS, -ENODEV}}) {
        kernel.now += 2000;
        kernel.programs.clear();
        kernel.open_error = from;
        EXPECT_EQ(core::pin(at(a + page), page), to);
        kernel.now += 2000;
        EXPECT_EQ(core::act(at(a), page, PP_ACTION_DEACTIVATE), to);
    }
    EXPECT_EQ(kernel.output, "") << "who called gets the error";
    kernel.open_error = 0;
    kernel.now += 2000;
    core::map(nullptr, page, PROT_READ, MAP_SHARED, streamed, 0);
    for (const pp_range& r : kernel.table)
        EXPECT_EQ(r.action, PP_ACTION_STREAM) << "nothing is left of the attempts";
}

TEST_F(Api, ActsOnce) {
    const auto a = map(other, 8);
    kernel.events.clear();
    EXPECT_EQ(core::act(at(a), 3 * page, PP_ACTION_DEACTIVATE), 0);
    ASSERT_EQ(kernel.events.size(), 1u);
    EXPECT_EQ(kernel.events[0].rfind("act 3 ", 0), 0u);
    EXPECT_TRUE(kernel.table.empty());
}

// Unmapped behind our back: gone from the table by unpin.
TEST_F(Api, UnpinAfterTheFact) {
    const auto a = map(other, 2);
    EXPECT_EQ(core::pin(at(a), 2 * page), 0);
    kernel.pages.clear();
    EXPECT_EQ(core::unpin(at(a), 2 * page), -ENOMEM);
    EXPECT_TRUE(kernel.table.empty());
}

} // namespace
