// SPDX-License-Identifier: Apache-2.0
//
// Globs, as tables: what matches, what does not, what is refused and where.
#include "glob.hpp"

#include <gtest/gtest.h>

using pagepatrol::Glob;
using pagepatrol::GlobError;

namespace {

struct Case {
    const char* glob;
    const char* path;
    bool matches;
};

class GlobMatch : public testing::TestWithParam<Case> {};

TEST_P(GlobMatch, Table) {
    const Case& c = GetParam();
    GlobError error;
    const auto glob = Glob::compile(c.glob, "/home/u", error);
    ASSERT_TRUE(glob) << c.glob << ": " << error.what;
    EXPECT_EQ(glob->matches(c.path), c.matches) << c.glob << " on " << c.path;
}

INSTANTIATE_TEST_SUITE_P(
    Table, GlobMatch,
    testing::Values(
        Case{"/a/b", "/a/b", true}, Case{"/a/b", "/a/bc", false}, Case{"/a/b", "/a", false},
        Case{"/a/*", "/a/b", true}, Case{"/a/*", "/a/", true}, Case{"/a/*", "/a/b/c", false},
        Case{"/a/*.db", "/a/x.db", true}, Case{"/a/*.db", "/a/x.db.bak", false},
        Case{"/a/*b*c", "/a/xbybzc", true}, Case{"/a/*b*c", "/a/xbybz", false},
        Case{"/a/?", "/a/b", true}, Case{"/a/?", "/a/", false}, Case{"/a?b", "/a/b", false},
        Case{"**", "/any/thing", true}, Case{"/a/**", "/a/b/c/d", true},
        Case{"/a/**", "/ab/c", false}, Case{"**/hot*", "/hot", true},
        Case{"**/hot*", "/x/y/hot.bin", true}, Case{"**/hot*", "/x/shot", false},
        Case{"**/hot*", "/hot/x", false}, Case{"/a/**/z", "/a/z", true},
        Case{"/a/**/z", "/a/b/c/z", true}, Case{"/a/**/z", "/a/bz", false},
        Case{"/a/**/b/**/c", "/a/b/b/x/c", true}, Case{"/a/**/b/**/c", "/a/x/c", false},
        Case{"/a**z", "/a/b/z", true}, Case{"/a**z", "/az", true}, Case{"/a**z", "/a/zb", false},
        Case{"**/*.so{,.*}", "/lib/x.so", true}, Case{"**/*.so{,.*}", "/lib/x.so.6", true},
        Case{"**/*.so{,.*}", "/lib/x.song", false}, Case{"/{a,b/{c,d}}/x", "/b/d/x", true},
        Case{"/{a,b/{c,d}}/x", "/b/x", false}, Case{"/a/[a-c]x", "/a/bx", true},
        Case{"/a/[a-c]x", "/a/dx", false}, Case{"/a/[!a-c]x", "/a/dx", true},
        Case{"/a/[^a-c]x", "/a/ax", false}, Case{"/a[!b]c", "/a/c", false},
        Case{"/[]]", "/]", true}, Case{"/[a-]", "/-", true}, Case{"/[{,}]", "/,", true},
        Case{"/[\\]]", "/]", true}, Case{"/[!]]", "/x", true}, Case{"/\\*", "/*", true},
        Case{"/\\*", "/a", false}, Case{"/\\{a\\}", "/{a}", true}, Case{"~/x", "/home/u/x", true},
        Case{"~", "/home/u", true}, Case{"~/x", "/x", false},
        Case{"/\xc3\xa4*", "/\xc3\xa4x", true}));

TEST(Glob, HomeIsTakenLiterally) {
    GlobError error;
    const auto glob = Glob::compile("~/*", "/h[x]*{a,b}", error);
    ASSERT_TRUE(glob);
    EXPECT_TRUE(glob->matches("/h[x]*{a,b}/f"));
    EXPECT_FALSE(glob->matches("/hxa/f"));
}

TEST(Glob, DotsAndSlashesThatCanMatch) {
    GlobError error;
    for (const char* glob : {"/a/...", "/a/.*", "/a/.b", "/a/?", "/a/b.", "/a/[.]b", "/.a/..b",
                             "/a{,/b}", "/a/{,b/}c", "**", "/**", "/a\\/b", "/a/.[.]x"})
        EXPECT_TRUE(Glob::compile(glob, "", error)) << glob << ": " << error.what;
    for (const char* home : {"/", "/h/", "/h//"})
        EXPECT_TRUE(Glob::compile("~/x", home, error)) << home << ": " << error.what;
    EXPECT_TRUE(Glob::compile("~/x", "/", error)->matches("/x"));
    EXPECT_TRUE(Glob::compile("~/x", "/h//", error)->matches("/h/x"));
}

class PlainGlobMatch : public testing::TestWithParam<Case> {};

TEST_P(PlainGlobMatch, Table) {
    const Case& c = GetParam();
    GlobError error;
    const auto glob = Glob::compile_plain(c.glob, error);
    ASSERT_TRUE(glob) << c.glob << ": " << error.what;
    EXPECT_EQ(glob->matches(c.path), c.matches) << c.glob << " on " << c.path;
}

INSTANTIATE_TEST_SUITE_P(
    Table, PlainGlobMatch,
    testing::Values(Case{"rg", "rg", true}, Case{"rg", "rga", false}, Case{"rg*", "rga", true},
                    Case{"*", "", true}, Case{"", "", true}, Case{"", "a", false},
                    Case{"--data=*", "--data=/a/b", true}, Case{"**x", "/a/b/x", true},
                    Case{"***", "a", true}, Case{"a?b", "a/b", true}, Case{"a[/]b", "a/b", true},
                    Case{"a[!x]b", "a/b", true}, Case{"~/x", "~/x", true},
                    Case{"a//b/", "a//b/", true}, Case{"--{fast,slow}", "--slow", true},
                    Case{"--{fast,slow}", "--slower", false}, Case{"*a*b*", "xxaxxbxx", true},
                    Case{"*a*b*", "xxbxxa", false}, Case{"**/a", "a", false}));

TEST(PlainGlob, Refused) {
    GlobError error;
    for (const char* glob : {"a[", "{a", "a}", "a\\", "[z-a]"})
        EXPECT_FALSE(Glob::compile_plain(glob, error)) << glob;
    EXPECT_FALSE(Glob::compile_plain(std::string(4097, 'a'), error));
}

TEST(Glob, GroupsInGroups) {
    GlobError error;
    const auto glob = Glob::compile("/{a,b{,1,{2,3}}}x{[,}],\\,}", "", error);
    ASSERT_TRUE(glob) << error.what;
    for (const char* head : {"a", "b", "b1", "b2", "b3"})
        for (const char* tail : {",", "}"})
            EXPECT_TRUE(glob->matches(std::string("/") + head + "x" + tail)) << head << tail;
    for (const char* path : {"/x,", "/b23x,", "/ax", "/{a}x,"})
        EXPECT_FALSE(glob->matches(path)) << path;
}

TEST(Glob, GroupsAreCounted) {
    GlobError error;
    std::string groups, nested = "/";
    for (unsigned i = 0; i < Glob::max_groups; ++i) {
        groups += "{}";
        nested += "{";
    }
    for (unsigned i = 0; i < Glob::max_groups; ++i)
        nested += ",a}";
    EXPECT_TRUE(Glob::compile("/a" + groups, "", error)) << error.what;
    const auto glob = Glob::compile(nested.replace(nested.find(','), 0, "x"), "", error);
    ASSERT_TRUE(glob) << error.what;
    EXPECT_TRUE(glob->matches("/x"));
    EXPECT_TRUE(glob->matches("/a"));
    EXPECT_FALSE(Glob::compile("/a" + groups + "{b}", "", error));
    EXPECT_EQ(error.offset, 2 + 2 * Glob::max_groups);
    EXPECT_EQ(error.what, "more than 64 groups {...}");
    EXPECT_FALSE(Glob::compile_plain(groups + "{b}", error));
    EXPECT_TRUE(Glob::compile("/a" + groups + "\\{[{]", "", error)) << "these are characters";
}

TEST(Glob, ManyStarsStayFast) {
    GlobError error;
    const auto glob = Glob::compile("/*a*a*a*a*a*a*a*a*a*a*a*a/**/b**b**b**b**b**c", "", error);
    ASSERT_TRUE(glob);
    std::string path = "/" + std::string(2000, 'a') + "/" + std::string(2000, 'b');
    EXPECT_FALSE(glob->matches(path));
    EXPECT_TRUE(glob->matches(path + "c"));
}

struct Bad {
    const char* glob;
    std::size_t offset;
    const char* what;
};

class GlobRefused : public testing::TestWithParam<Bad> {};

TEST(Glob, StepsAreCounted) {
    GlobError error;
    const std::string as(1000, 'a');
    const auto glob = Glob::compile("/**" + as + "*" + as + "b", "", error);
    ASSERT_TRUE(glob);
    std::string path;
    for (int i = 0; i < 2; ++i)
        path += "/" + as + as;
    std::uint32_t steps = 100000;
    EXPECT_FALSE(glob->matches(path, steps));
    EXPECT_EQ(steps, 0u);
    steps = 100000;
    EXPECT_TRUE(glob->matches("/x/" + as + as + "b", steps));
    EXPECT_GT(steps, 90000u);
}

TEST_P(GlobRefused, SaysWhatAndWhere) {
    const Bad& c = GetParam();
    GlobError error;
    EXPECT_FALSE(Glob::compile(c.glob, "", error)) << c.glob;
    EXPECT_EQ(error.offset, c.offset) << c.glob;
    EXPECT_NE(error.what.find(c.what), std::string::npos) << c.glob << ": " << error.what;
    EXPECT_FALSE(error.expected.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, GlobRefused,
    testing::Values(Bad{"", 0, "empty"}, Bad{"/a[b", 2, "'['"}, Bad{"/[]", 1, "'['"},
                    Bad{"/a/{b", 3, "'{'"}, Bad{"/{a,{b}", 1, "'{'"}, Bad{"/a}", 2, "'}'"},
                    Bad{"/a\\", 2, "'\\'"}, Bad{"/a/***", 3, "'***'"},
                    Bad{"/[z-a]", 2, "backwards"}, Bad{"/[a/b]", 3, "'/'"},
                    Bad{"a/b", 0, "relative"}, Bad{"*.db", 0, "'*' in front"},
                    Bad{"{/a,b}", 0, "relative"}, Bad{"~/x", 0, "HOME"}, Bad{"~bob/x", 1, "user"},
                    Bad{"/a//b", 3, "'//'"}, Bad{"/a/../b", 3, "'..'"}, Bad{"/a/./b", 3, "'.'"},
                    Bad{"/a/", 3, "ends in '/'"}, Bad{"/", 1, "ends in '/'"},
                    Bad{"**/", 3, "ends in '/'"}, Bad{"/a/..", 3, "'..'"}, Bad{"/a/.", 3, "'.'"},
                    Bad{"/a/\\../b", 3, "'..'"}, Bad{"/a\\//b", 4, "'//'"},
                    Bad{"/a/{,b}/c", 0, "'//'"}, Bad{"**/./x", 3, "'.'"},
                    Bad{"/{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b}", 0, "256"}));

} // namespace
