// SPDX-License-Identifier: Apache-2.0
//
// The parser runs inside other people's programs: no text, however broken or deep,
// may do harm. Deterministic, so that a failure comes again. All of it runs on a
// stack no larger than the shim has for it.
#include "policy.hpp"
#include "runtime.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <pthread.h>
#include <random>

using namespace pagepatrol;

namespace {

constexpr const char* home = "/home/u";

constexpr const char* everything = R"(schema = 1
budget = "60.5%"
[app]
program = ["rg", "/o/{a,b}/**"]
arguments = '--x=[a-z]*'
inherit = false
[defaults]
exclude = "**/*.lock" # c
madvise = { cold = "ignore", random = "read-ahead-off" }
[[rule]]
name = """a"""
path = ["/a/*",
 '~/b',]
min_size = "1 KiB"
max_size = 0x7fff
prot = ["read", "!write"]
mapping = "shared"
filesystem = ["xfs", "ext4"]
range = { offset = "-10%", length = 5 }
action = "pin"
budget = "1TiB"
read_ahead = "off"
[[rule]]
path = "\u002f**"
action = "none"
)";

// Any text gives a policy, or errors that can be told.
void survives(const std::string& text) {
    const auto policy = parse_policy(text, "p.toml", home);
    ASSERT_NE(policy.errors.empty(), !policy.value.has_value());
    const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
    for (const Error& error : policy.errors) {
        ASSERT_FALSE(error.what.empty() || error.expected.empty()) << to_string(error);
        ASSERT_LE(error.line, lines) << to_string(error);
    }
    if (policy) {
        Segment segments[max_segments];
        ASSERT_LE(match(*policy.value, {"/a/b", 5000}, segments), max_segments);
    }
}

TEST(Fuzz, EveryTruncation) {
    const std::string text = everything;
    ASSERT_TRUE(parse_policy(text, "p.toml", home));
    for (std::size_t n = 0; n <= text.size(); ++n) {
        survives(text.substr(0, n));
        survives(text.substr(n));
    }
}

TEST(Fuzz, EveryByteReplaced) {
    const std::string text = everything;
    for (std::size_t i = 0; i < text.size(); ++i)
        for (const char c : {'"', '\'', '[', ']', '{', '}', '=', '.', ',', '\n', '\r', '\\', '#',
                             '-', '0', '\0', '\x80', '\xff', ' '}) {
            std::string broken = text;
            broken[i] = c;
            survives(broken);
        }
}

TEST(Fuzz, RandomEdits) {
    std::mt19937 random(7);
    const std::string text = everything;
    for (int round = 0; round < 4000; ++round) {
        std::string broken = text;
        for (unsigned edits = 1 + random() % 8; edits > 0; --edits) {
            const std::size_t at = random() % (broken.size() + 1), n = random() % 12;
            switch (random() % 3) {
            case 0:
                broken.erase(at, n);
                break;
            case 1:
                broken.insert(at, text.substr(random() % text.size(), n));
                break;
            default:
                broken.insert(at, 1, static_cast<char>(random()));
            }
        }
        survives(broken);
    }
}

TEST(Fuzz, RandomBytes) {
    std::mt19937 random(8);
    constexpr std::string_view likely = "[]{}=\"'.,#\n\\-0a \t";
    for (int round = 0; round < 4000; ++round) {
        std::string text;
        for (unsigned n = random() % 80; n > 0; --n)
            text += round % 2 ? static_cast<char>(random()) : likely[random() % likely.size()];
        survives(text);
    }
}

TEST(Fuzz, NotMoreErrorsThanAnybodyReads) {
    std::string text = "schema = 1\n";
    for (int i = 0; i < 50000; ++i)
        text += "k" + std::to_string(i) + " = 1\n";
    const auto policy = parse_policy(text, "p.toml", home);
    EXPECT_GE(policy.errors.size(), 100u);
    EXPECT_LE(policy.errors.size(), 101u);
}

