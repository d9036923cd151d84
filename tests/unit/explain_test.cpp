// SPDX-License-Identifier: Apache-2.0
//
// The sentences of ppctl check --explain, one for each reason; that they agree with
// match(); and what is warned about.
#include "explain.hpp"

#include <gtest/gtest.h>
#include <random>
#include <sys/mman.h>

using namespace pagepatrol;

namespace {

Policy policy_of(const std::string& text) {
    auto policy = parse_policy("schema = 1\n" + text, "p.toml", "/home/u");
    for (const Error& error : policy.errors)
        ADD_FAILURE() << to_string(error);
    return policy ? std::move(*policy.value) : Policy{};
}

std::string rule(const std::string& keys, const char* path = "/a/**") {
    return std::string("[[rule]]\npath = \"") + path + "\"\naction = \"pin\"\n" + keys + "\n";
}

// What is said of the last rule.
std::string last(const std::string& rules, const MappedFile& file) {
    const Policy policy = policy_of(rules);
    return explain(policy, file).verdicts.back().why;
}

TEST(Explain, EveryReason) {
    EXPECT_EQ(last(rule(""), {"/b", 1}), "no: path does not match");
    EXPECT_EQ(last(rule("exclude = [\"/x\", \"**/*.lock\"]"), {"/a/b.lock", 1}),
              "no: excluded by \"**/*.lock\"");
    EXPECT_EQ(last(rule("min_size = \"4KiB\""), {"/a/b", 10}),
              "no: smaller than min_size (10 < 4096 bytes)");
    EXPECT_EQ(last(rule("max_size = 9"), {"/a/b", 10}), "no: larger than max_size (10 > 9 bytes)");
    EXPECT_EQ(last(rule("prot = [\"write\", \"exec\"]"), {"/a/b", 10}),
              "no: prot: the mapping lacks write, exec");
    EXPECT_EQ(last(rule("prot = \"!read\""), {"/a/b", 10}), "no: prot: the mapping has read");
    EXPECT_EQ(last(rule("mapping = \"private\""), {"/a/b", 10}), "no: mapping: it is shared");
    EXPECT_EQ(
        last(rule("filesystem = \"xfs\""), {.path = "/a/b", .size = 10, .filesystem = 0xef53}),
        "no: filesystem: the file is on ext4");
    EXPECT_EQ(
        last(rule("filesystem = \"xfs\""), {.path = "/a/b", .size = 10, .filesystem = 0x12345678}),
        "no: filesystem: the file is on 0x12345678");
    EXPECT_EQ(last(rule("range = { length = \"1%\" }"), {"/a/b", 10}),
              "no: its range is empty in a file of this size");
}

TEST(Explain, WhoHasIt) {
    EXPECT_EQ(last(rule(""), {"/a/b", 1}), "has the whole file");
    EXPECT_EQ(last(rule("") + rule(""), {"/a/b", 1}), "no: rule 1 has that part already");
    EXPECT_EQ(last(rule("range = { length = 10 }") + rule(""), {"/a/b", 1}),
              "has bytes 10 to the end");
    EXPECT_EQ(last(rule("range = { offset = 5, length = 10 }") + rule(""), {"/a/b", 1}),
              "has bytes 0 to 5, bytes 15 to the end");
    EXPECT_EQ(last(rule("range = { length = 10 }") + rule("range = { offset = 10 }") +
                       rule("range = { offset = 5, length = 10 }"),
                   {"/a/b", 1}),
              "no: rules 1 and 2 have that part already");
    std::string rules;
    for (int i = 0; i < 8; ++i)
        rules += rule("range = { offset = " + std::to_string(20 * i) + ", length = 10 }");
    EXPECT_EQ(last(rules + rule("range = { offset = 10, length = 5 }"), {"/a/b", 1}),
              "no: the file is in 8 parts already, more are not made");
    EXPECT_EQ(last(rules + rule("range = { length = 5 }"), {"/a/b", 1}),
              "no: rule 1 has that part already");
}

// Whatever the rules and the file: a reason is given if and only if match() gave nothing.
TEST(Explain, AgreesWithMatch) {
    std::mt19937 random(2);
    constexpr const char* conditions[] = {"",
                                          "exclude = \"**/x\"",
                                          "min_size = 5",
                                          "max_size = 5",
                                          "prot = \"write\"",
                                          "prot = \"!write\"",
                                          "mapping = \"private\"",
                                          "filesystem = \"xfs\"",
                                          "range = { offset = 3, length = 4 }",
                                          "range = { offset = -3 }",
                                          "range = { length = \"10%\" }"};
    for (int round = 0; round < 2000; ++round) {
        std::string rules;
        for (unsigned n = 1 + random() % 6; n > 0; --n)
            rules +=
                rule(conditions[random() % std::size(conditions)], random() % 4 ? "**" : "/a/y");
        const Policy policy = policy_of(rules);
        const MappedFile file{.path = random() % 2 ? "/a/x" : "/a/y",
                              .size = random() % 12,
                              .prot = PROT_READ | (random() % 2 ? PROT_WRITE : 0),
                              .shared = random() % 2 == 0,
                              .filesystem = random() % 2 ? 0x58465342u : 0xef53u};
        const Explanation all = explain(policy, file);
        ASSERT_EQ(all.verdicts.size(), policy.rules.size());
        for (const Verdict& verdict : all.verdicts) {
            bool has = false;
            for (std::size_t i = 0; i < all.count; ++i)
                has |= all.segments[i].rule == verdict.rule;
            ASSERT_EQ(verdict.wins, has);
            ASSERT_EQ(verdict.why.substr(0, 4) == "has ", has) << verdict.why;
            if (!matches(*verdict.rule, file)) {
                ASSERT_EQ(verdict.why.find("already"), std::string::npos) << verdict.why;
            }
        }
    }
}

TEST(Explain, Words) {
    EXPECT_EQ(part_text(0, UINT64_MAX), "the whole file");
    EXPECT_EQ(part_text(1, UINT64_MAX), "bytes 1 to the end");
    EXPECT_EQ(part_text(0, 2), "bytes 0 to 2");
    Rule rule;
    rule.number = 3;
    EXPECT_EQ(rule_text(rule), "rule 3");
    rule.name = "x";
    EXPECT_EQ(rule_text(rule), "rule 3 (x)");
}

TEST(Warnings, RulesThatAreNeverAsked) {
    EXPECT_TRUE(warnings(policy_of(rule("", "/a") + rule("", "**"))).empty());
    const auto found = warnings(policy_of(rule("", "**") + rule("", "/a") + rule("", "/b")));
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].key, "rule[2]");
    EXPECT_EQ(found[0].line, 6u);
    EXPECT_NE(found[0].what.find("rule 1 in line 2 takes every file"), std::string::npos);
    for (const char* condition :
         {"exclude = \"/x\"", "min_size = 1", "max_size = 1", "prot = \"read\"",
          "mapping = \"shared\"", "filesystem = \"xfs\"", "range = { offset = 1 }",
          "range = { offset = \"1%\" }", "range = { length = 1 }"})
        EXPECT_TRUE(warnings(policy_of(rule(condition, "**") + rule(""))).empty()) << condition;
}

TEST(Warnings, NothingToDo) {
    EXPECT_EQ(warnings(policy_of("")).size(), 1u);
    EXPECT_EQ(warnings(policy_of(rule("exclude = \"**\""))).at(0).key, "rule[1].exclude");
}

} // namespace
