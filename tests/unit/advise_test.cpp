// SPDX-License-Identifier: Apache-2.0
//
// The program's own advice: absorbed on kept ranges, and what a rule makes of it;
// what the program is told; and that no data is ever lost or kept by it.
#include "core_fixture.hpp"

#include "log.hpp"

using namespace pagepatrol;

namespace {

TEST_F(Core, RandomAdviceOnAKeptRangeIsAbsorbed) {
    const auto a = map(pinned, 8);
    kernel.events.clear();
    EXPECT_EQ(core::advise(at(a + 2 * page), 2 * page, MADV_RANDOM), 0);
    ASSERT_EQ(kernel.table.size(), 3u);
    EXPECT_EQ(kernel.table[0].flags, 0);
    EXPECT_EQ(kernel.table[1].flags, PP_RANGE_NO_READAHEAD);
    EXPECT_EQ(kernel.table[1].start, a + 2 * page);
    EXPECT_EQ(kernel.table[1].end, a + 4 * page);
    EXPECT_EQ(kernel.table[2].flags, 0);
    EXPECT_EQ(kernel.count("madvise 1"), 0u);
    EXPECT_EQ(kernel.count("push"), 1u);
    EXPECT_EQ(core::advise(at(a + 2 * page), 2 * page, MADV_RANDOM), 0); // nothing new
    EXPECT_EQ(kernel.count("push"), 1u);
    EXPECT_EQ(core::advise(at(a), 8 * page, MADV_SEQUENTIAL), 0);
    EXPECT_EQ(kernel.table[1].flags, 0);
    EXPECT_EQ(kernel.count("madvise 2"), 0u);
    EXPECT_EQ(core::advise(at(a + 1), page, MADV_RANDOM), -EINVAL);
    EXPECT_EQ(core::advise(at(a), 1000 * page, MADV_RANDOM), -ENOMEM); // holes, but done
    EXPECT_EQ(kernel.table[0].flags, PP_RANGE_NO_READAHEAD);
    for (const auto& [address, p] : kernel.pages)
        EXPECT_FALSE(p.fd == pinned && p.advice == MADV_RANDOM);
}

TEST_F(Core, OtherAdviceAndOtherRangesPass) {
    const auto a = map(pinned, 2), b = map(streamed, 2), c = map(other, 2);
    EXPECT_EQ(core::advise(at(a), page, MADV_WILLNEED), 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_WILLNEED);
    EXPECT_EQ(core::advise(at(b), page, MADV_RANDOM), 0);
    EXPECT_EQ(kernel.pages[b].advice, MADV_RANDOM);
    EXPECT_EQ(core::advise(at(a), c + 2 * page - a, MADV_RANDOM), 0); // all three at once
    EXPECT_EQ(kernel.pages[a].advice, MADV_NORMAL);
    EXPECT_EQ(kernel.pages[b].advice, MADV_RANDOM);
    EXPECT_EQ(kernel.pages[c].advice, MADV_RANDOM);
}

class Advised : public Core {
  protected:
    // A policy of one rule on each of the two files.
    void use(Action action, std::initializer_list<std::pair<Advice, OnAdvice>> advice) {
        Rule hot = rule("/data/hot", action), scan = rule("/data/scan", Action::stream);
        for (const auto& [kind, on] : advice)
            hot.advice[static_cast<std::size_t>(kind)] = on;
        policy_ = policy_of({hot, scan});
        core::start(&policy_, page);
    }
    static std::string last() { return kernel.events.empty() ? "" : kernel.events.back(); }
    static std::string act(unsigned action, std::uint64_t start, std::uint64_t end) {
        char s[80];
        snprintf(s, sizeof s, "act %u %#lx-%#lx", action, start, end);
        return s;
    }
    Policy policy_;
};

TEST_F(Advised, IgnoredAdviceGetsTheKernelsVerdict) {
    use(Action::stream, {{Advice::willneed, OnAdvice::ignore},
                         {Advice::random, OnAdvice::ignore},
                         {Advice::cold, OnAdvice::ignore},
                         {Advice::pageout, OnAdvice::ignore},
                         {Advice::dontneed, OnAdvice::ignore}});
    const auto a = map(pinned, 4);
    kernel.events.clear();
    for (const int advice : {MADV_WILLNEED, MADV_RANDOM, MADV_COLD, MADV_PAGEOUT, MADV_DONTNEED}) {
        EXPECT_EQ(core::advise(at(a), 4 * page, advice), 0);
        EXPECT_EQ(core::advise(at(a + 1), page, advice), -EINVAL);
        EXPECT_EQ(core::advise(at(a), 0, advice), 0);
        EXPECT_EQ(kernel.pages[a].advice, 0) << advice;
        EXPECT_EQ(core::advise(at(a), 1000 * page, advice), -ENOMEM); // holes
        EXPECT_EQ(kernel.pages[a].advice, 0) << advice;
    }
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_SEQUENTIAL), 0); // no opinion
    EXPECT_EQ(kernel.pages[a].advice, MADV_SEQUENTIAL);
    kernel.pages[a + page].locked = true; // can't be dropped, so says the kernel
    for (const int advice : {MADV_COLD, MADV_PAGEOUT, MADV_DONTNEED})
        EXPECT_EQ(core::advise(at(a), 4 * page, advice), -EINVAL);
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_WILLNEED), 0);
    EXPECT_EQ(kernel.count("push"), 0u);
}

