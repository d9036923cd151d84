// SPDX-License-Identifier: Apache-2.0
//
// The way to the kernel side when it is missing, comes back, is busy or refuses;
// and when the program plays with descriptors.
#include "fake_sys.hpp"
#include "log.hpp"
#include "pages.hpp"
#include "push.hpp"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>

using namespace pagepatrol;
using fake::kernel;

namespace {

const pp_range two[] = {{0x1000, 0x2000, 1, 1, 0, 1, 0, PP_ACTION_PIN, 0, {}},
                        {0x8000, 0x9000, 2, 1, 0, 1, 0, PP_ACTION_PIN, 0, {}}};

std::uint64_t clock_ms = 1'000'000;

class Push : public testing::Test {
  protected:
    void SetUp() override {
        fake::reset(); // descriptors of an earlier test are gone: found out by the next call
        kernel.files[0].wanted = true;
        for (std::uint64_t a = 0; a < 0x20000; a += fake::page)
            kernel.pages[a] = {0, 0};
        kernel.files[0].size = 1;
        kernel.now = clock_ms += 1'000'000;
        EXPECT_EQ(push::table(two, 1, 0x1000, 0x2000), 0);
        kernel.events.clear();
        kernel.opens = kernel.closes = 0;
    }
    static std::string last() { return kernel.events.empty() ? "" : kernel.events.back(); }
};

TEST_F(Push, KeepsTheDoorOpenOnAHighNumber) {
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(kernel.opens, 0u);
    EXPECT_EQ(last(), "push 0x8000-0x9000 [2]");
    ASSERT_EQ(kernel.programs.size(), 1u);
    EXPECT_GE(kernel.programs.begin()->first, 512);
}

TEST_F(Push, ReopensWhenTheProgramClosedIt) {
    kernel.programs.clear();
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(kernel.opens, 1u);
    EXPECT_EQ(last(), "push 0x1000-0x9000 [2]"); // a new door is told everything
}

TEST_F(Push, NeverClosesWhatIsNotItsOwn) {
    const int fd = kernel.programs.begin()->first;
    for (const bool runs : {false, true}) { // another file; another program that does run
        kernel.foreign_program = runs;
        kernel.programs = {{fd, 99}};
        kernel.closes = 0;
        EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
        EXPECT_TRUE(kernel.programs.count(fd)) << "closed somebody else's descriptor";
        kernel.programs.erase(fd);
    }
}

TEST_F(Push, ADoorThatTakesNoRequestIsLetGo) {
    kernel.now += 1000;
    const push::Quiet quiet;
    kernel.run_error = -EINVAL; // it wants a larger one, say
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), -EINVAL);
    EXPECT_EQ(kernel.opens, 1u) << "once a second";
    EXPECT_TRUE(kernel.programs.empty()) << "descriptors are left";
    kernel.run_error = 0;
    kernel.now += 1000;
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(last(), "push 0x1000-0x9000 [2]");
}

TEST_F(Push, NoBpfUnderAFilterThatKillsForIt) {
    const push::Quiet quiet;
    for (const auto verdict : {sandbox::Verdict::kills, sandbox::Verdict::unknown}) {
        kernel.now += 1000;
        kernel.sandbox = verdict;
        kernel.programs.clear(); // the door has to be opened
        kernel.opens = kernel.test_runs = 0;
        EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), -EPERM);
        EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), -EPERM);
        EXPECT_EQ(kernel.opens, 0u);
        EXPECT_LE(kernel.test_runs, 1u) << "only what found the door closed";
    }
}

TEST_F(Push, BusyIsTriedAgain) {
    kernel.results = {-EAGAIN, -EAGAIN, -EAGAIN};
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(kernel.output, "");
}

TEST_F(Push, LoadedAnew) {
    kernel.results = {-ENODEV};
    kernel.now += 1000; // the door was opened just now
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(kernel.opens, 1u);
    EXPECT_EQ(last(), "push 0x1000-0x9000 [2]");
    EXPECT_EQ(kernel.programs.size(), 1u);
}

