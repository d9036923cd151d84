// SPDX-License-Identifier: Apache-2.0
//
// What the shim does with each mapping call, over a kernel made of tables
// (fake_sys.hpp): order of push and real call, clipping, moving, absorbing; and a
// random walk through all calls, checked page by page.
#include "core.hpp"
#include "fake_sys.hpp"
#include "policy.hpp"

#include <array>
#include <cerrno>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <sys/mman.h>

using namespace pagepatrol;
using fake::kernel;
using fake::page;

namespace {

constexpr int pinned = 10, streamed = 11, other = 12;

void* at(std::uint64_t n) {
    return reinterpret_cast<void*>(n);
}

const Policy& policy() {
    static const auto p =
        parse_policy("schema = 1\n"
                     "[[rule]]\npath = \"/data/hot*\"\naction = \"pin\"\n"
                     "[[rule]]\npath = \"/data/scan*\"\naction = \"stream\"\n"
                     "[[rule]]\npath = \"/data/none*\"\naction = \"none\"\n"
                     "[[rule]]\npath = \"/{proc,dev,memfd:}**\"\naction = \"pin\"\n",
                     "test", "");
    return *p.value;
}

std::uint64_t next_inode = 1; // never used again: the shim remembers its answers

class Core : public testing::Test {
  protected:
    void SetUp() override {
        fake::reset();
        core::start(policy(), page);
        add(pinned, "/data/hot", 8 * page, true);
        add(streamed, "/data/scan", 8 * page - 100, true);
        add(other, "/data/other", 8 * page, false);
        kernel.now += 10'000'000; // past every rate limit
    }
    void TearDown() override {
        for (const std::string& p : kernel.problems)
            ADD_FAILURE() << p;
        // the shim's table outlives a test
        kernel.results.clear();
        kernel.open_error = 0;
        while (!kernel.table.empty())
            core::unmap(at(kernel.table[0].start), kernel.table[0].end - kernel.table[0].start);
    }
    static void add(int fd, std::string path, std::uint64_t size, bool wanted) {
        fake::File f;
        f.path = std::move(path);
        f.size = size;
        f.inode = next_inode++;
        f.wanted = wanted;
        kernel.files[fd] = f;
    }
    static std::uint64_t map(int fd, std::uint64_t pages, std::uint64_t offset = 0) {
        return static_cast<std::uint64_t>(core::map(nullptr, pages * page, PROT_READ, MAP_SHARED,
                                                    fd, static_cast<std::int64_t>(offset * page)));
    }
    static std::string events() {
        std::string s;
        for (const std::string& e : kernel.events)
            s += e.substr(0, e.find(' ')) + " ";
        return s;
    }
};

TEST_F(Core, MapPushesBeforeItReturns) {
    const auto a = map(pinned, 4);
    EXPECT_EQ(events(), "mmap push ");
    ASSERT_EQ(kernel.table.size(), 1u);
    const pp_range r = kernel.table[0];
    EXPECT_EQ(r.start, a);
    EXPECT_EQ(r.end, a + 4 * page);
    EXPECT_EQ(r.action, PP_ACTION_PIN);
    EXPECT_EQ(r.rule, 1);
    EXPECT_NE(r.id, 0u);
}

TEST_F(Core, EndHandsOverWhatStreamsHavePending) {
    const auto a = map(pinned, 4);
    core::finish();
    EXPECT_EQ(kernel.table.size(), 1u) << "nothing is pending of a pin";
    const auto b = map(streamed, 4);
    core::finish();
    EXPECT_TRUE(kernel.table.empty());
    core::unmap(at(a), 4 * page);
    core::unmap(at(b), 4 * page);
}

TEST_F(Core, FilesWithoutRulePushNothing) {
    const auto a = map(other, 4);
    EXPECT_EQ(core::unmap(at(a), 4 * page), 0);
    EXPECT_EQ(core::map(nullptr, page, 0, MAP_SHARED, 99, 0), -EBADF);
    core::map(nullptr, page, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(events(), "mmap munmap mmap mmap ");
    add(20, "/data/none", page, false);
    add(21, "/memfd:x", page, false);
    kernel.files[21].links = 0;
    add(22, "/dev/shm/x", page, false);
    add(23, "/data/hot-device", page, false);
    kernel.files[23].mode = 020644;
    for (int fd = 20; fd < 24; ++fd)
        map(fd, 1);
    EXPECT_EQ(kernel.count("push"), 0u);
}

TEST_F(Core, UnlinkedFilesGoByTheirOldName) {
    kernel.files[pinned].links = 0;
    map(pinned, 1);
    EXPECT_EQ(kernel.table.size(), 1u);
}

TEST_F(Core, PolicyIsAskedOncePerFile) {
    for (int i = 0; i < 10; ++i)
        map(other, 1);
    EXPECT_EQ(kernel.readlinks, 1u);
    kernel.files[other].ctime = 2; // renamed
    kernel.files[other].path = "/data/hot2";
    kernel.files[other].wanted = true;
    map(other, 1);
    EXPECT_EQ(kernel.readlinks, 2u);
    EXPECT_EQ(kernel.table.size(), 1u);
    kernel.files[other].links = 2; // may come by another name each time
    kernel.files[other].ctime = 3;
    map(other, 1);
    map(other, 1);
    EXPECT_EQ(kernel.readlinks, 4u);
}

TEST_F(Core, ClippedAtEndOfFile) {
    auto a = map(streamed, 64);
    EXPECT_EQ(kernel.table[0].end, a + 8 * page); // the last page is partly backed
    core::unmap(at(a), 64 * page);
    a = map(streamed, 64, 6);
    EXPECT_EQ(kernel.table[0].end, a + 2 * page);
    core::unmap(at(a), 64 * page);
    kernel.events.clear();
    map(streamed, 4, 8); // wholly behind the end
    EXPECT_EQ(events(), "mmap ");
    EXPECT_TRUE(kernel.table.empty());
}

TEST_F(Core, UnmapTellsTheKernelSideFirst) {
    const auto a = map(pinned, 8);
    kernel.events.clear();
    EXPECT_EQ(core::unmap(at(a + 2 * page), 2 * page - 5), 0); // length is rounded up
    ASSERT_EQ(events(), "push munmap ");
    char expected[64];
    snprintf(expected, sizeof expected, "push %#lx-%#lx [2]", a + 2 * page, a + 4 * page);
    EXPECT_EQ(kernel.events[0], expected);
    EXPECT_NE(kernel.table[0].id, kernel.table[1].id);
}

TEST_F(Core, FailedUnmapPutsBack) {
    const auto a = map(pinned, 8);
    const auto before = kernel.table[0];
    kernel.events.clear();
    kernel.fail_munmap = -ENOMEM;
    EXPECT_EQ(core::unmap(at(a), 8 * page), -ENOMEM);
    EXPECT_EQ(events(), "push munmap push ");
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].id, before.id);
    EXPECT_EQ(kernel.table[0].end, before.end);
    kernel.events.clear();
    EXPECT_EQ(core::unmap(at(a + 1), page), -EINVAL); // refused by the kernel anyway: no push
    EXPECT_EQ(core::unmap(at(a), 0), -EINVAL);
    EXPECT_EQ(events(), "munmap munmap ");
}

