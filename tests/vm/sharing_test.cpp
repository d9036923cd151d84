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

/// Major faults of a process that reads all of `hot`, after another one in the same
/// cgroup has read that and 400 MiB more.
long neighbours_faults(const Arm& arm, const std::string& config) {
    const std::string hot = Data::need("hot");
    cold_caches(arm);
    run({{built("tests/vm/hold")}});
    const MemoryCgroup cgroup(arm.limit);
    Child neighbour({{built("tests/vm/hold"), hot}, {}, cgroup.path()});
    if (neighbour.ask("touch").empty())
        throw std::runtime_error("hold: " + neighbour.wait().text());
    const long alone = std::stol(neighbour.ask("touch"));
    EXPECT_EQ(alone, 0);
    expect_undisturbed(run({under(arm, bench_command(config)), {}, cgroup.path()}));
    const long after = std::stol(neighbour.ask("touch"));
    EXPECT_TRUE(neighbour.wait().good());
    EXPECT_EQ(cgroup.oom_kills(), 0u);
    return after;
}

TEST(Sharing, StreamLeavesWhatTheNeighbourUses) {
    const TemporaryFolder folder;
    const std::string config = folder.file("both.toml", read_both("hot", "scan"));
    const std::string policy = folder.file("policy.toml", "schema = 1\n[[rule]]\n"
                                                          "path = \"/scratch/{hot,scan}\"\n"
                                                          "action = \"stream\"\n");
    const long by_default = neighbours_faults({}, config);
    const long with_stream = neighbours_faults({policy}, config);
    report("neighbour_major_faults_default", static_cast<double>(by_default));
    report("neighbour_major_faults_stream", static_cast<double>(with_stream));
    EXPECT_GE(by_default, static_cast<long>(Data::hot / page_size / 20))
        << "the test shows nothing";
    EXPECT_LE(with_stream, static_cast<long>(Data::hot / page_size / 50));
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
