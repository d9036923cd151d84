// SPDX-License-Identifier: Apache-2.0
//
// The config: what a good one means, and what a bad one is told.
#include "config.hpp"

#include <gtest/gtest.h>

#include "error.hpp"

namespace pagepatrol::bench {
namespace {

constexpr std::string_view good = R"(seed = 7
dir = "/data"
[files.hot]
path = "h"
advice = "random"
[files.scan]
path = "/elsewhere/s"
map = "private"
[[step]]
name = "mixed"
pattern = "hot-and-scan"
hot = "hot"
scan = "scan"
ratio = 4
[[step]]
pattern = "loop"
file = "scan"
)";

std::string error_of(std::string_view document, const std::vector<std::string>& settings = {}) {
    try {
        parse_config(document, "c.toml", settings);
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

std::string with(std::string_view from, std::string_view to) {
    std::string text(good);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, text.npos);
    return text.replace(at, from.size(), to);
}

TEST(Config, ReadsFilesAndSteps) {
    const Config config = parse_config(good, "c.toml", {});
    EXPECT_EQ(config.seed, 7u);
    EXPECT_EQ(config.iterations, 1);
    ASSERT_EQ(config.files.size(), 2u);
    EXPECT_EQ(config.files[0].path, "/data/h");
    EXPECT_EQ(config.files[0].advice, Advice::random);
    EXPECT_EQ(config.files[0].sharing, Sharing::shared);
    EXPECT_EQ(config.files[1].path, "/elsewhere/s");
    EXPECT_EQ(config.files[1].sharing, Sharing::privately);
    EXPECT_EQ(config.files[1].advice, Advice::none);
    EXPECT_EQ(config.files[0].advice_call, Call::libc);
    const Config raw = parse_config(good, "c.toml", {"files.hot.advice_call=raw"});
    EXPECT_EQ(raw.files[0].advice_call, Call::raw);
    ASSERT_EQ(config.steps.size(), 2u);
    EXPECT_EQ(config.steps[0].name, "mixed");
    EXPECT_EQ(config.steps[1].name, "loop");
}

TEST(Config, SettingsReplaceAndAdd) {
    const Config config =
        parse_config(good, "c.toml",
                     {"dir=/x y", "iterations=3", "files.hot.path=other", "step.mixed.passes=9"});
    EXPECT_EQ(config.files[0].path, "/x y/other");
    EXPECT_EQ(config.iterations, 3);
}

TEST(Config, SettingErrorsNameTheSetting) {
    EXPECT_EQ(error_of(good, {"step.mixed.passes=0"}).rfind("--set step.mixed.passes=0: ", 0), 0u);
    EXPECT_EQ(error_of(good, {"step.mixed.pases=2"}).rfind("--set step.mixed.pases=2: ", 0), 0u);
    EXPECT_EQ(error_of(good, {"step.nosuch.passes=2"}).rfind("--set step.nosuch.passes=2: ", 0),
              0u);
    EXPECT_EQ(error_of(good, {"seed"}), "--set seed: expected KEY=VALUE");
}

TEST(Config, ErrorsSayFileLineColumnKeyAndExpected) {
    EXPECT_EQ(error_of(with("ratio = 4", "ratio = \"x\"")),
              "c.toml:14:9: step 'mixed': key 'ratio': expected an integer from 1 to 1000000000, "
              "found 'x'");
    EXPECT_EQ(error_of(with("ratio = 4", "rato = 4")).rfind("c.toml:9:", 0), 0u);
    EXPECT_EQ(error_of(with("ratio = 4", "ratio = 4\nrato = 4"))
                  .rfind("c.toml:15:1: step 'mixed': unknown key 'rato': expected one of: ", 0),
              0u);
    EXPECT_EQ(error_of(with("seed = 7", "sed = 7")),
              "c.toml:1:1: top level: unknown key 'sed': expected one of: dir, files, iterations, "
              "seed, step");
    EXPECT_EQ(error_of(with("hot = \"hot\"", "hot = \"cold\"")),
              "c.toml:12:7: step 'mixed': key 'hot': expected one of \"hot\" \"scan\", found "
              "'cold'");
    EXPECT_EQ(error_of(with("advice = \"random\"", "advice = \"fast\"")).rfind("c.toml:5:10: ", 0),
              0u);
    EXPECT_EQ(error_of(with("\"loop\"", "\"lop\"")).rfind("c.toml:16:11: ", 0), 0u);
}

TEST(Config, SyntaxErrorsHaveAPosition) {
    EXPECT_EQ(error_of("seed = = 1\n").rfind("c.toml:1:8: TOML syntax: ", 0), 0u);
}

TEST(Config, SaysWhatIsMissing) {
    EXPECT_EQ(error_of("seed = 1\n"),
              "c.toml: no files: expected a table [files.NAME] with path = \"...\"");
    EXPECT_EQ(error_of("[files.a]\npath = \"a\"\n"),
              "c.toml: no steps: expected one [[step]] table or more");
    EXPECT_EQ(error_of("[files]\na = 3\n").rfind("c.toml:2:1: key 'files.a'", 0), 0u);
}

} // namespace
} // namespace pagepatrol::bench
