// SPDX-License-Identifier: Apache-2.0
//
// What the shim does with each mapping call, over a kernel made of tables
// (fake_sys.hpp): order of push and real call, parts of files, moving; and a
// random walk through all calls, checked page by page.
#include "core_fixture.hpp"
#include "pages.hpp"

#include <map>
#include <random>

using namespace pagepatrol;

namespace {

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

TEST_F(Core, CoversTheMappingAndCountsTheFile) {
    auto a = map(streamed, 64);
    EXPECT_EQ(kernel.table[0].end, a + 64 * page);
    EXPECT_EQ(kernel.table[0].pages, 8u); // the last page is partly backed
    core::unmap(at(a + 7 * page), page);
    ASSERT_EQ(kernel.table.size(), 2u);
    EXPECT_EQ(kernel.table[0].pages, 7u);
    EXPECT_EQ(kernel.table[1].pages, 0u);
    core::unmap(at(a), 64 * page);
    a = map(streamed, 64, 6);
    EXPECT_EQ(kernel.table[0].pages, 2u);
    core::unmap(at(a), 64 * page);
    map(streamed, 4, 8); // wholly behind the end: of use when the file grows
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].pages, 0u);
}

TEST_F(Core, GrownFileIsCountedAtItsNextMapping) {
    const auto a = map(streamed, 64);
    kernel.files[streamed].size = 20 * page;
    map(streamed, 1);
    EXPECT_EQ(kernel.table[0].start, a);
    EXPECT_EQ(kernel.table[0].pages, 20u);
    kernel.files[pinned].size = 9 * page; // grows, but was never mapped: no push
    const auto pushes = kernel.count("push");
    core::map(nullptr, page, PROT_READ, MAP_SHARED, other, 0);
    EXPECT_EQ(kernel.count("push"), pushes);
}

TEST_F(Core, OnePieceForEachPartOfAFile) {
    const auto a = map(parted, 12);
    EXPECT_EQ(kernel.count("push"), 1u);
    ASSERT_EQ(kernel.table.size(), 2u);
    EXPECT_EQ(kernel.table[0].start, a);
    EXPECT_EQ(kernel.table[0].end, a + 2 * page) << "boundaries go down";
    EXPECT_EQ(kernel.table[0].action, PP_ACTION_PIN);
    EXPECT_EQ(kernel.table[1].start, a + 9 * page);
    EXPECT_EQ(kernel.table[1].end, a + 12 * page);
    EXPECT_EQ(kernel.table[1].action, PP_ACTION_STREAM);
    core::unmap(at(a), 12 * page);
    const auto b = map(parted, 2, 8); // file offsets, not addresses
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].start, b + page);
    EXPECT_EQ(kernel.table[0].action, PP_ACTION_STREAM);
}

TEST_F(Core, PartsThatMeetInAPage) {
    Rule a = rule("/data/hot", Action::pin), b = rule("/data/hot", Action::stream);
    a.length = Place{0, 5050}; // 50.5 % of 8 pages: within the fifth
    const Policy p = policy_of({a, b});
    core::start(&p, page);
    const auto m = map(pinned, 8);
    ASSERT_EQ(kernel.table.size(), 2u);
    EXPECT_EQ(kernel.table[0].end, m + 4 * page);
    EXPECT_EQ(kernel.table[1].start, m + 4 * page);
    EXPECT_EQ(kernel.table[1].end, m + 8 * page);
    kernel.files[streamed].path = "/data/all";
    Rule all = rule("/data/all", Action::pin);
    all.length = Place{0, 10000};
    const Policy q = policy_of({all});
    core::start(&q, page);
    map(streamed, 8);
    ASSERT_EQ(kernel.table.size(), 3u);
    EXPECT_EQ(kernel.table[2].pages, 8u) << "100 % has the last page of the file";
}

