// SPDX-License-Identifier: Apache-2.0
//
// What each key of a right policy turns into, and how defaults are taken.
#include "policy.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

using namespace pagepatrol;

namespace {

constexpr const char* home = "/home/u";

Policy right(const std::string& text) {
    auto policy = parse_policy("schema = 1\n" + text, "p.toml", home);
    for (const Error& error : policy.errors)
        ADD_FAILURE() << to_string(error) << "\n" << text;
    return policy ? std::move(*policy.value) : Policy{};
}

Rule right_rule(const std::string& keys) {
    const Policy policy = right("[[rule]]\npath = \"/a\"\naction = \"pin\"\n" + keys);
    return policy.rules.empty() ? Rule{} : policy.rules[0];
}

TEST(Values, App) {
    const Policy none = right("");
    EXPECT_TRUE(none.app.program.empty() && none.app.name.empty() && none.app.arguments.empty());
    EXPECT_TRUE(none.app.inherit);
    EXPECT_FALSE(none.budget.given());
    const Policy policy = right("budget = \"60%\"\n[app]\nprogram = [\"rg\", \"/opt/*\", \"a*\"]\n"
                                "arguments = \"--x=*\"\ninherit = false\n");
    ASSERT_EQ(policy.app.name.size(), 2u);
    EXPECT_EQ(policy.app.name[1].text(), "a*");
    ASSERT_EQ(policy.app.program.size(), 1u);
    EXPECT_EQ(policy.app.program[0].text(), "/opt/*");
    ASSERT_EQ(policy.app.arguments.size(), 1u);
    EXPECT_FALSE(policy.app.inherit);
    EXPECT_EQ(policy.budget.share, 6000u);
    EXPECT_EQ(policy.budget.bytes, 0u);
}

TEST(Values, Amounts) {
    const auto budget = [](const char* text) {
        return right_rule(std::string("budget = ") + text).budget;
    };
    EXPECT_EQ(budget("4096").bytes, 4096u);
    EXPECT_EQ(budget("\"2GiB\"").bytes, 2ull << 30);
    EXPECT_EQ(budget("\"1 TiB\"").bytes, 1ull << 40);
    EXPECT_EQ(budget("\"50%\"").share, 5000u);
    EXPECT_EQ(budget("\"0.5%\"").share, 50u);
    EXPECT_EQ(budget("\"0.01%\"").share, 1u);
    EXPECT_EQ(budget("\"12.34 %\"").share, 1234u);
    EXPECT_EQ(budget("\"100%\"").share, 10000u);
    EXPECT_EQ(budget("\"100.00%\"").share, 10000u);
    EXPECT_FALSE(right_rule("").budget.given());
}

TEST(Values, Range) {
    const auto offset = [](const char* text) {
        return right_rule(std::string("range = { offset = ") + text + " }").offset;
    };
    EXPECT_EQ(offset("-5").bytes, -5);
    EXPECT_EQ(offset("\"-64MiB\"").bytes, -(64 << 20));
    EXPECT_EQ(offset("\"25%\"").share, 2500);
    EXPECT_EQ(offset("\"-10%\"").share, -1000);
    EXPECT_EQ(offset("0").bytes, 0);
    EXPECT_EQ(offset("-9223372036854775808").bytes, INT64_MIN);
    EXPECT_FALSE(right_rule("range = { offset = 1 }").length);
    EXPECT_EQ(right_rule("range = { length = \"1KiB\" }").length->bytes, 1024);
    EXPECT_EQ(right_rule("range = { length = \"0.5%\" }").length->share, 50);
    EXPECT_EQ(right_rule("[rule.range]\noffset = 3").offset.bytes, 3); // the other way to write it
    std::uint64_t start, end; // the largest of the negative ones is no overflow
    EXPECT_TRUE(part_of(right_rule("range = { offset = -9223372036854775808 }"), 10, start, end));
    EXPECT_EQ(start, 0u);
}

TEST(Values, Conditions) {
    const Rule r = right_rule("prot = [\"read\", \"!write\", \"!exec\"]\nmapping = \"private\"\n"
                              "filesystem = [\"ext4\", \"cifs\", \"zfs\"]\n");
    EXPECT_EQ(r.prot_with, PROT_READ);
    EXPECT_EQ(r.prot_without, PROT_WRITE | PROT_EXEC);
    ASSERT_TRUE(r.shared);
    EXPECT_FALSE(*r.shared);
    EXPECT_EQ(r.filesystems, (std::vector<std::uint32_t>{0xef53, 0xff534d42, 0x2fc12fc1}));
    EXPECT_FALSE(right_rule("").shared);
}

TEST(Values, ReadAheadAndAdvice) {
    EXPECT_EQ(right_rule("").read_ahead, kernels_read_ahead);
    EXPECT_EQ(right_rule("read_ahead = \"default\"").read_ahead, kernels_read_ahead);
    EXPECT_EQ(right_rule("read_ahead = \"off\"").read_ahead, 0u);
    EXPECT_EQ(right_rule("read_ahead = \"4KiB\"").read_ahead, 4096u);
    EXPECT_EQ(right_rule("read_ahead = \"255MiB\"").read_ahead, 255u << 20);
    for (const OnAdvice outcome : right_rule("").advice)
        EXPECT_EQ(outcome, OnAdvice::by_action);
    for (const OnAdvice outcome : right_rule("madvise = \"ignore\"").advice)
        EXPECT_EQ(outcome, OnAdvice::ignore);
    const Rule r = right_rule("madvise = { random = \"read-ahead-off\", pageout = \"evict\" }");
    EXPECT_EQ(r.advice[static_cast<int>(Advice::random)], OnAdvice::read_ahead_off);
    EXPECT_EQ(r.advice[static_cast<int>(Advice::pageout)], OnAdvice::evict);
    EXPECT_EQ(r.advice[static_cast<int>(Advice::cold)], OnAdvice::by_action);
}

TEST(Values, EveryAction) {
    for (const Action action : {Action::none, Action::pin, Action::activate, Action::deactivate,
                                Action::stream, Action::evict, Action::prefetch, Action::unpin}) {
        const std::string word(to_string(action));
        const Policy policy = right("[[rule]]\npath = \"/a\"\naction = \"" + word + "\"\n");
        ASSERT_EQ(policy.rules.size(), 1u);
        EXPECT_EQ(policy.rules[0].action, action);
    }
}

TEST(Defaults, AreTakenWhole) {
    const Policy policy = right("[defaults]\naction = \"pin\"\nexclude = [\"/x\", \"/y\"]\n"
                                "prot = \"read\"\nfilesystem = \"xfs\"\nbudget = \"1GiB\"\n"
                                "madvise = { cold = \"ignore\" }\nmin_size = 5\n"
                                "[[rule]]\npath = \"/a\"\n"
                                "[[rule]]\npath = \"/b\"\naction = \"stream\"\nexclude = \"/z\"\n"
                                "prot = \"!write\"\nmadvise = { random = \"pass\" }\n"
                                "[[rule]]\npath = \"/c\"\nexclude = []\nprot = []\n"
                                "filesystem = []\nmadvise = {}\nmin_size = 0\n");
    ASSERT_EQ(policy.rules.size(), 3u);
    const Rule &first = policy.rules[0], &second = policy.rules[1], &third = policy.rules[2];
    EXPECT_EQ(first.action, Action::pin);
    EXPECT_EQ(first.exclude.size(), 2u);
    EXPECT_EQ(first.budget.bytes, 1u << 30);
    EXPECT_EQ(first.min_size, 5u);
    EXPECT_EQ(second.exclude.size(), 1u);
    EXPECT_EQ(second.prot_with, 0);
    EXPECT_EQ(second.prot_without, PROT_WRITE);
    EXPECT_EQ(second.filesystems.size(), 1u);
    EXPECT_FALSE(second.budget.given()); // it keeps nothing
    EXPECT_EQ(second.advice[static_cast<int>(Advice::cold)], OnAdvice::by_action);
    EXPECT_EQ(third.action, Action::pin);
    EXPECT_TRUE(third.exclude.empty() && third.filesystems.empty());
    EXPECT_EQ(third.prot_with, 0);
    EXPECT_EQ(third.advice[static_cast<int>(Advice::cold)], OnAdvice::by_action);
    EXPECT_EQ(third.min_size, 0u);
}

TEST(Defaults, AnErrorIsToldOnce) {
    const auto policy = parse_policy("schema = 1\n[defaults]\naction = \"pim\"\nbudget = 1\n"
                                     "[[rule]]\npath = \"/a\"\n[[rule]]\npath = \"/b\"\n",
                                     "p.toml", home);
    EXPECT_EQ(policy.errors.size(), 2u);
}

} // namespace
