// SPDX-License-Identifier: Apache-2.0
// Effects on the page cache under the parameters that people get: streams and pins in a
// small memory cgroup, hot and cold pages on the LRU, read-ahead.
#include "cgroup.hpp"
#include "kernel_side.hpp"
#include "maps.h"
#include "reader.hpp"

#include <cstdio>
#include <thread>

#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <sys/mman.h>

namespace pagepatrol::test {
namespace {

constexpr size_t pages = 1024;
constexpr size_t block = PP_BLOCK_PAGES; ///< of which streams leave the beginning

class Cache : public Loaded {
  protected:
    TestFile file_{"cache", pages* page};
};

TEST_F(Cache, IsNotLeftByAStreamWhileThereIsRoom) {
    Reader reader(file_, PP_ACTION_STREAM);
    ASSERT_EQ(reader.start_error, 0);
    for (int pass = 0; pass < 2; ++pass)
        EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(reader.run([] { return upload(nullptr, 0, mapping.start(), mapping.end()); }), 0);
    EXPECT_EQ(file_.cached(), pages);
    EXPECT_EQ(grown(PP_STAT_DROPPED), 0u);
    EXPECT_EQ(grown(PP_STAT_SPARED), pages);
    EXPECT_EQ(grown(PP_STAT_INSERTED), pages);
}

class Limited : public Loaded, public testing::WithParamInterface<bool> {
  protected:
    static constexpr uint64_t limit = 8 << 20;
    static constexpr size_t limit_pages = limit / page;
    static constexpr size_t long_pages = 2 * limit_pages;
    /// How long to go on reclaiming until it asks about what is on the active list: the classic
    /// LRU leaves that alone as long as it is short by the cgroup's statistics, which the kernel
    /// renews every two seconds (prepare_scan_control(), FLUSH_TIME).
    static constexpr std::chrono::seconds till_asked{20};
    Lru lru_{GetParam()};
    TestFile long_{"long", long_pages* page};
};

TEST_P(Limited, AStreamKeepsItsBeginningAndNotItsEnd) {
    // the kernel's default forgets what comes round first
    {
        Cgroup group(limit);
        Reader plain(long_, PP_ACTION_NONE);
        group.add(plain.pid());
        EXPECT_EQ(plain.read_all(), 0);
        EXPECT_LT(long_.cached(0, limit_pages / 2), limit_pages / 8);
        plain.end();
    }
    for (const char* knob : {"memory.max", "memory.high"}) {
        long_.evict();
        const auto dropped = grown(PP_STAT_DROPPED);
        Cgroup group(limit, knob);
        Reader reader(long_, PP_ACTION_STREAM);
        group.add(reader.pid());
        EXPECT_EQ(reader.read_all(), 0);
        EXPECT_GT(long_.cached(0, limit_pages / 2), limit_pages * 7 / 16) << knob;
        EXPECT_LT(long_.cached(limit_pages, limit_pages / 2), limit_pages / 8) << knob;
        EXPECT_GT(grown(PP_STAT_DROPPED) - dropped, limit_pages / 2) << knob;
        reader.end();
    }
}

TEST_P(Limited, WhatIsPinnedStays) {
    TestFile hot("hot", limit / 4);
    for (const uint8_t action : {PP_ACTION_NONE, PP_ACTION_PIN}) {
        hot.evict();
        long_.evict();
        Cgroup group(limit);
        Reader reader(hot, PP_ACTION_NONE);
        group.add(reader.pid());
        if (action != PP_ACTION_NONE) {
            ASSERT_EQ(reader.rule(action), 0);
        }
        EXPECT_EQ(reader.read_all(), 0);
        ASSERT_EQ(hot.cached(), hot.pages());
        EXPECT_EQ(reader.run([path = long_.path()] {
            char* scan = map_file(path, PROT_READ, MAP_SHARED);
            return scan ? count_wrong(scan, long_pages * page) : -1;
        }),
                  0);
        if (action == PP_ACTION_NONE)
            EXPECT_LT(hot.cached(), hot.pages() / 2);
        else
            EXPECT_EQ(hot.cached(), hot.pages());
        reader.end();
    }
}

TEST_P(Limited, WhatIsPinnedStaysUpToTheBudget) {
    constexpr size_t budget = limit_pages * 3 / 4;
    Cgroup group(limit);
    Reader reader(long_, PP_ACTION_NONE);
    group.add(reader.pid());
    ASSERT_EQ(reader.rule(PP_ACTION_PIN), 0);
    EXPECT_EQ(table_of(reader.pid())->ranges.at(0).keep_pages, budget);
    for (int pass = 0; pass < 2; ++pass)
        EXPECT_EQ(reader.read_all(), 0) << "twice what fits, and it lives";
    EXPECT_GT(long_.cached(0, budget), budget * 7 / 8);
    // little memory is left beside it, so reclaim can't do without asking
    EXPECT_TRUE(eventually(
        [&] {
            EXPECT_EQ(reader.read_all(), 0);
            return grown(PP_STAT_KEPT) > 0;
        },
        till_asked));
    EXPECT_GT(grown(PP_STAT_ASKED), 0u);
    EXPECT_GT(long_.cached(0, budget), budget * 7 / 8) << "after it was asked";
    EXPECT_LE(grown(PP_STAT_KEPT) + grown(PP_STAT_VALVE), grown(PP_STAT_ASKED));
    // another limit counts from the next upload on
    Cgroup wider(4 * limit);
    wider.add(reader.pid());
    ASSERT_EQ(reader.rule(PP_ACTION_PIN), 0);
    EXPECT_EQ(table_of(reader.pid())->ranges.at(0).keep_pages, long_pages);
    reader.end();
}

/// Read last, and yet the first to go, with what was read ahead and never touched.
TEST_P(Limited, WhatIsDeactivatedGoesFirst) {
    TestFile older("older", limit / 2), newer("newer", limit / 4), scan("scan", limit / 2);
    const auto read = [](const TestFile& file) {
        return [path = file.path(), size = file.pages() * page] {
            char* data = map_file(path, PROT_READ, MAP_SHARED);
            return data ? count_wrong(data, size) : -1;
        };
    };
    for (const uint8_t action : {PP_ACTION_NONE, PP_ACTION_DEACTIVATE}) {
        for (const TestFile* file : {&older, &newer, &scan})
            file->evict();
        Cgroup group(limit);
        Reader reader(newer, PP_ACTION_NONE);
        group.add(reader.pid());
        EXPECT_EQ(reader.run(read(older)), 0);
        // all of it comes in by read-ahead, half of it is mapped
        for (size_t at = 0; at < newer.pages(); at += 32)
            EXPECT_EQ(reader.read(at, 1), 0);
        ASSERT_GT(newer.cached(), newer.pages() * 7 / 8);
        if (action != PP_ACTION_NONE) {
            ASSERT_EQ(reader.rule(action), 0);
        }
        EXPECT_EQ(older.cached(), older.pages());
        EXPECT_EQ(reader.run(read(scan)), 0);
        if (action == PP_ACTION_NONE) {
            EXPECT_LT(older.cached(), older.pages() * 3 / 4);
        } else {
            EXPECT_GT(older.cached(), older.pages() * 7 / 8);
            EXPECT_LT(newer.cached(), newer.pages() / 4);
        }
        reader.end();
    }
}

INSTANTIATE_TEST_SUITE_P(Lru, Limited, testing::Bool(),
                         [](const auto& info) { return info.param ? "mglru" : "classic"; });

/// What streams leave is shared out evenly, in less memory than usual.
class Shared : public Loaded, public testing::WithParamInterface<bool> {
  protected:
    LoadOptions wanted() const override {
        LoadOptions all = options();
        all.share_pages = limit_pages / 2;
        return all;
    }
    static constexpr uint64_t limit = 32 << 20;
    static constexpr size_t limit_pages = limit / page;
    static constexpr size_t long_pages = limit_pages * 3 / 2;
    Lru lru_{GetParam()};
    TestFile long_{"long", long_pages* page};
};

/// Of each MiB, within a quarter of what all have on average; but for the last, in which a
/// reader may be, and one that found no room at that moment.
void expect_even(const TestFile& file, size_t average) {
    int uneven = 0;
    for (size_t first = 0; first + block < file.pages(); first += block) {
        const size_t cached = file.cached(first, block);
        if (cached >= average * 3 / 4 && cached <= average * 5 / 4)
            continue;
        ++uneven;
        std::printf("%zu of %zu from page %zu on\n", cached, average, first);
    }
    EXPECT_LE(uneven, 1);
}

/// What ppctl status tells of a cgroup's streams.
std::vector<StreamStatus> streams_of(const Cgroup& group) {
    std::vector<StreamStatus> found;
    for (const StreamStatus& stream : look().streams)
        if (stream.cgroup == group.name())
            found.push_back(stream);
    return found;
}

/// Reads a file as a program that maps it, streams it and is done with it.
void stream_once(const Cgroup& group, const TestFile& file) {
    Reader reader(file, PP_ACTION_NONE);
    group.add(reader.pid());
    ASSERT_EQ(reader.rule(PP_ACTION_STREAM), 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(reader.run([] { return upload(nullptr, 0, mapping.start(), mapping.end()); }), 0);
    reader.end();
}

TEST_P(Shared, AStreamLeavesTheSameShareOfEachPart) {
    for (const char* knob : {"memory.max", "memory.high"}) {
        SCOPED_TRACE(knob);
        long_.evict();
        Cgroup group(limit, knob);
        Reader reader(long_, PP_ACTION_NONE);
        group.add(reader.pid());
        ASSERT_EQ(reader.rule(PP_ACTION_STREAM), 0);
        for (int pass = 0; pass < 2; ++pass)
            EXPECT_EQ(reader.read_all(), 0);
        const size_t left = long_.cached();
        EXPECT_GT(left, limit_pages * 3 / 4);
        expect_even(long_, left * block / long_pages);
        const auto inserted = grown(PP_STAT_INSERTED);
        EXPECT_EQ(reader.read_all(), 0);
        EXPECT_LT(grown(PP_STAT_INSERTED) - inserted, long_pages - left * 7 / 8);
        reader.end();
    }
}

TEST_P(Shared, StreamsLeaveTheSameShareOfEachFile) {
    Cgroup group(limit);
    const TestFile files[] = {{"first", limit / 2}, {"second", limit / 2}, {"third", limit / 2}};
    stream_once(group, files[0]);
    EXPECT_EQ(files[0].cached(), files[0].pages()) << "it fits";
    stream_once(group, files[1]);
    stream_once(group, files[2]);
    for (int pass = 0; pass < 2; ++pass)
        for (const TestFile& file : files)
            stream_once(group, file);
    size_t left = 0, size = 0;
    for (const TestFile& file : files) {
        left += file.cached();
        size += file.pages();
    }
    EXPECT_GT(left, limit_pages * 3 / 4);
    for (const TestFile& file : files)
        expect_even(file, left * block / size);
    const auto told = streams_of(group);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].read_pages, size);
    EXPECT_NEAR(static_cast<double>(told[0].left_pages), static_cast<double>(left), limit_pages / 8.);
    EXPECT_NEAR(told[0].share, static_cast<double>(left) / static_cast<double>(size), 0.2);
}

TEST_P(Shared, AStreamCutsWhatItLeftAndNothingElse) {
    constexpr size_t others = long_pages * 7 / 8;
    long_.cache(others, block);
    const size_t before = long_.cached();
    Cgroup group(limit);
    for (int pass = 0; pass < 3; ++pass)
        stream_once(group, long_);
    EXPECT_GT(grown(PP_STAT_DROPPED), 0u);
    EXPECT_LT(long_.cached(block / 2, others - block / 2), others * 7 / 8) << "it did cut";
    EXPECT_GE(long_.cached(others, block), before - 1) << "which it found there";
}

TEST_P(Shared, ThreadsOfAStreamLeaveWhatTheOthersAreAt) {
    Cgroup group(limit);
    Reader reader(long_, PP_ACTION_NONE);
    group.add(reader.pid());
    ASSERT_EQ(reader.rule(PP_ACTION_STREAM), 0);
    const auto read_by_two = [] {
        // half each, and never far from the same time
        const size_t half = mapping.size / page / 2;
        int64_t wrong[2] = {};
        std::thread other([&] { wrong[1] = count_wrong(mapping.data, mapping.size, half, half); });
        wrong[0] = count_wrong(mapping.data, mapping.size, 0, half);
        other.join();
        return wrong[0] + wrong[1];
    };
    for (int pass = 0; pass < 3; ++pass)
        EXPECT_EQ(reader.run(read_by_two), 0);
    const size_t left = long_.cached();
    EXPECT_GT(left, limit_pages / 2);
    const auto inserted = grown(PP_STAT_INSERTED);
    EXPECT_EQ(reader.run(read_by_two), 0);
    EXPECT_LT(grown(PP_STAT_INSERTED) - inserted, long_pages - left / 2)
        << "read twice: dropped before it was reached";
    reader.end();
}

TEST_P(Shared, WhatAStreamLacksIsReadBeforeItIsThere) {
    if (may_miss_faults())
        GTEST_SKIP() << "one that is missed ends the chain";
    Cgroup group(limit);
    Reader reader(long_, PP_ACTION_NONE);
    group.add(reader.pid());
    ASSERT_EQ(reader.rule(PP_ACTION_STREAM), 0);
    for (int pass = 0; pass < 2; ++pass)
        EXPECT_EQ(reader.read_all(), 0);
    ASSERT_LT(long_.cached(block, block), block * 3 / 4);
    EXPECT_EQ(reader.read(0, block), 0);
    const auto all_there = [&](size_t at) {
        return eventually([&] { return long_.cached(at, block) == block; });
    };
    EXPECT_TRUE(all_there(block)) << long_.cached(block, block);
    EXPECT_LT(long_.cached(2 * block, block), block * 3 / 4) << "of the next";
    // and on, without a fault that would wait for a page
    for (size_t at = block; at + 2 * block < long_pages; at += block) {
        EXPECT_EQ(reader.read(at, block), 0);
        EXPECT_TRUE(all_there(at + block))
            << long_.cached(at + block, block) << " from page " << at + block << " on";
        EXPECT_LT(long_.cached(at - block, block), block * 7 / 8) << "behind the reader";
    }
    reader.end();
}

INSTANTIATE_TEST_SUITE_P(Lru, Shared, testing::Bool(),
                         [](const auto& info) { return info.param ? "mglru" : "classic"; });

/// How many of the pages that the process has mapped there have the flag.
size_t with_flag(pid_t pid, uint64_t start, size_t nr, int flag) {
    const int map =
        open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
    const int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    constexpr uint64_t present = 1ull << 63, number = (1ull << 55) - 1;
    size_t count = 0;
    for (size_t i = 0; i < nr; ++i) {
        uint64_t entry = 0, bits = 0;
        if (pread(map, &entry, sizeof(entry), off_t((start / page + i) * sizeof(entry))) < 0 ||
            pread(flags, &bits, sizeof(bits), off_t((entry & number) * sizeof(bits))) < 0)
            ADD_FAILURE() << "can't read page flags: " << std::strerror(errno);
        count += (entry & present) && (bits >> flag & 1);
    }
    close(map);
    close(flags);
    return count;
}

// On the classic LRU, whose lists can be seen from outside. A batch of pages per CPU may
// be on its way.
class Lists : public Cache {
  protected:
    static constexpr size_t most = pages * 3 / 4, few = pages / 4;
    size_t active(Reader& reader) {
        const auto start = uint64_t(reader.run([] { return mapping.start(); }));
        return with_flag(reader.pid(), start, pages, KPF_ACTIVE);
    }
    Lru classic_{false};
};

TEST_F(Lists, ActivateAndDeactivateWhatIsCached) {
    file_.cache(0, pages);
    Reader reader(file_, PP_ACTION_NONE);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_LT(active(reader), few);
    ASSERT_EQ(reader.rule(PP_ACTION_ACTIVATE), 0);
    EXPECT_GT(active(reader), most);
    ASSERT_EQ(reader.rule(PP_ACTION_DEACTIVATE), 0);
    EXPECT_LT(active(reader), few);
    ASSERT_EQ(reader.rule(PP_ACTION_PIN), 0);
    EXPECT_GT(active(reader), most);
    EXPECT_EQ(file_.cached(), pages);
}

TEST_F(Lists, DeactivateLeavesWhatSomebodyElseMaps) {
    file_.cache(0, pages);
    Reader owner(file_, PP_ACTION_ACTIVATE);
    EXPECT_EQ(owner.read_all(), 0);
    ASSERT_GT(active(owner), most);
    Reader other(file_, PP_ACTION_DEACTIVATE);
    ASSERT_EQ(other.start_error, 0);
    EXPECT_GT(active(owner), most) << "mapped by their owner alone";
    EXPECT_EQ(other.read_all(), 0);
    ASSERT_EQ(other.rule(PP_ACTION_DEACTIVATE), 0);
    EXPECT_GT(active(owner), most) << "mapped by both";
}

TEST_F(Lists, ActivateWhatIsBroughtIn) {
    Reader reader(file_, PP_ACTION_ACTIVATE);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(grown(PP_STAT_ACTIVATED), pages);
    EXPECT_EQ(grown(PP_STAT_INSERTED), pages);
    EXPECT_GT(active(reader), most);
}

TEST_F(Lists, DeactivateWhatIsBroughtInOncePassed) {
    Reader reader(file_, PP_ACTION_DEACTIVATE);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_GT(grown(PP_STAT_DEACTIVATED), pages / 2);
    EXPECT_LE(grown(PP_STAT_DEACTIVATED), pages);
    EXPECT_EQ(grown(PP_STAT_ACTIVATED), 0u);
    EXPECT_EQ(file_.cached(), pages) << "it stays until memory is needed";
}

class ReadAhead : public Cache {};

TEST_F(ReadAhead, CanBeTurnedOffAndOn) {
    Reader reader(file_, PP_ACTION_ACTIVATE, PP_RANGE_NO_READAHEAD);
    ASSERT_EQ(reader.start_error, 0);
    EXPECT_EQ(reader.read(100, 1), 0);
    EXPECT_EQ(reader.read(300, 1), 0);
    EXPECT_EQ(file_.cached(), 2u);
    EXPECT_EQ(grown(PP_STAT_INSERTED), 2u);
    // another opening of the file is not concerned
    Reader other(file_, PP_ACTION_NONE);
    EXPECT_EQ(other.read(600, 1), 0);
    EXPECT_GT(file_.cached(), 2u + 8u);
    other.end();
    file_.evict();

    ASSERT_EQ(reader.rule(PP_ACTION_ACTIVATE), 0);
    const size_t before = file_.cached();
    EXPECT_EQ(reader.read(800, 1), 0);
    EXPECT_GT(file_.cached(), before + 8u);
}

} // namespace
} // namespace pagepatrol::test