// The end of the file within a page: that page is the part's that holds the end.
TEST_F(Core, TheLastPageOfTheFile) {
    const auto parts_of = [](std::uint64_t size, std::vector<Segment> parts) {
        std::string s;
        parts.resize(to_pages(parts.data(), parts.size(), size, page));
        for (const Segment& part : parts)
            s += std::to_string(part.start / page) + "-" +
                 (part.end == UINT64_MAX ? "" : std::to_string(part.end / page)) + " ";
        return s;
    };
    EXPECT_EQ(parts_of(5000, {{nullptr, 0, 5000}, {nullptr, 5000, UINT64_MAX}}), "0-2 2- ");
    EXPECT_EQ(parts_of(5000, {{nullptr, 0, 4999}, {nullptr, 4999, UINT64_MAX}}), "0-1 1- ");
    EXPECT_EQ(parts_of(5000, {{nullptr, 0, 100}, {nullptr, 100, UINT64_MAX}}), "0- ");
    EXPECT_EQ(parts_of(5000, {{nullptr, 4500, 5000}}), "1-2 ");
    EXPECT_EQ(parts_of(5000, {{nullptr, 0, 4500}, {nullptr, 4500, 5000}}), "0-1 1-2 ");
    EXPECT_EQ(parts_of(5000, {{nullptr, 0, 5000}, {nullptr, 5000, 6000}, {nullptr, 6000, 9000}}),
              "0-2 2-3 ");
    EXPECT_EQ(parts_of(8192, {{nullptr, 0, 8192}, {nullptr, 8192, UINT64_MAX}}), "0-2 2- ");
    EXPECT_EQ(parts_of(5000, {{nullptr, 0, UINT64_MAX - 5}}), "0- ");
    EXPECT_EQ(parts_of(0, {{nullptr, 0, 1}, {nullptr, 1, UINT64_MAX}}), "0-1 1- ");

    Rule first = rule("/data/hot", Action::pin), second = rule("/data/hot", Action::stream);
    first.length = Place{0, 10000};
    const Policy p = policy_of({first, second});
    core::start(&p, page);
    kernel.files[pinned].size = 5000;
    const auto m = map(pinned, 4);
    ASSERT_EQ(kernel.table.size(), 2u);
    EXPECT_EQ(kernel.table[0].end, m + 2 * page);
    EXPECT_EQ(kernel.table[0].pages, 2u);
    EXPECT_EQ(kernel.table[1].start, m + 2 * page) << "what comes when the file grows";
    EXPECT_EQ(kernel.table[1].pages, 0u);
    core::start(&policy(), page);
}

TEST_F(Core, GrowingComesUponTheNextPart) {
    const auto a = map(parted, 1);
    ASSERT_EQ(kernel.table.size(), 1u);
    const auto b =
        static_cast<std::uint64_t>(core::remap(at(a), page, 12 * page, MREMAP_MAYMOVE, nullptr));
    ASSERT_EQ(kernel.table.size(), 2u);
    EXPECT_EQ(kernel.table[0].end, b + 2 * page);
    EXPECT_EQ(kernel.table[1].start, b + 9 * page);
    core::unmap(at(b), 12 * page);
    const auto c = map(parted, 1, 4); // no rule's part yet
    EXPECT_TRUE(kernel.table.empty());
    const auto d =
        static_cast<std::uint64_t>(core::remap(at(c), page, 8 * page, MREMAP_MAYMOVE, nullptr));
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].start, d + 5 * page);
}

TEST_F(Core, HowItIsMappedAndWhereItLies) {
    Rule writable = rule("/data/*", Action::pin), lies = rule("/data/*", Action::stream);
    writable.prot_with = PROT_WRITE;
    lies.shared = false;
    lies.filesystems = {0x1234};
    const Policy p = policy_of({writable, lies});
    core::start(&p, page);
    const auto action = [](int fd, int prot, int flags) {
        const auto a = core::map(nullptr, page, prot, flags, fd, 0);
        const unsigned is = kernel.table.empty() ? PP_ACTION_NONE : kernel.table[0].action;
        core::unmap(at(static_cast<std::uint64_t>(a)), page);
        return is;
    };
    for (int i = 0; i < 2; ++i) { // the second time out of memory
        EXPECT_EQ(action(pinned, PROT_READ, MAP_SHARED), PP_ACTION_NONE);
        EXPECT_EQ(action(pinned, PROT_READ | PROT_WRITE, MAP_SHARED), PP_ACTION_PIN);
        EXPECT_EQ(action(pinned, PROT_READ, MAP_PRIVATE), PP_ACTION_NONE);
    }
    kernel.files[streamed].filesystem = 0x1234;
    EXPECT_EQ(action(streamed, PROT_READ, MAP_PRIVATE), PP_ACTION_STREAM);
    kernel.files[streamed].filesystem = 0x958458f6; // hugetlbfs
    kernel.files[streamed].ctime = 2;
    EXPECT_EQ(action(streamed, PROT_READ | PROT_WRITE, MAP_SHARED), PP_ACTION_NONE);
}

