// SPDX-License-Identifier: Apache-2.0
// Actions with an end of their own: evict, prefetch, read-ahead windows, acting once.
#include "cgroup.hpp"
#include "kernel_side.hpp"
#include "reader.hpp"

#include <sys/mman.h>

namespace pagepatrol::test {
namespace {

constexpr size_t pages = 1024;

class Action : public Loaded {
  protected:
    TestFile file_{"action", pages* page};
};

int64_t leave() {
    return upload(nullptr, 0, mapping.start(), mapping.end());
}

TEST_F(Action, EvictDropsWhatGoes) {
    Reader reader(file_, PP_ACTION_EVICT);
    ASSERT_EQ(reader.start_error, 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(file_.cached(), pages) << "not before it goes";
    EXPECT_EQ(reader.rule(PP_ACTION_EVICT), 0);
    EXPECT_EQ(file_.cached(), pages) << "the same range again: it is still there";
    // its front is unmapped
    EXPECT_EQ(reader.run([] {
        const pp_range rest =
            make_range(mapping.start() + 64 * page, mapping.end(), 1, PP_ACTION_EVICT);
        return upload(&rest, 1, mapping.start(), rest.start);
    }),
              0);
    EXPECT_EQ(file_.cached(0, 64), 0u);
    EXPECT_EQ(file_.cached(), pages - 64);
    EXPECT_EQ(grown(PP_STAT_EVICTED), 64u);
    EXPECT_EQ(reader.run(leave), 0);
    EXPECT_EQ(file_.cached(), 0u) << "with memory to spare";
    EXPECT_EQ(grown(PP_STAT_EVICTED), pages);
    EXPECT_EQ(reader.read_all(), 0);
}

TEST_F(Action, EvictLeavesWhatOthersMap) {
    Reader other(file_, PP_ACTION_NONE), reader(file_, PP_ACTION_EVICT);
    EXPECT_EQ(other.read(0, 512), 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(reader.run(leave), 0);
    EXPECT_EQ(file_.cached(0, 512), 512u);
    EXPECT_LT(file_.cached(512, 512), 64u) << "but for what fault-around gave the other";
}

TEST_F(Action, PrefetchBringsIn) {
    Reader reader(file_, PP_ACTION_PREFETCH);
    ASSERT_EQ(reader.start_error, 0);
    EXPECT_EQ(grown(PP_STAT_PREFETCHED), pages);
    EXPECT_TRUE(eventually([&] { return file_.cached() == pages; })) << file_.cached();
    EXPECT_EQ(reader.read_all(), 0);
}

TEST_F(Action, WhatGoesIsDroppedBeforeWhatComesIsRead) {
    Reader reader(file_, PP_ACTION_EVICT);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(reader.run([] {
        const pp_range other = make_range(mapping.start(), mapping.end(), 2, PP_ACTION_PREFETCH);
        return upload(&other, 1, other.start, other.end);
    }),
              0);
    EXPECT_EQ(grown(PP_STAT_EVICTED), pages);
    EXPECT_TRUE(eventually([&] { return file_.cached() == pages; })) << file_.cached();
}

TEST_F(Action, PrefetchStopsWhereMemoryGetsTight) {
    constexpr size_t limit = 8 << 20;
    TestFile large("large", 4 * limit);
    Cgroup group(limit);
    Reader reader(large, PP_ACTION_NONE);
    group.add(reader.pid());
    ASSERT_EQ(reader.rule(PP_ACTION_PREFETCH), 0);
    const size_t cached = large.cached();
    EXPECT_GT(cached, limit / page / 2);
    EXPECT_LT(cached, limit / page);
    EXPECT_EQ(large.cached(0, cached), cached) << "the beginning, and nothing was reclaimed";
    reader.end();
}

class Window : public Action {
  protected:
    /// Pages that a read of page `at` brings in under such a range.
    size_t read_with(uint16_t read_ahead, uint8_t action, uint8_t flags, size_t at) {
        EXPECT_EQ(reader_.run([=] {
            pp_range range = make_range(mapping.start(), mapping.end(), 1, action, flags);
            range.read_ahead = read_ahead;
            return upload(&range, 1, range.start, range.end);
        }),
                  0);
        return read_at(at);
    }
    size_t read_at(size_t at) {
        const size_t before = file_.cached();
        EXPECT_EQ(reader_.read(at, 1), 0);
        return file_.cached() - before;
    }
    void TearDown() override {
        reader_.end();
        Action::TearDown();
    }
    Reader reader_{file_, PP_ACTION_NONE};
};

TEST_F(Window, IsAsTheRangeSays) {
    const size_t usual = read_at(50);
    ASSERT_GT(usual, 16u);
    EXPECT_EQ(read_with(0, PP_ACTION_NONE, 0, 150), 1u);
    EXPECT_EQ(read_with(8, PP_ACTION_NONE, 0, 250), 8u);
    EXPECT_EQ(read_with(8, PP_ACTION_NONE, PP_RANGE_NO_READAHEAD, 350), 1u) << "the flag wins";
    EXPECT_EQ(read_with(16, PP_ACTION_STREAM, 0, 450), 16u);
    EXPECT_EQ(read_with(PP_READ_AHEAD_DEFAULT, PP_ACTION_NONE, 0, 550), usual);
    EXPECT_EQ(read_with(4, PP_ACTION_PIN, 0, 650), 4u);
    // another range's takes the place of one that goes, though dropping that comes first
    EXPECT_EQ(read_with(4, PP_ACTION_EVICT, 0, 750), 4u);
    EXPECT_EQ(reader_.run([] {
        pp_range other = make_range(mapping.start(), mapping.end(), 2, PP_ACTION_NONE);
        other.read_ahead = 16;
        return upload(&other, 1, other.start, other.end);
    }),
              0);
    EXPECT_EQ(read_at(850), 16u);
    // gone with its range
    ASSERT_EQ(reader_.run(leave), 0);
    EXPECT_EQ(read_at(750), usual);
}

TEST_F(Action, OnceIsDoneWhenTheCallIs) {
    Reader reader(file_, PP_ACTION_NONE);
    EXPECT_EQ(reader.run([] {
        return act(PP_ACTION_PREFETCH, mapping.start(), mapping.start() + 64 * page);
    }),
              0);
    EXPECT_TRUE(eventually([&] { return file_.cached() == 64; })) << file_.cached();
    EXPECT_EQ(reader.read_all(), 0);
    for (const uint32_t action : {PP_ACTION_ACTIVATE, PP_ACTION_DEACTIVATE})
        EXPECT_EQ(reader.run([=] { return act(action, mapping.start(), mapping.end()); }), 0);
    EXPECT_EQ(file_.cached(), pages);
    EXPECT_EQ(
        reader.run([] { return act(PP_ACTION_EVICT, mapping.start() + 8 * page, mapping.end()); }),
        0);
    EXPECT_EQ(file_.cached(), 8u);
    EXPECT_EQ(grown(PP_STAT_ACTS), 4u);
    EXPECT_EQ(grown(PP_STAT_EVICTED), pages - 8);
    EXPECT_EQ(grown(PP_STAT_UPLOADS), 0u);
    EXPECT_TRUE(look().processes.empty()) << "it needs no table";
}

} // namespace
} // namespace pagepatrol::test