TEST_F(Core, FixedMappingTakesRangesOutFirst) {
    const auto a = map(pinned, 8);
    kernel.events.clear();
    EXPECT_EQ(core::map(at(a + page), 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED, other, 0),
              static_cast<long>(a + page));
    EXPECT_EQ(events(), "push mmap ");
    EXPECT_EQ(kernel.table.size(), 2u);
    kernel.events.clear();
    core::map(at(a), page, PROT_READ, MAP_SHARED | MAP_FIXED, streamed, 0);
    EXPECT_EQ(events(), "push mmap push ");
    EXPECT_EQ(kernel.table[0].action, PP_ACTION_STREAM);
}

TEST_F(Core, FailedFixedMapping) {
    const auto a = map(pinned, 8);
    kernel.fail_mmap = -ENOMEM;
    EXPECT_EQ(core::map(at(a), 8 * page, PROT_READ, MAP_SHARED | MAP_FIXED, other, 0), -ENOMEM);
    EXPECT_EQ(kernel.table.size(), 1u); // still mapped
    kernel.fail_mmap = -ENOMEM;
    kernel.fail_mmap_unmaps = true;
    EXPECT_EQ(core::map(at(a), 8 * page, PROT_READ, MAP_SHARED | MAP_FIXED, other, 0), -ENOMEM);
    EXPECT_TRUE(kernel.table.empty());
}

TEST_F(Core, RemapFollows) {
    const auto a = map(pinned, 4);
    const auto id = kernel.table[0].id;
    const auto grown = static_cast<std::uint64_t>(
        core::remap(at(a), 4 * page, 32 * page, MREMAP_MAYMOVE, nullptr));
    EXPECT_EQ(kernel.table[0].end, grown + 8 * page); // up to the end of the file, no further
    EXPECT_EQ(kernel.table[0].id, id);
    core::map(at(grown + 40 * page), page, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    const std::uint64_t to = grown + 100 * page;
    EXPECT_EQ(core::remap(at(grown), 32 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at(to)),
              static_cast<long>(to));
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].start, to);
    EXPECT_EQ(kernel.table[0].end, to + 2 * page);
    kernel.events.clear();
    EXPECT_EQ(core::remap(at(to), 2 * page, 0, 0, nullptr), -EINVAL);
    EXPECT_EQ(events(), "mremap ");
    kernel.fail_mremap = -ENOMEM;
    EXPECT_EQ(core::remap(at(to), 2 * page, 9 * page, MREMAP_MAYMOVE, nullptr), -ENOMEM);
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].start, to);
}

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

