// SPDX-License-Identifier: Apache-2.0
// A policy harms neither the neighbours nor its own program: what others use stays,
// what does not fit does not kill.
#include <gtest/gtest.h>

#include "arms.hpp"

namespace vmtest {
namespace {

/// A config that maps both files and reads one after the other.
std::string read_both(const std::string& first, const std::string& second) {
    std::string text = "dir = \"" + Data::folder + "\"\n";
    for (const std::string& name : {first, second}) {
        Data::need(name);
        text += "[files." + name + "]\npath = \"" + name + "\"\n";
    }
    for (const std::string& name : {first, second})
        text += "[[step]]\npattern = \"loop\"\npasses = 1\nfile = \"" + name + "\"\n";
    return text;
}

TEST(Sharing, StreamLeavesWhatTheNeighbourUses) {
    const TemporaryFolder folder;
    const std::string config = folder.file("both.toml", read_both("hot", "loop"));
    const Arm arm{folder.file("policy.toml", "schema = 1\n[[rule]]\n"
                                             "path = \"/scratch/{hot,loop}\"\n"
                                             "action = \"stream\"\n")};
    cold_caches(arm);
    run({{built("tests/vm/hold")}});
    const Json before = pagepatrol_ctl::status();
    const MemoryCgroup cgroup(arm.limit);
    // the neighbour has all of the first file in use
    Child neighbour({{built("tests/vm/hold"), Data::need("hot")}, {}, cgroup.path()});
    ASSERT_NE(neighbour.ask("touch"), "");
    ASSERT_EQ(neighbour.ask("touch"), "0") << "major faults, with nobody else there";
    // the streamer reads that and 137 MiB more, which don't fit beside it
    expect_undisturbed(run({under(arm, bench_command(config)), {}, cgroup.path()}));
    const long faults = std::stol(neighbour.ask("touch"));
    const std::uint64_t dropped = pagepatrol_ctl::total(pagepatrol_ctl::status(), "dropped") -
                                  pagepatrol_ctl::total(before, "dropped");
    report("neighbours_major_faults", static_cast<double>(faults));
    report("dropped", static_cast<double>(dropped));
    EXPECT_GE(dropped, (Data::loop - 40 * MiB) / page_size) << "the test shows nothing";
    EXPECT_LE(faults, static_cast<long>(Data::hot / page_size / 50));
    EXPECT_EQ(cgroup.oom_kills(), 0u);
}

TEST(Sharing, PinOfTwiceTheLimitSurvives) {
    const TemporaryFolder folder;
    const std::string config = folder.file("both.toml", read_both("hot", "loop"));
    const std::string policy = folder.file("policy.toml", "schema = 1\n[[rule]]\n"
                                                          "path = \"/scratch/{hot,loop}\"\n"
                                                          "action = \"pin\"\n");
    // 201 MiB pinned in 96 MiB, read twice
    const Bench by_default = run_bench(config, {"iterations=2"}, {});
    const std::chrono::seconds patience(60 + static_cast<int>(4 * by_default.seconds));
    Bench pinned = run_bench(config, {"iterations=2"}, {policy, bench_limit, patience});
    report("seconds_default", by_default.seconds);
    report("seconds_pinned", pinned.seconds);
    report("ratio", pinned.seconds / by_default.seconds);
    report("valve", static_cast<double>(pinned.counters["valve"]));
    report("asked", static_cast<double>(pinned.counters["asked"]));
    EXPECT_EQ(pinned.oom_kills, 0u);
    EXPECT_EQ(pinned.checksums, by_default.checksums);
    EXPECT_LE(pinned.seconds, 3 * by_default.seconds);
    // nothing but the valve lets a page of it go while it counts as used
    EXPECT_GT(pinned.counters["valve"], 0u);
}

} // namespace
} // namespace vmtest