TEST_F(Core, FileSystemIsAskedOnlyOfFilesThatARuleWants) {
    map(other, 1);
    EXPECT_EQ(kernel.filesystems_asked, 0u);
    map(pinned, 1);
    EXPECT_EQ(kernel.filesystems_asked, 1u);
}

TEST_F(Core, BudgetAndReadAhead) {
    Rule a = rule("/data/hot", Action::pin), b = rule("/data/scan", Action::none);
    a.budget.bytes = 3 * page + 1;
    a.read_ahead = 0;
    b.budget.share = 5000;
    b.read_ahead = 65536;
    Rule c = rule("/data/other", Action::none), d = rule("/data/parts", Action::unpin);
    c.read_ahead = kernels_read_ahead;
    Policy p = policy_of({a, b, c, d});
    p.budget.bytes = 1; // less than a page: one page
    kernel.files[streamed].wanted = true;
    core::start(&p, page);
    map(pinned, 1);
    map(streamed, 1);
    map(other, 1);
    map(parted, 1);
    ASSERT_EQ(kernel.table.size(), 2u);
    EXPECT_EQ(kernel.request.budget, 1u);
    EXPECT_EQ(kernel.table[0].budget, 3u);
    EXPECT_EQ(kernel.table[0].read_ahead, 0u);
    EXPECT_EQ(kernel.table[1].budget, PP_BUDGET_SHARE | 5000);
    EXPECT_EQ(kernel.table[1].read_ahead, 16u);
    EXPECT_EQ(kernel.table[1].action, PP_ACTION_NONE);
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
    EXPECT_EQ(kernel.table[0].end, grown + 32 * page);
    EXPECT_EQ(kernel.table[0].pages, 8u);
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
    EXPECT_EQ(kernel.table[0].pages, 4u);
    EXPECT_EQ(kernel.table[0].start, 0x50000000u);
    EXPECT_EQ(kernel.table[0].end, 0x50004000u);
}

unsigned expected_action(const fake::Page& p) {
    switch (p.fd) {
    case pinned:
        return PP_ACTION_PIN;
    case streamed:
        return PP_ACTION_STREAM;
    case parted:
        return p.offset < 2 * page ? PP_ACTION_PIN : p.offset >= 9 * page ? PP_ACTION_STREAM : 0;
    default:
        return 0;
    }
}

// Any sequence of calls: the kernel side knows exactly the pages it should, at every step.
TEST_F(Core, RandomWalk) {
    constexpr std::uint64_t base = 0x10000000, space = 96;
    for (unsigned seed = 1; seed <= 30; ++seed) {
        std::mt19937 random(seed);
        auto address = [&] { return at(base + random() % space * page); };
        auto length = [&] { return (1 + random() % 16) * page; };
        for (int step = 0; step < 600; ++step) {
            const int fd = std::array{pinned, streamed, other, parted}[random() % 4];
            const auto offset = static_cast<std::int64_t>(random() % 14 * page);
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
            std::map<std::uint64_t, unsigned> expected, seen;
            for (const auto& [a, p] : kernel.pages)
                if (const unsigned action = expected_action(p))
                    expected[a] = action;
            for (const pp_range& r : kernel.table) {
                std::uint64_t backed = 0;
                for (std::uint64_t a = r.start; a < r.end; a += page) {
                    const fake::Page& p = kernel.pages[a];
                    seen[a] = r.action;
                    backed += p.offset < kernel.files[p.fd].size;
                    EXPECT_FALSE(r.action == PP_ACTION_PIN && p.advice == MADV_RANDOM);
                }
                EXPECT_EQ(r.pages, backed);
            }
            ASSERT_EQ(seen, expected) << "seed " << seed << " step " << step;
        }
        kernel.fail_mmap = kernel.fail_munmap = kernel.fail_mremap = 0;
        core::unmap(at(base), 4096 * page);
        ASSERT_TRUE(kernel.table.empty());
    }
}

} // namespace