TEST_F(Core, StaleRangesGoWhenTheirAddressesComeBack) {
    const auto a = map(pinned, 2);
    for (std::uint64_t p = a; p < a + 2 * page; p += page)
        kernel.pages.erase(p); // a raw system call
    kernel.table.clear();      // what the kernel side knows is not checked here
    EXPECT_EQ(map(other, 2), a);
    EXPECT_TRUE(kernel.table.empty());
    EXPECT_EQ(kernel.count("push"), 2u);
}

TEST_F(Core, CallFromASignalHandlerPassesThrough) {
    const auto a = map(pinned, 2), b = map(pinned, 2);
    kernel.after_call = [b] { EXPECT_EQ(core::unmap(at(b), 2 * page), 0); };
    const auto pushes = kernel.count("push");
    core::unmap(at(a), 2 * page);
    EXPECT_EQ(kernel.count("push"), pushes + 1);
    EXPECT_FALSE(kernel.pages.count(b));
    kernel.problems
        .clear(); // b's range is stale: the price, and the kernel side knows stale ranges
}

TEST_F(Core, CatchUpFromProcMaps) {
    for (std::uint64_t i = 0; i < 4; ++i)
        kernel.pages[0x50000000 + i * page] = {pinned, i * page};
    const auto inode = std::to_string(kernel.files[pinned].inode);
    kernel.maps = "50000000-50004000 r--s 00000000 08:01 " + inode + "   /data/hot\n" +
                  "50010000-50014000 r--s 00000000 08:01 999999   /data/hot\n" // replaced since
                  "50020000-50024000 rw-p 00000000 00:00 0 \n"
                  "nonsense\n"
                  "50030000-50034000 r--s 00000000 08:01 " +
                  std::to_string(kernel.files[streamed].inode) +
                  "   /data/scan\n"; // "own": left alone
    core::catch_up(at(0x50030123), nullptr);
    EXPECT_EQ(events(), "push ");
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].start, 0x50000000u);
    EXPECT_EQ(kernel.table[0].end, 0x50004000u);
}

// Any sequence of calls: the kernel side knows exactly the pages it should, at every step.
TEST_F(Core, RandomWalk) {
    constexpr std::uint64_t base = 0x10000000, space = 96;
    for (unsigned seed = 1; seed <= 30; ++seed) {
        std::mt19937 random(seed);
        auto address = [&] { return at(base + random() % space * page); };
        auto length = [&] { return (1 + random() % 16) * page; };
        for (int step = 0; step < 600; ++step) {
            const int fd = std::array{pinned, streamed, other}[random() % 3];
            const auto offset = static_cast<std::int64_t>(random() % 10 * page);
            if (random() % 8 == 0)
                (std::array{&kernel.fail_mmap, &kernel.fail_munmap,
                            &kernel.fail_mremap})[random() % 3][0] = -ENOMEM;
            kernel.fail_mmap_unmaps = random() % 2;
            switch (random() % 6) {
            case 0:
                core::map(nullptr, length(), PROT_READ, MAP_SHARED, fd, offset);
                break;
            case 1:
                core::map(address(), length(), PROT_READ, MAP_SHARED | MAP_FIXED, fd, offset);
                break;
            case 2:
                core::map(address(), length(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                          -1, 0);
                break;
            case 3: {
                constexpr int flags[] = {0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
                                         MREMAP_MAYMOVE | MREMAP_DONTUNMAP, MREMAP_FIXED};
                const int flag = flags[random() % 5];
                const auto size = length();
                const bool copy = random() % 6 == 0;
                core::remap(address(), copy ? 0 : size, flag & MREMAP_DONTUNMAP ? size : length(),
                            copy ? flag | MREMAP_MAYMOVE : flag, address());
                break;
            }
            case 4:
                core::advise(address(), length(), random() % 3);
                break;
            default:
                core::unmap(address(), length());
                break;
            }
            ASSERT_TRUE(kernel.problems.empty())
                << kernel.problems[0] << ", seed " << seed << " step " << step;
            std::set<std::uint64_t> expected, seen;
            for (const auto& [a, p] : kernel.pages)
                if (p.fd >= 0 && kernel.files[p.fd].wanted && p.offset < kernel.files[p.fd].size)
                    expected.insert(a);
            for (const pp_range& r : kernel.table)
                for (std::uint64_t a = r.start; a < r.end; a += page) {
                    seen.insert(a);
                    EXPECT_EQ(r.action == PP_ACTION_PIN, kernel.pages[a].fd == pinned);
                    EXPECT_FALSE(r.action == PP_ACTION_PIN &&
                                 kernel.pages[a].advice == MADV_RANDOM);
                }
            ASSERT_EQ(seen, expected) << "seed " << seed << " step " << step;
        }
        kernel.fail_mmap = kernel.fail_munmap = kernel.fail_mremap = 0;
        core::unmap(at(base), 4096 * page);
        ASSERT_TRUE(kernel.table.empty());
    }
}

} // namespace
