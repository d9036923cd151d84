// SPDX-License-Identifier: Apache-2.0
// What a stream drops, and above all what it must not: under parameters by which memory
// is always tight, so that the outcome does not depend on the machine.
#include "kernel_side.hpp"
#include "reader.hpp"

#include <sys/mman.h>

namespace pagepatrol::test {
namespace {

constexpr size_t pages = 1024;
/// What may be pending at a reader's place: the lag (twice, before a run is cut) and a
/// read-ahead window of twice the usual 128 KiB.
constexpr size_t pending = 2 * 64 + 2 * 64;
constexpr size_t passed = pages - pending;
constexpr char mark[] = "written";

/// One range up to page 512, one from `second` on; what changes starts at page `changed`.
int64_t upload_two(size_t second, size_t changed) {
    const uint64_t start = mapping.start();
    const pp_range two[] = {
        make_range(start, start + 512 * page, 1, PP_ACTION_STREAM),
        make_range(start + second * page, mapping.end(), 2, PP_ACTION_STREAM)};
    return upload(two, 2, start + changed * page, start + second * page);
}

class Stream : public Loaded {
  protected:
    LoadOptions wanted() const override { return always_tight(); }
    TestFile file_{"stream", pages* page};
};

TEST_F(Stream, DropsBehindItself) {
    Reader plain(file_, PP_ACTION_NONE);
    EXPECT_EQ(plain.read_all(), 0);
    EXPECT_EQ(file_.cached(), pages) << "without a rule all stays";
    plain.end();
    file_.evict();
    ASSERT_EQ(file_.cached(), 0u);

    Reader reader(file_, PP_ACTION_STREAM);
    ASSERT_EQ(reader.start_error, 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(file_.cached(0, passed), 0u);
    EXPECT_EQ(grown(PP_STAT_INSERTED), pages) << "each page is brought in once";
    EXPECT_GE(grown(PP_STAT_DROPPED), passed);
    EXPECT_LE(grown(PP_STAT_DROPPED), pages);
    EXPECT_EQ(grown(PP_STAT_SPARED), 0u);
    EXPECT_EQ(grown(PP_STAT_QUEUE_FAILED), 0u);
    EXPECT_EQ(reader.read_all(), 0) << "what was dropped can be read again";
}

TEST_F(Stream, LeavesWhatWasCachedBefore) {
    file_.cache(100, 50);
    file_.cache(300, 256);
    const size_t before = file_.cached();
    ASSERT_GE(before, 306u);
    ASSERT_LT(before, 400u);
    Reader reader(file_, PP_ACTION_STREAM);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(file_.cached(100, 50), 50u);
    EXPECT_EQ(file_.cached(300, 256), 256u);
    // where the reader left a run for what was there, its end is pending until the unmap
    EXPECT_EQ(reader.run([] { return upload(nullptr, 0, mapping.start(), mapping.end()); }), 0);
    EXPECT_EQ(file_.cached(), before) << "but nothing more";
}

TEST_F(Stream, LeavesWhatOthersBroughtIn) {
    Reader other(file_, PP_ACTION_NONE), reader(file_, PP_ACTION_STREAM);
    EXPECT_EQ(other.read_all(), 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(file_.cached(), pages);
    EXPECT_EQ(grown(PP_STAT_INSERTED), 0u);
    EXPECT_EQ(grown(PP_STAT_DROPPED), 0u);
}

TEST_F(Stream, LeavesWhatOthersMapMeanwhile) {
    Reader reader(file_, PP_ACTION_STREAM), other(file_, PP_ACTION_NONE);
    EXPECT_EQ(reader.read(0, 1), 0);
    ASSERT_EQ(file_.cached(4, 1), 1u) << "read-ahead";
    EXPECT_EQ(other.read(4, 1), 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(file_.cached(4, 1), 1u);
    EXPECT_EQ(file_.cached(100, passed - 100), 0u);
}

TEST_F(Stream, KeepsPrivateCopies) {
    Reader reader(file_, PP_ACTION_STREAM, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    ASSERT_EQ(reader.start_error, 0);
    // some before their page is read, some after
    reader.run([] {
        for (size_t i = 0; i < pages; i += 10)
            std::memcpy(mapping.data + i * page, mark, sizeof(mark));
        return count_wrong(mapping.data, mapping.size);
    });
    reader.run([] {
        for (size_t i = 5; i < pages; i += 10)
            std::memcpy(mapping.data + i * page, mark, sizeof(mark));
        return count_wrong(mapping.data, mapping.size);
    });
    EXPECT_EQ(reader.run([] {
        int64_t lost = 0;
        for (size_t i = 0; i < pages; i += 5)
            lost += std::memcmp(mapping.data + i * page, mark, sizeof(mark)) != 0;
        return lost;
    }),
              0);
    EXPECT_GT(grown(PP_STAT_DROPPED), 0u) << "it has to have been asked for";
    Reader other(file_, PP_ACTION_NONE);
    EXPECT_EQ(other.read_all(), 0) << "the file is not concerned";
}

TEST_F(Stream, KeepsWhatIsWrittenToTheFile) {
    Reader reader(file_, PP_ACTION_STREAM, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
    ASSERT_EQ(reader.start_error, 0);
    const auto count_lost = [] {
        int64_t lost = 0;
        for (size_t i = 0; i < pages; i += 10)
            lost += std::memcmp(mapping.data + i * page, mark, sizeof(mark)) != 0;
        return lost;
    };
    reader.run([] {
        for (size_t i = 0; i < pages; ++i) {
            if (i % 10 == 0)
                std::memcpy(mapping.data + i * page, mark, sizeof(mark));
            touch(mapping.data + i * page, page);
        }
        return 0;
    });
    EXPECT_GT(grown(PP_STAT_DROPPED), 0u);
    EXPECT_EQ(reader.run(count_lost), 0);
    reader.end();
    // and once more as the disk has it
    file_.evict();
    EXPECT_EQ(file_.cached(), 0u);
    Reader other(file_, PP_ACTION_NONE);
    EXPECT_EQ(other.run(count_lost), 0);
}

TEST_F(Stream, KeepsLockedMemory) {
    Reader reader(file_, PP_ACTION_STREAM);
    constexpr size_t locked = 16; // RLIMIT_MEMLOCK is 64 KiB at least
    ASSERT_EQ(reader.run([] { return mlock(mapping.data, locked * page); }), 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(file_.cached(0, locked), locked);
    EXPECT_EQ(file_.cached(locked + pending, passed - locked - pending), 0u);
}

TEST_F(Stream, KeepsWhatIsInMemoryOnly) {
    TestFile memory("stream", pages * page, "/dev/shm");
    Reader reader(memory, PP_ACTION_STREAM, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
    ASSERT_EQ(reader.start_error, 0);
    EXPECT_EQ(reader.read_all(), 0);
    // even where the process asks for it in so many words
    EXPECT_EQ(reader.run([] { return upload(nullptr, 0, mapping.start(), mapping.end()); }), 0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_EQ(memory.cached(), pages);
}

TEST_F(Stream, DropsWhatIsPendingWhereTheTableChanges) {
    Reader reader(file_, PP_ACTION_STREAM);
    EXPECT_EQ(reader.read(0, 1), 0);
    const size_t brought_in = file_.cached();
    ASSERT_GT(brought_in, 8u);
    ASSERT_LE(brought_in, pending);

    // a change elsewhere, or none
    EXPECT_EQ(reader.run([] {
        const pp_range same =
            make_range(mapping.start(), mapping.end(), 1, PP_ACTION_STREAM);
        return upload(&same, 1, nowhere, nowhere + page);
    }),
              0);
    EXPECT_EQ(file_.cached(), brought_in);
    // a part of it
    EXPECT_EQ(reader.run([] {
        const pp_range rest =
            make_range(mapping.start() + 8 * page, mapping.end(), 1, PP_ACTION_STREAM);
        return upload(&rest, 1, mapping.start(), rest.start);
    }),
              0);
    EXPECT_EQ(file_.cached(0, 8), 0u);
    EXPECT_EQ(file_.cached(), brought_in - 8);
    // all, as before an munmap
    EXPECT_EQ(reader.run([] { return upload(nullptr, 0, mapping.start(), mapping.end()); }), 0);
    EXPECT_EQ(file_.cached(), 0u);
    EXPECT_EQ(range_states(), 0);
}

TEST_F(Stream, GoesOnWhenItsFrontIsCutOff) {
    Reader reader(file_, PP_ACTION_NONE);
    // two neighbours; of the second the front is unmapped, and it keeps its id
    ASSERT_EQ(reader.run([] { return upload_two(512, 512); }), 0);
    EXPECT_EQ(reader.read(600, 1), 0);
    const auto second = [&] {
        return table_of(reader.pid())->ranges.at(1).stats[PP_STAT_INSERTED];
    };
    const auto inserted = second();
    ASSERT_GT(inserted, 0u);
    ASSERT_EQ(reader.run([] { return upload_two(520, 512); }), 0);
    EXPECT_EQ(second(), inserted) << "its counters went with the cut";
    EXPECT_EQ(file_.cached(), inserted) << "nothing of it was in the part that changed";
    EXPECT_EQ(reader.run([] { return upload(nullptr, 0, mapping.start(), mapping.end()); }), 0);
    EXPECT_EQ(file_.cached(), 0u);
}

TEST_F(Stream, HasARunForEachOfSeveralReaders) {
    constexpr size_t readers = 4, share = 1024, all = readers * share;
    TestFile large("large", all * page);
    Reader reader(large, PP_ACTION_STREAM);
    EXPECT_EQ(reader.run([] {
        // taking turns, as threads would: page by page in four places
        int64_t wrong = 0;
        for (size_t i = 0; i < share; ++i)
            for (size_t r = 0; r < readers; ++r)
                wrong += count_wrong(mapping.data, mapping.size, r * share + i, 1);
        return wrong;
    }),
              0);
    EXPECT_LE(large.cached(), readers * pending);
    // where one comes to another's start, windows are dropped by that and read again
    EXPECT_LE(grown(PP_STAT_INSERTED), all + all / 10) << "they dropped each other's";
    EXPECT_GE(grown(PP_STAT_DROPPED), all - readers * pending);
}

TEST_F(Stream, OfAnotherFileIsStale) {
    TestFile another("another", pages * page);
    Reader reader(file_, PP_ACTION_STREAM);
    EXPECT_EQ(reader.read(0, 1), 0);
    EXPECT_EQ(grown(PP_STAT_STALE), 0u);
    const auto faults = grown(PP_STAT_FAULTS), inserted = grown(PP_STAT_INSERTED);
    ASSERT_EQ(reader.run([path = another.path()] {
        // behind the shim's back
        return map_file(path, PROT_READ, MAP_SHARED, mapping.data) ? 0 : -1;
    }),
              0);
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_GT(grown(PP_STAT_STALE), 0u);
    EXPECT_EQ(grown(PP_STAT_FAULTS), faults);
    EXPECT_EQ(grown(PP_STAT_INSERTED), inserted);
    EXPECT_EQ(another.cached(), pages) << "it has no rule";
}

} // namespace
} // namespace pagepatrol::test
