// SPDX-License-Identifier: Apache-2.0
//
// The administrator's limits: what a file of them says, and how it is told what is wrong.
#include "../../ctl/limits.hpp"

#include <cerrno>
#include <fstream>
#include <gtest/gtest.h>
#include <initializer_list>
#include <utility>

namespace {

using pagepatrol::LoadOptions;

TEST(Limits, AllKeys) {
    LoadOptions options;
    options.lag_pages = 7;
    options.valve_sweeps_pin = 3;
    const auto done = ppctl::parse_limits("max_processes_per_user = 5\n"
                                          "max_kept_per_user = \"2GiB\" # two\n"
                                          "keep_percent = 100\nstream_margin = 8192\n",
                                          "f", options);
    ASSERT_TRUE(done) << done.error().text();
    LoadOptions want;
    want.tables_per_user = 5;
    want.kept_pages_per_user = 2u << 18;
    want.keep_percent = 100;
    want.margin_pages = 2;
    want.lag_pages = 7;
    want.valve_sweeps_pin = 3;
    EXPECT_EQ(options, want) << "what the file does not name stays";
}

TEST(Limits, NothingIsFine) {
    LoadOptions options;
    EXPECT_TRUE(ppctl::parse_limits("", "f", options));
    EXPECT_EQ(options, LoadOptions{});
}

TEST(Limits, TheExampleSaysTheDefaults) {
    LoadOptions options;
    const auto done = ppctl::read_limits(LIMITS_EXAMPLE, options);
    ASSERT_TRUE(done) << done.error().text();
    // as in bpf/engine.bpf.h
    EXPECT_EQ(options.tables_per_user, 1024u);
    EXPECT_EQ(options.kept_pages_per_user, 0u);
    EXPECT_EQ(options.keep_percent, 75u);
    EXPECT_EQ(options.margin_pages, 256u);
    EXPECT_EQ(options.lag_pages, 64u);
}

TEST(Limits, MistakesAreToldWithTheirPlace) {
    const struct {
        const char *text, *place, *word;
    } cases[] = {
        {"keep_percent = 50\nkeep_percnt = 1", "f:2:1: keep_percnt", "unknown key"},
        {"keep_percent = 101", "f:1:16: keep_percent", "0 to 100"},
        {"keep_percent = -1", "f:1:16: keep_percent", "0 to 100"},
        {"keep_percent = \"50\"", "f:1:16: keep_percent", "an integer"},
        {"keep_percent = 5.5", "f:1:16: keep_percent", "an integer"},
        {"\n  max_kept_per_user = \"2 GB\"", "f:2:23: max_kept_per_user", "512MiB"},
        {"max_kept_per_user = \"99999999999TiB\"", "f:1:21: max_kept_per_user", "512MiB"},
        {"stream_lag = 100", "f:1:14: stream_lag", "multiple of 4KiB"},
        {"stream_lag = true", "f:1:14: stream_lag", "a size"},
        {"max_processes_per_user = 1000000", "f:1:26: max_processes_per_user", "16384"},
        {"[limits]\nkeep_percent = 5", "f:1:2: limits", "unknown key"},
        {"keep_percent = \n", "f:1:", "TOML syntax"},
    };
    for (const auto& bad : cases) {
        LoadOptions options;
        const auto done = ppctl::parse_limits(bad.text, "f", options);
        ASSERT_FALSE(done) << bad.text;
        EXPECT_EQ(done.error().code, 0) << "the text says it all";
        EXPECT_TRUE(done.error().what.starts_with(bad.place)) << done.error().text();
        EXPECT_NE(done.error().text().find(bad.word), std::string::npos) << done.error().text();
        EXPECT_EQ(options, LoadOptions{}) << "not half of it";
    }
}

TEST(Limits, Options) {
    LoadOptions options, want;
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"--max-processes-per-user", "0"},
             {"--max-kept-per-user", "512MiB"},
             {"--keep-percent", "80"},
             {"--margin-pages", "1048576"},
             {"--lag-pages", "3"},
             {"--valve-questions", "1"}})
        EXPECT_TRUE(ppctl::set_limit(name, value, options)) << name;
    want.tables_per_user = 0;
    want.kept_pages_per_user = 1u << 17;
    want.keep_percent = 80;
    want.margin_pages = 1u << 20;
    want.lag_pages = 3;
    want.valve_questions = 1;
    EXPECT_EQ(options, want);
}

TEST(Limits, BadOptionsAreTold) {
    const struct {
        const char *name, *value, *word;
    } cases[] = {
        {"--keep-percent", "101", "'101' is not an integer from 0 to 100; nothing was loaded"},
        {"--keep-percent", "", "from 0 to 100"},
        {"--keep-percent", "-1", "from 0 to 100"},
        {"--keep-percent", "4KiB", "from 0 to 100"},
        {"--margin-pages", "1MiB", "from 0 to 1048576"},
        {"--valve-questions", "0", "from 1 to"},
        {"--max-kept-per-user", "5000", "a multiple of 4KiB"},
        {"--max-kept-per-user", "12 MiB", "a size"},
        {"--max-kept-per-user", "99999999TiB", "a size"},
        {"--stream-margin", "1", "unknown option --stream-margin"},
        {"", "1", "unknown option"},
    };
    for (const auto& bad : cases) {
        LoadOptions options;
        const auto done = ppctl::set_limit(bad.name, bad.value, options);
        ASSERT_FALSE(done) << bad.name << ' ' << bad.value;
        EXPECT_NE(done.error().what.find(bad.word), std::string::npos) << done.error().what;
        EXPECT_EQ(options, LoadOptions{});
    }
}

TEST(Limits, AMissingFileIsENOENT) {
    LoadOptions options;
    const auto done = ppctl::read_limits("/nowhere/limits.toml", options);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ENOENT);
}

} // namespace
