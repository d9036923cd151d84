// SPDX-License-Identifier: Apache-2.0
//
// How files are split among rules, against tables and against a model that asks
// for every byte; and for which programs a policy is.
#include "policy.hpp"

#include <gtest/gtest.h>
#include <random>
#include <sys/mman.h>

using namespace pagepatrol;

namespace {

constexpr std::uint64_t open_end = UINT64_MAX;

Policy policy_of(const std::string& text) {
    auto policy = parse_policy("schema = 1\n" + text, "p.toml", "/home/u");
    for (const Error& error : policy.errors)
        ADD_FAILURE() << to_string(error);
    return policy ? std::move(*policy.value) : Policy{};
}

std::string rule(const std::string& keys) {
    return "[[rule]]\npath = \"/a\"\naction = \"pin\"\n" + keys + "\n";
}

std::string range(const std::string& keys) {
    return rule("range = { " + keys + " }");
}

// "1:0-4096 2:4096-" for the rules' numbers and parts
std::string split(const Policy& policy, const MappedFile& file) {
    Segment segments[max_segments];
    const std::size_t n = match(policy, file, segments);
    std::string out;
    for (std::size_t i = 0; i < n; ++i)
        out += (i ? " " : "") + std::to_string(segments[i].rule->number) + ":" +
               std::to_string(segments[i].start) + "-" +
               (segments[i].end == open_end ? "" : std::to_string(segments[i].end));
    return out;
}

struct Case {
    std::string rules;
    std::uint64_t size;
    const char* parts;
};

class Parts : public testing::TestWithParam<Case> {};

TEST_P(Parts, Table) {
    const Case& c = GetParam();
    EXPECT_EQ(split(policy_of(c.rules), {"/a", c.size}), c.parts) << c.rules << c.size;
}

INSTANTIATE_TEST_SUITE_P(
    Table, Parts,
    testing::Values(
        // one rule
        Case{rule(""), 100, "1:0-"}, Case{rule(""), 0, "1:0-"},
        Case{range("offset = 10"), 100, "1:10-"}, Case{range("offset = 10"), 5, "1:10-"},
        Case{range("length = 10"), 100, "1:0-10"}, Case{range("length = 10"), 5, "1:0-10"},
        Case{range("length = 10"), 0, "1:0-10"},
        Case{range("offset = 10, length = 20"), 100, "1:10-30"},
        Case{range("offset = \"4KiB\", length = \"1 MiB\""), 100, "1:4096-1052672"},
        // from the end: clamped to the start
        Case{range("offset = -10"), 100, "1:90-"}, Case{range("offset = -10"), 10, "1:0-"},
        Case{range("offset = -10"), 5, "1:0-"}, Case{range("offset = -10"), 0, "1:0-"},
        Case{range("offset = \"-1KiB\", length = 24"), 2048, "1:1024-1048"},
        // shares, rounded down to bytes
        Case{range("offset = \"25%\""), 1000, "1:250-"}, Case{range("offset = \"25%\""), 3, "1:0-"},
        Case{range("offset = \"25%\""), 0, "1:0-"},
        Case{range("length = \"25%\""), 1000, "1:0-250"}, Case{range("length = \"25%\""), 0, ""},
        Case{range("length = \"25%\""), 3, ""}, Case{range("length = \"0.01%\""), 20000, "1:0-2"},
        Case{range("length = \"33.33%\""), 10000, "1:0-3333"},
        Case{range("offset = \"-10%\""), 1000, "1:900-"},
        Case{range("offset = \"-10%\""), 9, "1:9-"},
        Case{range("offset = \"-100%\""), 1000, "1:0-"},
        Case{range("offset = \"100%\""), 1000, "1:1000-"},
        Case{range("length = \"100%\""), 1000, "1:0-1000"},
        Case{range("offset = \"50%\", length = \"25%\""), 1000, "1:500-750"},
        Case{range("offset = \"0%\", length = 5"), 1000, "1:0-5"},
        // neighbours made of the same share leave no gap
        Case{range("length = \"30%\"") + range("offset = \"30%\""), 101, "1:0-30 2:30-"},
        // large: no overflow
        Case{range("length = \"99.99%\""), UINT64_MAX, "1:0-18444899399302180659"},
        Case{range("offset = 9223372036854775807, length = 9223372036854775807"), 1,
             "1:9223372036854775807-18446744073709551614"},
        Case{range("offset = \"100%\", length = 10"), UINT64_MAX - 3, "1:18446744073709551612-"},
        // the first one wins, byte by byte
        Case{rule("") + range("length = 10"), 100, "1:0-"},
        Case{range("length = 10") + rule(""), 100, "1:0-10 2:10-"},
        Case{range("offset = 10, length = 10") + rule(""), 100, "2:0-10 1:10-20 2:20-"},
        Case{range("offset = 10") + rule(""), 100, "2:0-10 1:10-"},
        Case{range("length = 20") + range("offset = 10, length = 20"), 100, "1:0-20 2:20-30"},
        Case{range("offset = 10, length = 20") + range("length = 20"), 100, "2:0-10 1:10-30"},
        Case{range("length = 20") + range("offset = 5, length = 10"), 100, "1:0-20"},
        Case{range("length = 20") + range("length = 20"), 100, "1:0-20"},
        Case{range("length = 20") + range("offset = 20, length = 5"), 100, "1:0-20 2:20-25"},
        Case{range("length = 4") + range("offset = 8, length = 4") +
                 range("offset = 16, length = 4") + rule(""),
             100, "1:0-4 4:4-8 2:8-12 4:12-16 3:16-20 4:20-"},
        // head and tail that meet in a small file
        Case{range("length = 64") + range("offset = -64") + rule(""), 1000,
             "1:0-64 3:64-936 2:936-"},
        Case{range("length = 64") + range("offset = -64") + rule(""), 100, "1:0-64 2:64-"},
        Case{range("length = 64") + range("offset = -64") + rule(""), 50, "1:0-64 2:64-"},
        // another file's rules and rules of other sizes have no part
        Case{"[[rule]]\npath = \"/b\"\naction = \"pin\"\n" + range("length = 9"), 100, "2:0-9"},
        Case{rule("min_size = 101") + range("length = 9"), 100, "2:0-9"}));

// Eight parts at most: those of the first rules that ask; what is left has no rule.
TEST(Match, NoMorePartsThanFit) {
    std::string rules;
    for (int i = 0; i < 9; ++i)
        rules += range("offset = " + std::to_string(i * 10) + ", length = 5");
    const std::string eight = "1:0-5 2:10-15 3:20-25 4:30-35 5:40-45 6:50-55 7:60-65 8:70-75";
    EXPECT_EQ(split(policy_of(rules), {"/a", 100}), eight);
    EXPECT_EQ(split(policy_of(rules + rule("")), {"/a", 100}), eight);
    // a rule that needs several parts gets those that are left, from the start
    rules.clear();
    for (int i = 0; i < 6; ++i)
        rules += range("offset = " + std::to_string(i * 10 + 5) + ", length = 5");
    EXPECT_EQ(split(policy_of(rules + rule("")), {"/a", 100}),
              "7:0-5 1:5-10 7:10-15 2:15-20 3:25-30 4:35-40 5:45-50 6:55-60");
}

// The same as asking byte by byte.
TEST(Match, AgreesWithAModel) {
    std::mt19937 random(1);
    for (int round = 0; round < 3000; ++round) {
        constexpr std::uint64_t most = 64;
        const std::uint64_t size = random() % 50;
        std::string rules;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> wanted;
        for (unsigned n = random() % 6; n > 0; --n) {
            const int offset = static_cast<int>(random() % 60) - 20;
            const unsigned length = random() % 20;
            rules += range("offset = " + std::to_string(offset) +
                           (length ? ", length = " + std::to_string(length) : ""));
            const std::uint64_t start =
                offset >= 0 ? offset : (size > static_cast<unsigned>(-offset) ? size + offset : 0);
            wanted.emplace_back(start, length ? start + length : most);
        }
        const Policy policy = policy_of(rules);
        Segment segments[max_segments];
        const std::size_t n = match(policy, {"/a", size}, segments);
        ASSERT_LE(n, max_segments);
        for (std::size_t i = 0; i < n; ++i) {
            ASSERT_LT(segments[i].start, segments[i].end);
            if (i) {
                ASSERT_GE(segments[i].start, segments[i - 1].end);
            }
        }
        if (n == max_segments)
            continue; // the rest has no rule
        for (std::uint64_t byte = 0; byte < most; ++byte) {
            unsigned expected = 0, got = 0;
            for (std::size_t i = wanted.size(); i > 0; --i)
                if (wanted[i - 1].first <= byte && byte < wanted[i - 1].second)
                    expected = static_cast<unsigned>(i);
            for (std::size_t i = 0; i < n; ++i)
                if (segments[i].start <= byte && byte < segments[i].end)
                    got = segments[i].rule->number;
            ASSERT_EQ(got, expected) << rules << "byte " << byte << " of " << size;
        }
    }
}

TEST(Match, SizesAreInclusive) {
    const Policy policy = policy_of(rule("min_size = 10\nmax_size = 20"));
    EXPECT_EQ(split(policy, {"/a", 9}), "");
    EXPECT_EQ(split(policy, {"/a", 10}), "1:0-");
    EXPECT_EQ(split(policy, {"/a", 20}), "1:0-");
    EXPECT_EQ(split(policy, {"/a", 21}), "");
}

TEST(Match, Protection) {
    const Policy policy =
        policy_of(rule("prot = [\"read\", \"!write\"]") + rule("prot = \"exec\""));
    const auto number = [&](int prot) {
        return split(policy, {.path = "/a", .size = 1, .prot = prot});
    };
    EXPECT_EQ(number(PROT_READ), "1:0-");
    EXPECT_EQ(number(PROT_READ | PROT_EXEC), "1:0-");
    EXPECT_EQ(number(PROT_READ | PROT_WRITE), "");
    EXPECT_EQ(number(PROT_READ | PROT_WRITE | PROT_EXEC), "2:0-");
    EXPECT_EQ(number(PROT_NONE), "");
}

TEST(Match, KindOfMapping) {
    const Policy policy = policy_of(rule("mapping = \"private\"") + rule("mapping = \"shared\""));
    EXPECT_EQ(split(policy, {.path = "/a", .size = 1, .shared = false}), "1:0-");
    EXPECT_EQ(split(policy, {.path = "/a", .size = 1, .shared = true}), "2:0-");
}

TEST(Match, Filesystem) {
    const Policy policy = policy_of(rule("filesystem = [\"xfs\", \"ext2\"]"));
    const auto number = [&](std::uint32_t filesystem) {
        return split(policy, {.path = "/a", .size = 1, .filesystem = filesystem});
    };
    EXPECT_EQ(number(0xef53), "1:0-");
    EXPECT_EQ(number(0x58465342), "1:0-");
    EXPECT_EQ(number(0x01021994), "");
    EXPECT_EQ(number(0), "1:0-"); // not known
}

TEST(Match, ExcludedByOneOfSeveral) {
    const Policy policy = policy_of("[[rule]]\npath = [\"/a/**\", \"/b/**\"]\n"
                                    "exclude = [\"**/x\", \"/b/y\"]\naction = \"pin\"\n");
    EXPECT_EQ(split(policy, {"/a/y", 1}), "1:0-");
    EXPECT_EQ(split(policy, {"/b/y", 1}), "");
    EXPECT_EQ(split(policy, {"/a/x", 1}), "");
    EXPECT_EQ(split(policy, {"/c", 1}), "");
}

bool asks(const char* app, const char* path, std::vector<const char*> arguments = {}) {
    return is_for(policy_of(std::string("[app]\n") + app), path, arguments.data(),
                  arguments.size());
}

TEST(IsFor, Program) {
    EXPECT_TRUE(asks("", "/usr/bin/rg"));
    EXPECT_TRUE(asks("program = \"rg\"", "/usr/bin/rg"));
    EXPECT_TRUE(asks("program = \"rg\"", "rg"));
    EXPECT_FALSE(asks("program = \"rg\"", "/usr/bin/rga"));
    EXPECT_FALSE(asks("program = \"rg\"", "/rg/bin"));
    EXPECT_FALSE(asks("program = \"rg\"", ""));
    EXPECT_TRUE(asks("program = \"{rg,grep}\"", "/bin/grep"));
    EXPECT_TRUE(asks("program = \"python3*\"", "/usr/bin/python3.11"));
    EXPECT_TRUE(asks("program = \"/opt/**\"", "/opt/x/rg"));
    EXPECT_FALSE(asks("program = \"/opt/**\"", "/usr/bin/rg"));
    EXPECT_TRUE(asks("program = \"~/bin/rg\"", "/home/u/bin/rg"));
    EXPECT_TRUE(asks("program = [\"/opt/**\", \"rg\"]", "/usr/bin/rg"));
    EXPECT_TRUE(asks("program = [\"/opt/**\", \"rg\"]", "/opt/y"));
    EXPECT_FALSE(asks("program = [\"/opt/**\", \"rg\"]", "/usr/bin/y"));
}

TEST(IsFor, EachGlobNeedsAnArgument) {
    constexpr const char* app = "arguments = [\"--serve\", \"--data=*\"]";
    EXPECT_TRUE(asks(app, "/x", {"--data=/a/b", "-v", "--serve"}));
    EXPECT_FALSE(asks(app, "/x", {"--serve"}));
    EXPECT_FALSE(asks(app, "/x", {}));
    EXPECT_TRUE(asks("arguments = \"*\"", "/x", {"a"}));
    EXPECT_FALSE(asks("arguments = \"*\"", "/x", {}));
    EXPECT_FALSE(asks("program = \"y\"\narguments = \"a\"", "/x", {"a"}));
}

} // namespace