TEST_F(Advised, StopsWhereTheKernelWould) {
    use(Action::stream, {{Advice::cold, OnAdvice::ignore}});
    const auto a = map(pinned, 2), b = map(other, 2);
    ASSERT_EQ(b, a + 2 * page);
    kernel.pages[a].locked = true;
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_COLD), -EINVAL);
    EXPECT_EQ(kernel.pages[b].advice, 0);
    kernel.pages[a].locked = false;
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_COLD), 0);
    EXPECT_EQ(kernel.pages[a].advice, 0);
    EXPECT_EQ(kernel.pages[b].advice, MADV_COLD);
    kernel.pages[b].locked = true;
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_COLD), -EINVAL);
}

TEST_F(Advised, DontneedOnAPrivateMappingAlwaysPasses) {
    for (const OnAdvice on : {OnAdvice::ignore, OnAdvice::evict, OnAdvice::deactivate}) {
        use(Action::pin, {{Advice::dontneed, on}});
        for (const int prot : {PROT_READ, PROT_READ | PROT_WRITE}) {
            const auto a = static_cast<std::uint64_t>(
                core::map(nullptr, 2 * page, prot, MAP_PRIVATE, pinned, 0));
            ASSERT_EQ(kernel.table.size(), 1u);
            EXPECT_EQ(core::advise(at(a), 2 * page, MADV_DONTNEED), 0);
            EXPECT_EQ(kernel.pages[a].advice, MADV_DONTNEED);
            core::unmap(at(a), 2 * page);
        }
        // anonymous memory beside a shared mapping
        const auto b = map(pinned, 2);
        const auto c = static_cast<std::uint64_t>(core::map(
            nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_EQ(c, b + 2 * page);
        EXPECT_EQ(core::advise(at(b), 4 * page, MADV_DONTNEED), 0);
        EXPECT_EQ(kernel.pages[b].advice, 0);
        EXPECT_EQ(kernel.pages[c].advice, MADV_DONTNEED);
        core::unmap(at(b), 4 * page);
    }
}

TEST_F(Advised, BecomesAnActionOnItsPart) {
    use(Action::none, {{Advice::willneed, OnAdvice::prefetch},
                       {Advice::dontneed, OnAdvice::deactivate},
                       {Advice::cold, OnAdvice::evict},
                       {Advice::normal, OnAdvice::activate}});
    const auto a = map(pinned, 4), b = map(other, 4);
    ASSERT_EQ(kernel.table.size(), 1u) << "a rule with an opinion on advice has a range";
    EXPECT_EQ(core::advise(at(a + page), 7 * page, MADV_WILLNEED), 0);
    EXPECT_EQ(kernel.count(act(PP_ACTION_PREFETCH, a + page, a + 4 * page)), 1u);
    EXPECT_EQ(kernel.pages[a + page].advice, 0);
    EXPECT_EQ(kernel.pages[b].advice, MADV_WILLNEED);
    core::advise(at(a), page, MADV_DONTNEED);
    EXPECT_EQ(last(), act(PP_ACTION_DEACTIVATE, a, a + page));
    core::advise(at(a), page, MADV_COLD);
    EXPECT_EQ(last(), act(PP_ACTION_EVICT, a, a + page));
    core::advise(at(a), page, MADV_NORMAL);
    EXPECT_EQ(last(), act(PP_ACTION_ACTIVATE, a, a + page));
}

TEST_F(Advised, PassesWithoutKernelSide) {
    use(Action::pin, {{Advice::willneed, OnAdvice::prefetch}});
    const auto a = map(pinned, 4);
    kernel.results = {-EOPNOTSUPP};
    EXPECT_EQ(core::advise(at(a), page, MADV_WILLNEED), 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_WILLNEED);
    kernel.now += 2000;
    kernel.results = {-ENODEV};
    kernel.open_error = -ENOENT;
    EXPECT_EQ(core::advise(at(a + page), page, MADV_WILLNEED), 0);
    EXPECT_EQ(kernel.pages[a + page].advice, MADV_WILLNEED);
    kernel.now += 2000;
}

TEST_F(Advised, ReadAheadByFlag) {
    use(Action::none, {{Advice::random, OnAdvice::read_ahead_off},
                       {Advice::sequential, OnAdvice::pass},
                       {Advice::willneed, OnAdvice::read_ahead_default}});
    const auto a = map(pinned, 4);
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_SEQUENTIAL), 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_SEQUENTIAL);
    EXPECT_EQ(core::advise(at(a), 2 * page, MADV_RANDOM), 0);
    ASSERT_EQ(kernel.table.size(), 2u);
    EXPECT_EQ(kernel.table[0].flags, PP_RANGE_NO_READAHEAD);
    EXPECT_EQ(kernel.table[1].flags, 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_NORMAL);
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_WILLNEED), 0);
    EXPECT_EQ(kernel.table[0].flags, 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_NORMAL);
}

TEST_F(Advised, PassOverridesTheActionsOwn) {
    use(Action::pin, {{Advice::random, OnAdvice::pass}});
    const auto a = map(pinned, 4);
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_RANDOM), 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_RANDOM);
    EXPECT_EQ(core::advise(at(a), 4 * page, MADV_SEQUENTIAL), 0);
    EXPECT_EQ(kernel.pages[a].advice, MADV_NORMAL);
}

} // namespace
