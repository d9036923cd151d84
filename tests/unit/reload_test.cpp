// SPDX-License-Identifier: Apache-2.0
//
// The policy file changes under a running program: when that is noticed, and what
// becomes of what is mapped. How a file is read is tests/shim's.
#include "core_fixture.hpp"

using namespace pagepatrol;

namespace {

const Policy* next = nullptr; // what reading gives
unsigned reads = 0;
bool later = false;
unsigned owner_when_read = 0;
std::vector<const Policy*> released;

class Reload : public Core {
  protected:
    void SetUp() override {
        Core::SetUp();
        fake::File file;
        file.path = "/etc/policy.toml";
        file.size = 100;
        file.inode = 4242;
        kernel.files[99] = file;
        reads = 0;
        later = false;
        owner_when_read = 0;
        released.clear();
        core::Source source = {};
        source.file = "/etc/policy.toml";
        source.seen.st_dev = 3;
        source.seen.st_ino = 4242;
        source.seen.st_size = 100;
        source.seen.st_mtim.tv_sec = 1;
        source.read = [](struct ::stat& seen, bool& wait) noexcept {
            ++reads;
            wait = later;
            seen.st_uid = owner_when_read;
            return next;
        };
        source.release = [](const Policy* p) noexcept { released.push_back(p); };
        core::start(&policy(), page, &source);
        kernel.now += 1000;
    }
    void TearDown() override {
        Core::TearDown();
        core::start(nullptr, page);
    }
    // The file changes; it is looked at.
    static void change(const Policy* to) {
        next = to;
        ++kernel.files[99].mtime;
        kernel.now += 1000;
        map(other, 1);
    }
};

TEST_F(Reload, LooksOnceASecond) {
    kernel.stats = 0;
    for (int i = 0; i < 10; ++i)
        map(other, 1);
    EXPECT_EQ(kernel.stats, 1u);
    kernel.now += 999;
    map(other, 1);
    EXPECT_EQ(kernel.stats, 1u);
    kernel.now += 1;
    map(other, 1);
    EXPECT_EQ(kernel.stats, 2u);
    EXPECT_EQ(reads, 0u) << "nothing has changed";
}

TEST_F(Reload, EverythingMappedIsAskedAboutAnew) {
    const auto a = map(pinned, 4), b = map(streamed, 4), c = map(other, 4), d = map(parted, 12);
    core::advise(at(a), 4 * page, MADV_RANDOM);
    core::advise(at(c), 4 * page, MADV_RANDOM);
    const auto id = kernel.table[0].id;
    static Policy p = policy_of({rule("/data/hot", Action::pin), rule("/data/other", Action::pin),
                                 rule("/data/parts", Action::evict)});
    p.budget.bytes = 7 * page;
    kernel.files[other].wanted = true;
    kernel.events.clear();
    change(&p);
    EXPECT_EQ(reads, 1u);
    EXPECT_EQ(released, std::vector<const Policy*>{&policy()});
    ASSERT_EQ(kernel.table.size(), 4u); // and the mapping that came by
    EXPECT_EQ(kernel.table[0].start, a);
    EXPECT_EQ(kernel.table[0].id, id) << "what stays what it was keeps its id";
    EXPECT_EQ(kernel.table[0].flags, PP_RANGE_NO_READAHEAD);
    EXPECT_EQ(kernel.table[1].start, c);
    EXPECT_EQ(kernel.table[1].action, PP_ACTION_PIN);
    EXPECT_EQ(kernel.pages[c].advice, MADV_NORMAL) << "it would undo the pin";
    EXPECT_EQ(kernel.table[2].start, d);
    EXPECT_EQ(kernel.table[2].end, d + 12 * page);
    EXPECT_EQ(kernel.table[2].action, PP_ACTION_EVICT);
    EXPECT_EQ(kernel.request.budget, 7u);
    char expected[64]; // one push for all, the range that went included
    snprintf(expected, sizeof expected, "push %#lx-%#lx [4]", a,
             static_cast<unsigned long>(kernel.table[3].end));
    EXPECT_EQ(kernel.count(expected), 1u);
    core::unmap(at(b), 4 * page);
    static const Policy none;
    change(&none);
    EXPECT_TRUE(kernel.table.empty());
    EXPECT_EQ(released.size(), 2u);
}

TEST_F(Reload, BrokenFileLeavesThePolicy) {
    map(pinned, 4);
    change(nullptr);
    EXPECT_EQ(reads, 1u);
    EXPECT_TRUE(released.empty());
    EXPECT_EQ(kernel.table.size(), 1u);
    kernel.now += 5000;
    map(other, 1);
    EXPECT_EQ(reads, 1u) << "read once, said once";
    kernel.files.erase(99); // an editor replaces it
    kernel.now += 5000;
    map(other, 1);
    EXPECT_EQ(kernel.table.size(), 1u);
}

TEST_F(Reload, WhatPassesIsTriedAgain) {
    map(pinned, 4);
    later = true;
    change(nullptr);
    kernel.now += 999;
    map(other, 1);
    EXPECT_EQ(reads, 1u);
    kernel.now += 1;
    map(other, 1);
    EXPECT_EQ(reads, 2u);
    later = false;
    static const Policy none;
    next = &none;
    kernel.now += 1000;
    map(other, 1);
    EXPECT_EQ(reads, 3u);
    EXPECT_TRUE(kernel.table.empty());
    kernel.now += 1000;
    map(other, 1);
    EXPECT_EQ(reads, 3u);
}

TEST_F(Reload, NotInAnotherRoot) {
    kernel.root = 77;
    change(nullptr);
    EXPECT_EQ(reads, 0u);
    kernel.root = 2;
    kernel.now += 1000;
    map(other, 1);
    EXPECT_EQ(reads, 1u) << "it has not been lost";
}

TEST_F(Reload, NotAnotherUsersFile) {
    map(pinned, 4);
    static const Policy none;
    kernel.files[99].owner = 33;
    change(&none);
    EXPECT_EQ(reads, 0u);
    kernel.files[99].owner = 0;
    kernel.files[99].device = 4;
    change(&none);
    EXPECT_EQ(reads, 0u);
    kernel.files[99].device = 3;
    owner_when_read = 33; // replaced between the look and the reading
    change(&none);
    EXPECT_EQ(reads, 1u);
    EXPECT_EQ(released, std::vector<const Policy*>{&none});
    EXPECT_EQ(kernel.table.size(), 1u);
    owner_when_read = 0;
    change(&none);
    EXPECT_TRUE(kernel.table.empty());
}

TEST_F(Reload, WithoutProcNothingChanges) {
    const auto a = map(pinned, 4);
    const auto b = map(parted, 12);
    const auto table = kernel.table;
    static const Policy p = policy_of({rule("/data/*", Action::stream)});
    kernel.files[other].wanted = true;
    for (const bool open : {true, false}) {
        (open ? kernel.fail_open : kernel.fail_read) = open ? -EMFILE : -EIO;
        kernel.events.clear();
        change(&p);
        EXPECT_EQ(kernel.count("push"), 0u);
        EXPECT_EQ(released, std::vector<const Policy*>{&p});
        released.clear();
    }
    core::unmap(at(b), page); // the old policy's ranges are still there, and pushed whole
    ASSERT_EQ(kernel.table.size(), table.size());
    EXPECT_EQ(kernel.table[0].id, table[0].id);
    EXPECT_EQ(kernel.table[0].action, PP_ACTION_PIN);
    kernel.now += 1000;
    map(other, 1);
    EXPECT_EQ(released, std::vector<const Policy*>{&policy()}) << "tried again";
    EXPECT_EQ(kernel.table[0].start, a);
    EXPECT_EQ(kernel.table[0].action, PP_ACTION_STREAM);
}

TEST_F(Reload, DeletedFilesAreStillKnown) {
    const auto a = map(pinned, 4);
    kernel.files[pinned].links = 0;
    static const Policy p = policy_of({rule("/data/hot", Action::stream)});
    change(&p);
    ASSERT_EQ(kernel.table.size(), 1u);
    EXPECT_EQ(kernel.table[0].start, a);
    EXPECT_EQ(kernel.table[0].action, PP_ACTION_STREAM);
    EXPECT_EQ(kernel.table[0].pages, 4u);
}

TEST_F(Reload, WhatTheProgramKeepsStaysUnlessUnpinned) {
    const auto a = map(other, 8);
    EXPECT_EQ(core::pin(at(a + 2 * page), 2 * page), 0);
    const auto id = kernel.table[0].id;
    static const Policy p = policy_of({rule("/data/oth*", Action::stream)});
    kernel.files[other].wanted = true;
    kernel.files[98] = kernel.files[other];
    kernel.files[98].path = "/data/unrelated";
    kernel.files[98].inode = 777;
    next = &p;
    ++kernel.files[99].mtime;
    kernel.now += 1000;
    map(98, 1);
    ASSERT_EQ(kernel.table.size(), 3u);
    EXPECT_EQ(kernel.table[0].action, PP_ACTION_STREAM);
    EXPECT_EQ(kernel.table[1].action, PP_ACTION_PIN);
    EXPECT_EQ(kernel.table[1].id, id);
    EXPECT_EQ(kernel.table[2].action, PP_ACTION_STREAM);
    static const Policy q = policy_of({rule("/data/oth*", Action::unpin)});
    next = &q;
    ++kernel.files[99].mtime;
    kernel.now += 1000;
    map(98, 1);
    EXPECT_TRUE(kernel.table.empty());
}

// Whatever is mapped, after a change the table is what the new policy says of it.
TEST_F(Reload, RandomWalk) {
    static const Policy policies[] = {
        policy_of({rule("/data/*", Action::stream)}),
        policy_of(parts()),
        policy_of({rule("/data/{hot,other}", Action::pin), rule("/data/**", Action::evict)}),
    };
    kernel.files[other].wanted = true;
    const auto expected = [](const Policy& p, const fake::Page& q) {
        if (q.fd < 0)
            return unsigned(PP_ACTION_NONE);
        if (&p == &policies[0])
            return unsigned(PP_ACTION_STREAM);
        if (&p == &policies[2])
            return unsigned(q.fd == pinned || q.fd == other ? PP_ACTION_PIN : PP_ACTION_EVICT);
        if (q.fd != parted)
            return unsigned(PP_ACTION_NONE);
        return unsigned(q.offset < 2 * page    ? PP_ACTION_PIN
                        : q.offset >= 9 * page ? PP_ACTION_STREAM
                                               : PP_ACTION_NONE);
    };
    unsigned random = 1;
    const auto draw = [&random](unsigned n) {
        random = random * 1103515245u + 12345u;
        return (random >> 16) % n;
    };
    for (int step = 0; step < 400; ++step) {
        const int fd = std::array{pinned, streamed, other, parted}[draw(4)];
        void* address = at(0x10000000 + draw(64) * page);
        if (draw(4) == 0)
            core::unmap(address, (1 + draw(8)) * page);
        else
            core::map(address, (1 + draw(8)) * page, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
                      static_cast<std::int64_t>(draw(12) * page));
        const Policy& now = policies[draw(3)];
        change(&now);
        std::map<std::uint64_t, unsigned> is, should;
        for (const pp_range& r : kernel.table)
            for (std::uint64_t a = r.start; a < r.end; a += page)
                is[a] = r.action;
        for (const auto& [a, q] : kernel.pages)
            if (const unsigned action = expected(now, q))
                should[a] = action;
        ASSERT_EQ(is, should) << "step " << step;
    }
    core::unmap(at(0x10000000), 4096 * page);
}

} // namespace
