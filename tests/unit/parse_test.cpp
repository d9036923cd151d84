// SPDX-License-Identifier: Apache-2.0
//
// Each kind of error in a policy file: its position, its key, what is said (in full:
// document_test.cpp). What a right file turns into is in values_test.cpp.
#include "policy.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pagepatrol;

namespace {

constexpr const char* home = "/home/u";

struct Case {
    const char* text;
    ErrorKind kind;
    unsigned line, column;
    const char* key;
    const char* message; // part of the whole text
};

class ParseError : public testing::TestWithParam<Case> {};

TEST_P(ParseError, KindPositionAndText) {
    const Case& c = GetParam();
    const auto policy = parse_policy(c.text, "p.toml", home);
    ASSERT_FALSE(policy);
    ASSERT_EQ(policy.errors.size(), 1u) << c.text << to_string(policy.errors[0]);
    const Error& e = policy.errors[0];
    EXPECT_EQ(e.kind, c.kind) << to_string(e);
    EXPECT_EQ(e.line, c.line) << to_string(e);
    EXPECT_EQ(e.column, c.column) << to_string(e);
    EXPECT_EQ(e.key, c.key);
    EXPECT_NE(to_string(e).find(c.message), std::string::npos) << to_string(e);
    EXPECT_EQ(to_string(e).rfind("p.toml:", 0), 0u);
}

#define RULE "schema = 1\n[[rule]]\n"
#define RIGHT RULE "path = \"/a\"\naction = \"pin\"\n"
INSTANTIATE_TEST_SUITE_P(
    Table, ParseError,
    testing::Values(
        Case{"schema = \n", ErrorKind::syntax, 1, 10, "", "no value"},
        Case{"", ErrorKind::missing_key, 1, 1, "schema", "schema = 1"},
        Case{"schema = \"1\"", ErrorKind::wrong_type, 1, 10, "schema", "a string"},
        Case{"schema = 1.0", ErrorKind::wrong_type, 1, 10, "schema", "floating-point"},
        Case{"schema = 2", ErrorKind::bad_value, 1, 10, "schema", "newer"},
        Case{"schema = 1\nrules = 3", ErrorKind::unknown_key, 2, 1, "rules",
             "did you mean \"rule\"?"},
        Case{"schema = 1\n[rule]\npath=\"/a\"\naction=\"pin\"", ErrorKind::wrong_type, 2, 1, "rule",
             "[[rule]]"},
        Case{"schema = 1\nrule = [1]", ErrorKind::wrong_type, 2, 9, "rule[1]", "an integer"},
        Case{RULE "action = \"pin\"\n", ErrorKind::missing_key, 2, 1, "rule[1].path",
             "missing key"},
        Case{RULE "path = \"/a\"\n", ErrorKind::missing_key, 2, 1, "rule[1].action", "stream"},
        Case{RULE "path = \"/a\"\naction = \"pinn\"", ErrorKind::bad_value, 4, 10, "rule[1].action",
             "did you mean \"pin\"?"},
        Case{RULE "path = \"/a\"\naction = 1", ErrorKind::wrong_type, 4, 10, "rule[1].action",
             "an integer"},
        Case{RULE "path = 3\naction = \"pin\"", ErrorKind::wrong_type, 3, 8, "rule[1].path",
             "glob"},
        Case{RULE "path = []\naction = \"pin\"", ErrorKind::bad_value, 3, 8, "rule[1].path",
             "empty array"},
        Case{RULE "path = [\"/a\", 3]\naction = \"pin\"", ErrorKind::wrong_type, 3, 15,
             "rule[1].path", "an integer"},
        Case{RULE "path = \"/a[b\"\naction = \"pin\"", ErrorKind::bad_value, 3, 11, "rule[1].path",
             "'[' is never closed"},
        Case{RULE "path = [\"/a\",\n  '/b/{c']\naction = \"pin\"", ErrorKind::bad_value, 4, 7,
             "rule[1].path", "'{' is never closed"},
        Case{RULE "path = \"/\xc3\xa4/{c\"\naction = \"pin\"", ErrorKind::bad_value, 3, 12,
             "rule[1].path", "'{' is never closed"},
        Case{RULE "path = \"\\u002fa[\"\naction = \"pin\"", ErrorKind::bad_value, 3, 8,
             "rule[1].path", "'[' is never closed"}, // escapes: the start of the string
        Case{RULE "path = \"data/x\"\naction = \"pin\"", ErrorKind::bad_value, 3, 9, "rule[1].path",
             "HINT: write \"**/data/x\""},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nexclude = [\"/a}\"]", ErrorKind::bad_value, 5,
             15, "rule[1].exclude", "'}'"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nmin_size = \"64kb\"", ErrorKind::bad_value, 5,
             15, "rule[1].min_size", "did you mean \"64KiB\"?"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nmin_size = \"64\"", ErrorKind::bad_value, 5, 15,
             "rule[1].min_size", "without quotes"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nmin_size = \"big\"", ErrorKind::bad_value, 5,
             12, "rule[1].min_size", "64KiB"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nmax_size = -1", ErrorKind::bad_value, 5, 12,
             "rule[1].max_size", "negative"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nmax_size = true", ErrorKind::wrong_type, 5, 12,
             "rule[1].max_size", "a boolean"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nmax_size = \"99999999999999999999GiB\"",
             ErrorKind::bad_value, 5, 12, "rule[1].max_size", "too large"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nmin_size = 2\nmax_size = 1",
             ErrorKind::bad_value, 6, 12, "rule[1].max_size", "below min_size"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nname = 7", ErrorKind::wrong_type, 5, 8,
             "rule[1].name", "a string"},
        Case{RULE "path = \"/a\"\nactoin = \"pin\"\naction = \"pin\"", ErrorKind::unknown_key, 4, 1,
             "rule[1].actoin", "did you mean \"action\"?"},
        Case{"schema = 1\nbudget = 4095", ErrorKind::bad_value, 2, 10, "budget", "4096"},
        Case{"schema = 1\nbudget = \"0%\"", ErrorKind::bad_value, 2, 10, "budget", "0.01%"},
        Case{"schema = 1\nbudget = \"100.01%\"", ErrorKind::bad_value, 2, 10, "budget",
             "more than the whole"},
        Case{"schema = 1\nbudget = \"99999999999999999999%\"", ErrorKind::bad_value, 2, 10,
             "budget", "more than the whole"},
        Case{"schema = 1\nbudget = \"1.234%\"", ErrorKind::bad_value, 2, 12, "budget",
             "two decimals"},
        Case{"schema = 1\nbudget = \"-1%\"", ErrorKind::bad_value, 2, 10, "budget", "negative"},
        Case{"schema = 1\nbudget = \"5.%\"", ErrorKind::bad_value, 2, 12, "budget", "bad unit"},
        Case{"schema = 1\nbudget = \"%\"", ErrorKind::bad_value, 2, 10, "budget", "bad size"},
        Case{"schema = 1\nbudget = true", ErrorKind::wrong_type, 2, 10, "budget", "a boolean"},
        Case{"schema = 1\napp = 1", ErrorKind::wrong_type, 2, 7, "app", "a table"},
        Case{"schema = 1\n[[defaults]]", ErrorKind::wrong_type, 2, 1, "defaults", "one bracket"},
        Case{"schema = 1\n[app]\nname = \"x\"", ErrorKind::unknown_key, 3, 1, "app.name",
             "one of: program"},
        Case{"schema = 1\n[app]\nprogram = []", ErrorKind::bad_value, 3, 11, "app.program",
             "empty array"},
        Case{"schema = 1\n[app]\nprogram = [\"a\", \"/b[\"]", ErrorKind::bad_value, 3, 20,
             "app.program", "never closed"},
        Case{"schema = 1\n[app]\narguments = 1", ErrorKind::wrong_type, 3, 13, "app.arguments",
             "glob"},
        Case{"schema = 1\n[app]\ninherit = 1", ErrorKind::wrong_type, 3, 11, "app.inherit",
             "true or false"},
        Case{"schema = 1\n[defaults]\nrange = { offset = 1 }", ErrorKind::unknown_key, 3, 1,
             "defaults.range", "each rule says its own"},
        Case{"schema = 1\n[defaults]\nmin_size = 2\nmax_size = 1", ErrorKind::bad_value, 4, 12,
             "defaults.max_size", "below min_size"},
        Case{"schema = 1\n[defaults]\nmax_size = 1\n[[rule]]\npath = \"/a\"\naction = \"pin\"\n"
             "min_size = 2",
             ErrorKind::bad_value, 7, 12, "rule[1].min_size", "above max_size of [defaults]"},
        Case{RIGHT "prot = []", ErrorKind::bad_value, 5, 8, "rule[1].prot", "empty array"},
        Case{RIGHT "prot = 1", ErrorKind::wrong_type, 5, 8, "rule[1].prot", "read, write or exec"},
        Case{RIGHT "prot = \"!\"", ErrorKind::bad_value, 5, 10, "rule[1].prot", "unknown"},
        Case{RIGHT "prot = \"!exce\"", ErrorKind::bad_value, 5, 10, "rule[1].prot",
             "did you mean \"exec\"?"},
        Case{RIGHT "prot = \"\"", ErrorKind::bad_value, 5, 8, "rule[1].prot", "unknown"},
        Case{RIGHT "prot = [\"!read\", \"read\"]", ErrorKind::bad_value, 5, 18, "rule[1].prot",
             "one of the two"},
        Case{RIGHT "mapping = true", ErrorKind::wrong_type, 5, 11, "rule[1].mapping", "shared"},
        Case{RIGHT "mapping = [\"shared\"]", ErrorKind::wrong_type, 5, 11, "rule[1].mapping",
             "an array"},
        Case{RIGHT "filesystem = [\"xfs\", \"btfrs\"]", ErrorKind::bad_value, 5, 22,
             "rule[1].filesystem", "did you mean \"btrfs\"?"},
        Case{RIGHT "filesystem = 61267", ErrorKind::wrong_type, 5, 14, "rule[1].filesystem",
             "the name"},
        Case{RIGHT "filesystem = []", ErrorKind::bad_value, 5, 14, "rule[1].filesystem",
             "empty array"},
        Case{RIGHT "range = { ofset = 1, offset = 2 }", ErrorKind::unknown_key, 5, 11,
             "rule[1].range.ofset", "did you mean \"offset\"?"},
        Case{RIGHT "range = { offset = 1.5 }", ErrorKind::wrong_type, 5, 20, "rule[1].range.offset",
             "floating-point"},
        Case{RIGHT "range = { length = -1 }", ErrorKind::bad_value, 5, 20, "rule[1].range.length",
             "negative"},
        Case{RIGHT "range = { length = \"0%\" }", ErrorKind::bad_value, 5, 20,
             "rule[1].range.length", "an empty part"},
        Case{RIGHT "range = { offset = \"-101%\" }", ErrorKind::bad_value, 5, 20,
             "rule[1].range.offset", "more than the whole"},
        Case{RIGHT "range = { offset = \"--1KiB\" }", ErrorKind::bad_value, 5, 20,
             "rule[1].range.offset", "bad size"},
        Case{RIGHT "range = { offset = \"8388608TiB\" }", ErrorKind::bad_value, 5, 20,
             "rule[1].range.offset", "too large"},
        Case{RIGHT "read_ahead = true", ErrorKind::wrong_type, 5, 14, "rule[1].read_ahead",
             "\"off\""},
        Case{RIGHT "read_ahead = 0", ErrorKind::bad_value, 5, 14, "rule[1].read_ahead",
             "\"off\" for none"},
        Case{RIGHT "read_ahead = \"256MiB\"", ErrorKind::bad_value, 5, 14, "rule[1].read_ahead",
             "255MiB"},
        Case{RIGHT "read_ahead = \"10%\"", ErrorKind::bad_value, 5, 14, "rule[1].read_ahead",
             "255MiB"},
        Case{RIGHT "read_ahead = \"\"", ErrorKind::bad_value, 5, 14, "rule[1].read_ahead",
             "\"default\""},
        Case{RIGHT "budget = \"1GB\"", ErrorKind::bad_value, 5, 12, "rule[1].budget",
             "did you mean \"1GiB\"?"},
        Case{RULE "path = \"/a\"\naction = \"unpin\"\nbudget = \"1GiB\"", ErrorKind::bad_value, 5,
             10, "rule[1].budget", "keeps no pages"},
        Case{RIGHT "madvise = \"passs\"", ErrorKind::bad_value, 5, 11, "rule[1].madvise",
             "did you mean \"pass\"?"},
        Case{RIGHT "madvise = { cold = 1 }", ErrorKind::wrong_type, 5, 20, "rule[1].madvise.cold",
             "read-ahead-off"},
        Case{RIGHT "min_size = \"1TB\"", ErrorKind::bad_value, 5, 14, "rule[1].min_size",
             "did you mean \"1TiB\"?"},
        Case{RIGHT "min_size = \"1.5GiB\"", ErrorKind::bad_value, 5, 14, "rule[1].min_size",
             "smaller unit"},
        Case{RULE "path = [\"/a\",\n  \"/b/../c\"]\naction = \"pin\"", ErrorKind::bad_value, 4, 7,
             "rule[1].path", "can never match"},
        Case{RIGHT "name = \"a\"\n  name = \"b\"", ErrorKind::syntax, 6, 3, "", "a second time"},
        Case{RIGHT "prot = [\"read\", !write]", ErrorKind::syntax, 5, 17, "", "write \"!write\""},
        Case{"schema = 1\r\n[[rule\r\n", ErrorKind::syntax, 2, 7, "", "closing bracket"},
        Case{"\xff", ErrorKind::syntax, 1, 1, "", "UTF-8"},
        Case{RULE "path = \"/a\"\naction = \"pin\"\nqwertz = 1", ErrorKind::unknown_key, 5, 1,
             "rule[1].qwertz", "one of: name, path"}));

TEST(Parse, AllErrorsAtOnceInOrder) {
    const auto policy =
        parse_policy("schema = 9\nfoo = 1\n[[rule]]\npath = \"x\"\naction = \"hold\"\n"
                     "[[rule]]\naction = \"pin\"\nmin_size = \"1TB\"\n",
                     "p.toml", home);
    ASSERT_FALSE(policy);
    std::string positions;
    for (const Error& e : policy.errors)
        positions += std::to_string(e.line) + ":" + std::to_string(e.column) + " ";
    EXPECT_EQ(positions, "1:10 2:1 4:9 5:10 6:1 8:14 ");
}

TEST(Parse, WholeRule) {
    const auto policy = parse_policy(
        "schema = 1\n[[rule]]\nname = \"n\"\npath = [\"/a/*\", \"~/b\"]\nexclude = \"/a/x\"\n"
        "min_size = \"64 KiB\"\nmax_size = \"2GiB\"\naction = \"deactivate\"\n[[rule]]\npath = "
        "\"**\"\n"
        "action = \"none\"\n",
        "p.toml", home);
    ASSERT_TRUE(policy) << to_string(policy.errors[0]);
    ASSERT_EQ(policy.value->rules.size(), 2u);
    const Rule& r = policy.value->rules[0];
    EXPECT_EQ(r.name, "n");
    EXPECT_EQ(r.min_size, 65536u);
    EXPECT_EQ(r.max_size, 2ull << 30);
    EXPECT_EQ(r.action, Action::deactivate);
    EXPECT_EQ(r.number, 1);
    EXPECT_EQ(r.line, 2u);

    auto number = [&](const char* path, std::uint64_t size) {
        Segment s[max_segments];
        const Rule* m = match(*policy.value, {path, size}, s) ? s[0].rule : nullptr;
        return m ? m->number : 0;
    };
    EXPECT_EQ(number("/a/f", 65536), 1);
    EXPECT_EQ(number("/a/f", 65535), 2); // too small: the next rule
    EXPECT_EQ(number("/a/f", (2ull << 30) + 1), 2);
    EXPECT_EQ(number("/a/x", 65536), 2); // excluded
    EXPECT_EQ(number("/home/u/b", 1 << 20), 1);
}

TEST(Parse, NoRulesIsAPolicyThatMatchesNothing) {
    const auto policy = parse_policy("schema = 1\n", "p.toml", home);
    ASSERT_TRUE(policy);
    Segment s[max_segments];
    EXPECT_EQ(match(*policy.value, {"/a", 1}, s), 0u);
}

TEST(Parse, Limits) {
    const std::string rule = "[[rule]]\npath = \"/a\"\naction = \"pin\"\n";
    std::string rules = "schema = 1\n";
    for (int i = 0; i < 257; ++i)
        rules += rule;
    const auto many = parse_policy(rules, "p.toml", home);
    ASSERT_FALSE(many);
    EXPECT_EQ(many.errors[0].kind, ErrorKind::bad_value);
    EXPECT_EQ(many.errors[0].line, 2u + 3 * 256);
    rules.resize(rules.size() - rule.size());
    EXPECT_TRUE(parse_policy(rules, "p.toml", home));

    const auto large = parse_policy(std::string(max_policy_bytes + 1, '#'), "p.toml", home);
    ASSERT_FALSE(large);
    EXPECT_EQ(large.errors[0].kind, ErrorKind::too_large);
    EXPECT_NE(to_string(large.errors[0]).find("p.toml: larger than 1 MiB"), std::string::npos);
}

TEST(Parse, GroupsInAGlob) {
    std::string glob = "/a";
    for (int i = 0; i < 64; ++i)
        glob += "{}";
    const std::string head = "schema = 1\n[[rule]]\naction = \"pin\"\npath = \"";
    EXPECT_TRUE(parse_policy(head + glob + "\"\n", "p.toml", ""));
    const auto policy = parse_policy(head + glob + "{b}\"\n", "p.toml", "");
    ASSERT_EQ(policy.errors.size(), 1u);
    EXPECT_EQ(to_string(policy.errors[0]),
              "p.toml:4:139: rule[1].path: bad glob \"" + glob +
                  "{b}\": more than 64 groups {...}; expected fewer. HINT: use '*' or several rules");
}

TEST(Parse, GlobsInAll) {
    const std::string rule = "[[rule]]\naction = \"pin\"\npath = \"/a\"\n";
    const std::string wide = "\"/" + std::string(3000, 'a') + "{,}{,}{,}{,}{,}{,}{,}{,}\"";
    std::string text = "schema = 1\n[defaults]\nexclude = " + wide + "\n";
    for (int i = 0; i < 4; ++i)
        text += rule;
    EXPECT_TRUE(parse_policy(text, "p.toml", ""));
    text += rule;
    text += rule;
    auto policy = parse_policy(text, "p.toml", "");
    ASSERT_EQ(policy.errors.size(), 1u);
    EXPECT_EQ(policy.errors[0].what,
              "the policy's globs take more than 4 MiB with all braces multiplied out");
    EXPECT_EQ(policy.errors[0].key, "rule[5].exclude");
    text = "schema = 1\n";
    for (int i = 0; i < 100; ++i)
        text += "[[rule]]\naction = \"pin\"\npath = " + wide + "\n";
    policy = parse_policy(text, "p.toml", "");
    ASSERT_EQ(policy.errors.size(), 1u);
    EXPECT_EQ(policy.errors[0].key, "rule[6].path");
}

TEST(Load, WhatIsNotAPolicyFile) {
    char folder[] = "/tmp/pagepatrol-parse-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    const std::string base = folder;
    auto kind = [](const std::string& file) { return load_policy(file, home).errors.at(0).kind; };
    EXPECT_EQ(kind(base + "/missing"), ErrorKind::unreadable);
    EXPECT_EQ(kind(base), ErrorKind::unreadable);
    ASSERT_EQ(mkfifo((base + "/fifo").c_str(), 0600), 0);
    EXPECT_EQ(kind(base + "/fifo"), ErrorKind::unreadable); // and does not hang
    std::ofstream(base + "/large") << std::string(max_policy_bytes + 1, '#');
    EXPECT_EQ(kind(base + "/large"), ErrorKind::too_large);
    std::ofstream(base + "/right") << "schema = 1\n";
    EXPECT_TRUE(load_policy(base + "/right", home));
    std::filesystem::remove_all(base);
}

// Every policy that is shipped has to be right.
TEST(Load, ShippedPolicies) {
    unsigned files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(POLICIES_FOLDER)) {
        if (entry.path().extension() != ".toml")
            continue;
        const auto policy = load_policy(entry.path(), home);
        for (const Error& e : policy.errors)
            ADD_FAILURE() << to_string(e);
        if (policy) {
            EXPECT_FALSE(policy.value->rules.empty()) << entry.path();
        }
        ++files;
    }
    EXPECT_GE(files, 17u);
}

} // namespace