// What ran toml++ out of stack, also where a slip hides it from the check in front.
TEST(Fuzz, DeepKeys) {
    std::string dots, tables;
    for (int i = 0; i < 450000; ++i)
        dots += "a.";
    for (int i = 0; i < 100000; ++i)
        tables += "{a=";
    const std::string deep = dots + "a = 1\n";
    for (const std::string& text : {deep,
                                    "[" + dots + "a]\n",
                                    "[[" + dots + "a]]\n",
                                    "x = { " + dots + "a = 1 }\n",
                                    "x = \"\"\"a\"\"\"\"\n" + deep,
                                    "x = '''a'''''\n" + deep,
                                    "x = \"\"\n" + deep,
                                    "x = ''\n" + deep,
                                    "x = \"a\n" + deep,
                                    "# \"\n" + deep,
                                    "# '''\r\n" + deep,
                                    "x = \"\\\"\"\n" + deep,
                                    "x = '\\'\n" + deep,
                                    "x = \"\"\"\\\"\"\"\"\n" + deep,
                                    "\"a\"." + deep,
                                    "x = \"\"\"\n\"\"\"\n" + deep,
                                    "x = 1979-05-27\n" + deep,
                                    std::string(500000, '['),
                                    "a = " + std::string(500000, '['),
                                    "a = " + tables}) {
        const auto policy = parse_policy(text, "p.toml", home);
        ASSERT_FALSE(policy);
        EXPECT_EQ(policy.errors[0].kind, ErrorKind::syntax);
    }
}

TEST(Fuzz, DotsThatAreNotDeep) {
    std::string list;
    for (int i = 0; i < 40; ++i)
        list += (i ? ", '/" : "'/") + std::to_string(i) + ".a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s'";
    const auto policy = parse_policy("# a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a\nschema = 1\n"
                                     "[[rule]]\npath = [" +
                                         list + "]\nname = \"..................\"\n" +
                                         "action = \"none\" # ..................\n",
                                     "p.toml", home);
    EXPECT_TRUE(policy) << to_string(policy.errors.at(0));
}

// What ran our own reader of braces out of stack.
TEST(Fuzz, ManyGroups) {
    std::string groups = "/", nested = "/";
    for (int i = 0; i < 2040; ++i) {
        groups += "{}";
        nested += "{";
    }
    nested += std::string(2040, '}');
    for (const std::string& glob : {groups, nested, "/" + std::string(4095, '{')}) {
        const auto policy = parse_policy("schema = 1\n[[rule]]\naction = \"pin\"\npath = \"" +
                                             glob + "\"\n",
                                         "p.toml", home);
        ASSERT_EQ(policy.errors.size(), 1u);
        EXPECT_EQ(policy.errors[0].column, 9u + 1 + (glob == groups ? 128 : 64));
        EXPECT_NE(policy.errors[0].what.find("more than 64 groups"), std::string::npos);
    }
    std::string rules = "schema = 1\n";
    groups = "/" + std::string(3900, 'a');
    for (int i = 0; i < 64; ++i)
        groups += i < 8 ? "{,}" : "{}";
    for (int i = 0; i < 10; ++i)
        rules += "[[rule]]\naction = \"pin\"\npath = \"" + groups + "\"\n";
    survives(rules);
}

} // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
#ifdef __SANITIZE_ADDRESS__
    constexpr std::size_t times = 8; // it puts room between all that is on the stack
#else
    constexpr std::size_t times = 1;
#endif
    static int result = 1;
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    if (pthread_attr_setstacksize(&small, times * runtime::stack_size) != 0 ||
        pthread_create(
            &thread, &small,
            [](void*) -> void* {
                result = RUN_ALL_TESTS();
                return nullptr;
            },
            nullptr) != 0)
        return 1;
    pthread_join(thread, nullptr);
    return result;
}
