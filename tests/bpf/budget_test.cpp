// SPDX-License-Identifier: Apache-2.0
// Budgets: what of a table may be kept, who gets it first, who said no, and that a user
// is charged for that and nothing else, whatever happens at the same time.
#include "cgroup.hpp"
#include "child.hpp"
#include "door.hpp"
#include "kernel_side.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <memory>
#include <thread>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "maps.h"

namespace pagepatrol::test {
namespace {

/// `nr` neighbours of `pages` each; rules as given.
struct Layout {
    uint32_t nr, pages;
    uint16_t rule[4];
    uint32_t budget[4];
    uint32_t of_process;
    uint8_t action;
};

struct Answer {
    int64_t result;
    uint64_t asked, granted;
    uint32_t limited_by;
};
Answer last;

int64_t upload_layout(const Layout& layout) {
    pp_range ranges[4];
    for (uint32_t i = 0; i < layout.nr; ++i) {
        const uint64_t start = nowhere + i * uint64_t(layout.pages) * page;
        ranges[i] =
            make_range(start, start + layout.pages * page, i + 1, layout.action, 0, layout.rule[i]);
        ranges[i].budget = layout.budget[i];
    }
    pp_request request = request_for(ranges, layout.nr);
    request.budget = layout.of_process;
    last.result = ask(request);
    last = {last.result, request.asked, request.granted, request.limited_by};
    return last.result;
}

std::vector<uint64_t> kept(pid_t pid) {
    std::vector<uint64_t> pages;
    if (const auto process = table_of(pid))
        for (const auto& range : process->ranges)
            pages.push_back(range.keep_pages);
    return pages;
}

using Pages = std::vector<uint64_t>;

class Budget : public Loaded {
  protected:
    void expect(const Layout& layout, uint64_t asked, const Pages& keep, uint32_t limited_by) {
        ASSERT_EQ(child_.run([=] { return upload_layout(layout); }), 0);
        EXPECT_EQ(child_.run([] { return last.asked; }), int64_t(asked));
        uint64_t granted = 0;
        for (const uint64_t pages : keep)
            granted += pages;
        EXPECT_EQ(child_.run([] { return last.granted; }), int64_t(granted));
        EXPECT_EQ(child_.run([] { return last.limited_by; }), limited_by);
        EXPECT_EQ(kept(child_.pid()), keep);
        EXPECT_EQ(table_of(child_.pid())->kept_pages, granted);
        EXPECT_EQ(charged().kept, int64_t(granted));
    }
    void TearDown() override {
        child_.end();
        Loaded::TearDown();
    }
    Child child_{nobody};
};

TEST_F(Budget, OfARuleIsForAllItsRanges) {
    expect({3, 100, {1, 2, 1}, {150, 0, 150}, 0, PP_ACTION_PIN}, 300, {100, 100, 50},
           PP_LIMITED_RULE);
    expect({3, 100, {1, 2, 1}, {200, 0, 200}, 0, PP_ACTION_PIN}, 300, {100, 100, 100},
           PP_LIMITED_NO);
    // nothing is something else than no budget
    expect({2, 100, {1, 2}, {PP_BUDGET_SHARE, 0}, 0, PP_ACTION_ACTIVATE}, 200, {0, 100},
           PP_LIMITED_RULE);
    // rules that no policy has share a place
    expect({2, 100, {600, 65535}, {150, 150}, 0, PP_ACTION_PIN}, 200, {100, 50}, PP_LIMITED_RULE);
    expect({3, 100, {1, 2, 1}, {1, 1, 1}, 1, PP_ACTION_STREAM}, 0, {0, 0, 0}, PP_LIMITED_NO);
}

TEST_F(Budget, OfAProcessGoesByTheOrderOfRules) {
    expect({4, 100, {3, 2, 0, 2}, {}, 250, PP_ACTION_PIN}, 400, {0, 100, 100, 50},
           PP_LIMITED_PROCESS);
    // the first that limits is told
    expect({4, 100, {3, 2, 0, 2}, {0, 120, 0, 120}, 250, PP_ACTION_PIN}, 400, {30, 100, 100, 20},
           PP_LIMITED_RULE);
    expect({4, 100, {3, 2, 0, 2}, {}, 400, PP_ACTION_PIN}, 400, {100, 100, 100, 100},
           PP_LIMITED_NO);
}

TEST_F(Budget, AsAShareIsOfTheMemoryLimit) {
    Cgroup group(8 << 20); // 2048 pages
    group.add(child_.pid());
    expect({2, 1000, {1, 2}, {PP_BUDGET_SHARE | 1250, 0}, 0, PP_ACTION_PIN}, 2000, {256, 1000},
           PP_LIMITED_RULE);
    expect({1, 2000, {1}, {}, PP_BUDGET_SHARE | 5000, PP_ACTION_PIN}, 2000, {1024},
           PP_LIMITED_PROCESS);
    // the administrator's 75 % hold as well
    expect({1, 2000, {1}, {}, PP_BUDGET_SHARE | 10000, PP_ACTION_PIN}, 2000, {1536},
           PP_LIMITED_PROCESS);
    child_.end(); // before its cgroup
}

TEST_F(Budget, IsForWhatTheFileBacks) {
    // all of the range fits: all of it is kept, for when the file grows
    EXPECT_EQ(child_.run([] {
        pp_range range = make_range(nowhere, nowhere + 1000 * page, 1, PP_ACTION_PIN);
        range.pages = 10;
        pp_request request = request_for(&range, 1);
        request.budget = 1000;
        const int64_t result = ask(request);
        return result ? result : int64_t(request.asked * 100 + request.granted);
    }),
              1010);
    EXPECT_EQ(kept(child_.pid()), Pages{1000});
    EXPECT_EQ(charged().kept, 10);
    EXPECT_EQ(child_.run([] {
        pp_range range = make_range(nowhere, nowhere + 1000000 * page, 1, PP_ACTION_PIN);
        range.pages = 10;
        pp_request request = request_for(&range, 1);
        request.budget = 9;
        return ask(request);
    }),
              0);
    EXPECT_EQ(kept(child_.pid()), Pages{9});
}

/// What the ranges' files back is the caller's word, which may be a lie: `says` pages each.
int64_t upload_lies(uint32_t says, uint32_t of_process, uint32_t of_rule) {
    pp_range ranges[3];
    for (uint32_t i = 0; i < 3; ++i) {
        const uint64_t start = nowhere + i * 1000000 * page;
        ranges[i] = make_range(start, start + 1000000 * page, i + 1,
                               i == 1 ? PP_ACTION_ACTIVATE : PP_ACTION_PIN);
        ranges[i].pages = says;
        ranges[i].budget = of_rule;
    }
    pp_request request = request_for(ranges, 3);
    request.budget = of_process;
    const int64_t result = ask(request);
    return result ? result : int64_t(request.asked * 10000 + request.granted);
}

TEST_F(Budget, IsNotEvadedByALie) {
    Cgroup group(8 << 20); // 2048 pages, 1536 of them may be kept
    group.add(child_.pid());
    EXPECT_EQ(child_.run([] { return upload_lies(0, 0, 0); }), 0);
    EXPECT_EQ(kept(child_.pid()), (Pages{1536, 0, 0})) << "room to grow, up to the limit";
    EXPECT_EQ(child_.run([] { return upload_lies(10, 0, 0); }), 300030);
    EXPECT_EQ(kept(child_.pid()), (Pages{1516, 10, 10}));
    EXPECT_EQ(child_.run([] { return upload_lies(10, 100, 0); }), 300030);
    EXPECT_EQ(kept(child_.pid()), (Pages{80, 10, 10}));
    EXPECT_EQ(child_.run([] { return upload_lies(10, 0, 25); }), 300025);
    EXPECT_EQ(kept(child_.pid()), (Pages{10, 10, 5}));
    EXPECT_EQ(child_.run([] { return upload_lies(0, 0, 25); }), 0);
    EXPECT_EQ(kept(child_.pid()), (Pages{0, 0, 0}));
    child_.end(); // before its cgroup
}

class BudgetOfUser : public Loaded {
    LoadOptions wanted() const override {
        LoadOptions limited = options();
        limited.kept_pages_per_user = 1000;
        return limited;
    }
};

constexpr Layout asks_for(uint32_t pages) {
    return {1, pages, {1}, {}, 0, PP_ACTION_PIN};
}

TEST_F(BudgetOfUser, IsWhatHisProcessesKeepTogether) {
    EXPECT_EQ(look().limits.kept_pages_per_user, 1000u);
    Child first(nobody), second(nobody), other(somebody);
    ASSERT_EQ(first.run([] { return upload_layout(asks_for(700)); }), 0);
    EXPECT_EQ(first.run([] { return last.limited_by; }), PP_LIMITED_NO);
    ASSERT_EQ(second.run([] { return upload_layout(asks_for(700)); }), 0);
    EXPECT_EQ(second.run([] { return last.granted; }), 300);
    EXPECT_EQ(second.run([] { return last.limited_by; }), PP_LIMITED_USER);
    EXPECT_EQ(kept(second.pid()), Pages{300});
    ASSERT_EQ(other.run([] { return upload_layout(asks_for(700)); }), 0);
    EXPECT_EQ(other.run([] { return last.granted; }), 700);
    const Status now = look();
    ASSERT_EQ(now.users.size(), 2u);
    EXPECT_EQ(now.users[0].uid, somebody);
    EXPECT_EQ(now.users[0].kept_pages, 700);
    EXPECT_EQ(now.users[1].kept_pages, 1000);
    EXPECT_EQ(now.users[1].processes, 2);

    // again: no worse; less: for the other; refused: nothing changes
    ASSERT_EQ(second.run([] { return upload_layout(asks_for(700)); }), 0);
    EXPECT_EQ(second.run([] { return last.granted; }), 300);
    ASSERT_EQ(first.run([] { return upload_layout(asks_for(100)); }), 0);
    ASSERT_EQ(second.run([] { return upload_layout(asks_for(2000)); }), 0);
    EXPECT_EQ(second.run([] { return last.granted; }), 900);
    EXPECT_EQ(first.run([] { return upload_one(nowhere, page, 77); }), -EINVAL);
    EXPECT_EQ(charged().kept, 1000 + 700);
    // nor does it help to say that a file is small
    ASSERT_EQ(first.run([] { return upload_lies(0, 0, 0); }), 0);
    EXPECT_EQ(kept(first.pid()), (Pages{0, 0, 0}));
    ASSERT_EQ(first.run([] { return upload_layout(asks_for(100)); }), 0);
    // exit gives back
    second.end(SIGKILL);
    EXPECT_TRUE(eventually([] { return charged().kept == 100 + 700; }));
    ASSERT_EQ(first.run([] { return upload_layout(asks_for(1000)); }), 0);
    EXPECT_EQ(first.run([] { return last.granted; }), 1000);
    // so does growing into a large table, and emptying it
    ASSERT_EQ(first.run([] { return upload_row(PP_SMALL_RANGES + 6, PP_ACTION_PIN); }), 0);
    EXPECT_EQ(charged().kept, PP_SMALL_RANGES + 6 + 700);
    ASSERT_EQ(first.run([] { return upload_row(0); }), 0);
    EXPECT_EQ(charged().kept, 700);
}

TEST_F(BudgetOfUser, IsForHisUserNamespacesToo) {
    Child outside(nobody), inside(nobody);
    ASSERT_EQ(outside.run([] { return upload_layout(asks_for(700)); }), 0);
    // the door was found before: in there he is nobody
    ASSERT_EQ(inside.run([] { return door() < 0 || unshare(CLONE_NEWUSER); }), 0);
    ASSERT_EQ(inside.run([] { return upload_layout(asks_for(700)); }), 0);
    EXPECT_EQ(inside.run([] { return last.granted; }), 300);
    const Status now = look();
    ASSERT_EQ(now.users.size(), 1u);
    EXPECT_EQ(now.users[0].uid, nobody);
    EXPECT_EQ(now.users[0].kept_pages, 1000);

    // another user in there, mapped by root: the namespace's owner pays
    Child other(nobody), first(nobody);
    ASSERT_EQ(other.run([] { return door() < 0 || unshare(CLONE_NEWUSER); }), 0);
    const std::string proc = "/proc/" + std::to_string(other.pid());
    std::ofstream(proc + "/uid_map") << "0 65534 1\n1 100000 1\n";
    ASSERT_EQ(other.run([] { return setresuid(1, 1, 1); }), 0);
    ASSERT_EQ(first.run([] { return upload_layout(asks_for(0x10)); }), 0);
    ASSERT_EQ(other.run([] { return upload_layout(asks_for(700)); }), 0);
    EXPECT_EQ(other.run([] { return last.granted; }), 0);
    EXPECT_EQ(look().users.size(), 1u);
}

pid_t forked;

TEST_F(BudgetOfUser, IsChargedForTheCopyOfAFork) {
    const auto fork_idle = [] {
        forked = fork();
        if (forked == 0)
            for (;;)
                pause();
        return forked;
    };
    const auto end_it = [] { return kill(forked, SIGKILL) || waitpid(forked, nullptr, 0) < 0; };
    Child child(nobody);
    ASSERT_EQ(child.run([] { return upload_layout(asks_for(500)); }), 0);
    const auto fits = pid_t(child.run(fork_idle));
    EXPECT_EQ(charged().kept, 1000);
    EXPECT_EQ(table_of(fits)->kept_pages, 500u);
    EXPECT_EQ(child.run(end_it), 0);
    EXPECT_TRUE(eventually([] { return charged().kept == 500; }));

    ASSERT_EQ(child.run([] { return upload_layout(asks_for(501)); }), 0);
    const auto too_much = pid_t(child.run(fork_idle));
    ASSERT_TRUE(table_of(too_much)) << "its ranges are there";
    EXPECT_EQ(table_of(too_much)->kept_pages, 0u) << "but it keeps nothing with them";
    EXPECT_EQ(charged().kept, 501);
    EXPECT_EQ(child.run(end_it), 0);
    EXPECT_EQ(charged().kept, 501);
}

/// Threads and processes that ask for more and for less all the time.
int64_t ask_at_random() {
    std::vector<std::thread> threads;
    std::atomic<int64_t> wrong = 0;
    door();
    for (unsigned t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
            unsigned random = t + unsigned(getpid());
            for (int i = 0; i < 300; ++i) {
                random = random * 1103515245 + 12345;
                const uint32_t nr = random >> 16 & 1 ? 1 : PP_SMALL_RANGES + 1;
                pp_range ranges[PP_SMALL_RANGES + 1];
                for (uint32_t j = 0; j < nr; ++j)
                    ranges[j] = make_range(nowhere + j * 512 * page, nowhere + (j + 1) * 512 * page,
                                           j + 1, PP_ACTION_PIN);
                ranges[0].pages = random >> 20 & 511;
                const int64_t result = upload(ranges, nr);
                if (result && result != -EAGAIN)
                    wrong = result;
            }
        });
    for (auto& thread : threads)
        thread.join();
    return wrong;
}

TEST_F(BudgetOfUser, IsExactWhateverHappensAtOnce) {
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 4; ++i)
        children.push_back(std::make_unique<Child>(nobody));
    for (auto& child : children)
        child->start(ask_at_random);
    for (auto& child : children)
        EXPECT_EQ(child->result(), 0);
    uint64_t kept_by_tables = 0;
    for (const auto& process : look().processes)
        kept_by_tables += process.kept_pages;
    EXPECT_EQ(charged().kept, int64_t(kept_by_tables));
    EXPECT_LE(charged().kept, 1000);
    children.pop_back();
    EXPECT_GE(charged().kept, 0); // what is left is looked at by TearDown()
}

} // namespace
} // namespace pagepatrol::test