TEST_F(Push, UnloadedAndBackLater) {
    kernel.now += 1000;
    kernel.results = {-ENODEV};
    kernel.open_error = -ENOENT;
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), -ENOENT);
    EXPECT_TRUE(kernel.programs.empty()) << "the door to an unloaded PagePatrol has to be let go";
    for (int i = 0; i < 100; ++i)
        EXPECT_LT(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(kernel.opens, 1u) << "once a second";
    EXPECT_NE(kernel.output.find("not loaded"), std::string::npos) << kernel.output;
    EXPECT_EQ(std::count(kernel.output.begin(), kernel.output.end(), '\n'), 1);
    kernel.open_error = 0;
    kernel.now += 1000;
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(last(), "push 0x1000-0x9000 [2]");
}

TEST_F(Push, WhatWasRefusedIsMadeUpFor) {
    kernel.results = {-ENOMEM};
    EXPECT_EQ(push::table(two, 1, 0x1000, 0x2000), -ENOMEM);
    EXPECT_NE(kernel.output.find("refused"), std::string::npos);
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(last(), "push 0x1000-0x9000 [2]");
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(last(), "push 0x8000-0x9000 [2]");
}

TEST_F(Push, Budget) {
    EXPECT_EQ(budget_of({}, 4096), 0u);
    EXPECT_EQ(budget_of({1, 0}, 4096), 1u);
    EXPECT_EQ(budget_of({8191, 0}, 4096), 1u);
    EXPECT_EQ(budget_of({UINT64_MAX, 0}, 4096), PP_BUDGET_SHARE - 1);
    EXPECT_EQ(budget_of({0, 7500}, 4096), PP_BUDGET_SHARE | 7500);
    EXPECT_EQ(budget_of({1, 99999}, 4096), PP_BUDGET_SHARE | PP_BUDGET_WHOLE);
    push::set_budget(77, 4096);
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(kernel.request.budget, 77u);
    push::set_budget(0, 4096);
}

TEST_F(Push, UsersLimitIsSaidOnceOthersIfAsked) {
    kernel.asked = 400 * 256;
    kernel.granted = 72 * 256;
    kernel.limited_by = PP_LIMITED_PROCESS;
    push::table(two, 2, 0x8000, 0x9000);
    EXPECT_EQ(kernel.output, "");
    log::verbose = true;
    push::table(two, 2, 0x8000, 0x9000);
    push::table(two, 2, 0x8000, 0x9000);
    log::verbose = false;
    EXPECT_EQ(kernel.output, "pagepatrol: of 400 MiB to keep 72 MiB fit the process's budget\n");
    kernel.output.clear();
    kernel.limited_by = PP_LIMITED_USER;
    {
        push::Quiet quiet;
        push::table(two, 2, 0x8000, 0x9000);
    }
    push::table(two, 2, 0x8000, 0x9000);
    push::table(two, 2, 0x8000, 0x9000);
    EXPECT_EQ(kernel.output,
              "pagepatrol: of 400 MiB to keep 72 MiB fit this user's limit of kept memory; the "
              "rest follows the kernel's default. HINT: /etc/pagepatrol/limits.toml\n");
}

TEST_F(Push, ActsOnce) {
    EXPECT_EQ(push::act(PP_ACTION_DEACTIVATE, 0x3000, 0x5000), 0);
    EXPECT_EQ(last(), "act 3 0x3000-0x5000");
    kernel.results = {-EOPNOTSUPP};
    EXPECT_EQ(push::act(PP_ACTION_ACTIVATE, 0x3000, 0x5000), -EOPNOTSUPP);
    EXPECT_EQ(kernel.output, "") << "who called gets the error";
    kernel.programs.clear(); // a door opened for this knows no table yet
    EXPECT_EQ(push::act(PP_ACTION_DEACTIVATE, 0x3000, 0x5000), 0);
    EXPECT_EQ(push::table(two, 2, 0x8000, 0x9000), 0);
    EXPECT_EQ(last(), "push 0x1000-0x9000 [2]");
}

} // namespace
