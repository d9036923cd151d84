// SPDX-License-Identifier: Apache-2.0
// The main job: what a policy changes for hot-and-scan, a loop and rg, against the
// kernel's default in the same boot. Bytes and faults are counts; times are judged as
// ratios alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "arms.hpp"

namespace vmtest {
namespace {

/// A policy may cost nothing where everything fits: the same bytes as the default, and
/// those once.
void expect_each_page_once(const std::string& name, std::uint64_t by_default, std::uint64_t policy,
                           std::uint64_t size) {
    report(name + "_default_share", static_cast<double>(by_default) / static_cast<double>(size));
    report(name + "_policy_share", static_cast<double>(policy) / static_cast<double>(size));
    EXPECT_NEAR(static_cast<double>(policy), static_cast<double>(by_default),
                0.01 * static_cast<double>(by_default));
    EXPECT_LE(static_cast<double>(policy), 1.01 * static_cast<double>(size));
    EXPECT_GE(policy, size);
}

TEST(Workload, PoliciesCostNothingWhenAllFits) {
    Data::need("hot");
    Data::need("scan");
    Data::need("loop");
    const Argv passes = {"step.loop.passes=2"};
    expect_each_page_once("loop", run_bench("loop.toml", passes, {"", ample_limit}).disk_bytes,
                          run_bench("loop.toml", passes, {"loop.toml", ample_limit}).disk_bytes,
                          Data::loop);
    const Bench by_default = run_bench("hot-and-scan.toml", {}, {"", ample_limit});
    const Bench policy = run_bench("hot-and-scan.toml", {}, {"hot-and-scan.toml", ample_limit});
    expect_each_page_once("hot_and_scan", by_default.disk_bytes, policy.disk_bytes,
                          Data::hot + Data::scan);
    EXPECT_EQ(policy.checksums, by_default.checksums);
    report("hot_and_scan_time_ratio", policy.seconds / by_default.seconds);
}

TEST(Workload, LoopWithStreamKeepsWhatFits) {
    Data::need("loop");
    const Bench by_default = run_bench("loop.toml", {"step.loop.passes=3"}, {});
    Bench stream = run_bench("loop.toml", {"step.loop.passes=5"}, {"loop.toml"});
    report("default_later_pass_share", by_default.worst_later_pass(Data::loop));
    report("stream_later_pass_share", stream.worst_later_pass(Data::loop));
    report("time_per_pass_ratio", stream.seconds / 5 / (by_default.seconds / 3));
    report("dropped", static_cast<double>(stream.counters["dropped"]));
    EXPECT_GE(by_default.worst_later_pass(Data::loop), 0.95) << "the test shows nothing";
    EXPECT_LE(stream.worst_later_pass(Data::loop), 0.34);
}

/// The largest share of the data that was read from disk in a run after the first.
double later_run_share(const std::vector<Search>& searches) {
    std::uint64_t most = 0;
    for (std::size_t i = 1; i < searches.size(); ++i)
        most = std::max(most, searches[i].disk_bytes);
    return static_cast<double>(most) / static_cast<double>(Data::scan);
}

void report_each(const std::vector<Search>& searches) {
    for (std::size_t i = 0; i < searches.size(); ++i) {
        const std::string run = "run_" + std::to_string(i + 1);
        report(run + "_MiB_read", static_cast<double>(searches[i].disk_bytes) / MiB);
        report(run + "_limit_hits", static_cast<double>(searches[i].limit_hits));
    }
}

void search_repeatedly(const std::string& path) {
    const double by_default = later_run_share(run_searches(path, 1, 2, {"", search_limit}));
    const std::vector<Search> searches = run_searches(path, 1, 5, {"ripgrep.toml", search_limit});
    const double stream = later_run_share(searches);
    report("default_later_run_share", by_default);
    report("stream_later_run_share", stream);
    report_each(searches);
    EXPECT_GE(by_default, 0.95) << "the test shows nothing";
    EXPECT_LE(stream, 0.31);
}

TEST(Workload, SearchInOneFileReadsOnlyWhatDidNotFit) {
    search_repeatedly(Data::need("scan"));
}

TEST(Workload, SearchInManyFilesReadsOnlyWhatDidNotFit) {
    search_repeatedly(Data::need_many(Data::scan));
}

/// Two readers at once need more room than one: they find out how much, and from then on
/// hardly ever call on reclaim, which would take what they have left in the cache.
TEST(Workload, SearchByTwoThreadsFindsItsMargin) {
    const std::string path = Data::need_many(Data::scan);
    const std::vector<Search> searches = run_searches(path, 2, 4, {"ripgrep.toml", search_limit});
    report_each(searches);
    report("stream_later_run_share", later_run_share(searches));
    EXPECT_GT(searches[0].limit_hits, 0u) << "the test shows nothing";
    EXPECT_LE(searches[2].limit_hits, 20u);
    EXPECT_LE(searches[3].limit_hits, 20u);
    EXPECT_LE(later_run_share(searches), 0.31);
}

TEST(Workload, HotAndScan) {
    const Bench& by_default = default_hot_and_scan();
    report("default_hot_fault_share", by_default.hot_fault_share());
    report("default_seconds", by_default.seconds);
    EXPECT_GE(by_default.hot_fault_share(), 0.10) << "the test shows nothing";
    EXPECT_LE(by_default.hot_fault_share(), 0.90);

    const auto run_again = [&](const Arm& arm) {
        Bench bench = run_bench("hot-and-scan.toml", hot_and_scan_settings, arm);
        EXPECT_EQ(bench.checksums, by_default.checksums);
        EXPECT_EQ(bench.oom_kills, 0u);
        return bench;
    };
    const auto run_policy = [&] {
        Bench bench = run_again({"hot-and-scan.toml"});
        report("hot_fault_share", bench.hot_fault_share());
        EXPECT_LE(bench.hot_fault_share(), 0.005);
        return bench;
    };
    const auto quicker = [](const Bench& a, const Bench& b) {
        return a.seconds <= b.seconds ? a : b;
    };
    Bench policy = run_policy(), base = by_default;
    // Other work on the host slows one arm more than the other, and only ever slows: of both
    // the quickest of a few runs, in turn, is what they take.
    for (int more = 3; more > 0 && policy.seconds > 0.4 * base.seconds; --more) {
        report("time_ratio_so_far", policy.seconds / base.seconds);
        base = quicker(base, run_again({}));
        policy = quicker(policy, run_policy());
    }
    report("time_ratio", policy.seconds / base.seconds);
    report("cpu_ratio", policy.cpu_seconds / base.cpu_seconds);
    report("asked", static_cast<double>(policy.counters["asked"]));
    report("valve", static_cast<double>(policy.counters["valve"]));
    EXPECT_LE(policy.seconds / base.seconds, 0.4);
}

TEST(Workload, PinAlone) {
    const Bench& by_default = default_hot_and_scan();
    Bench pinned = run_bench("hot-and-scan.toml", hot_and_scan_settings, {"hot-only.toml"});
    const double pages = static_cast<double>(pinned.disk_bytes) / page_size;
    report("hot_fault_share", pinned.hot_fault_share());
    report("asked_per_page_brought_in", static_cast<double>(pinned.counters["asked"]) / pages);
    report("valve", static_cast<double>(pinned.counters["valve"]));
    report("default_cpu_seconds", by_default.cpu_seconds);
    report("cpu_seconds", pinned.cpu_seconds);
    report("cpu_ratio", pinned.cpu_seconds / by_default.cpu_seconds);
    report("time_ratio", pinned.seconds / by_default.seconds);
    EXPECT_EQ(pinned.checksums, by_default.checksums);
    EXPECT_EQ(pinned.oom_kills, 0u);
    EXPECT_LE(pinned.hot_fault_share(), 0.005);
}

/// MADV_RANDOM makes the kernel forget that pages are used; a policy that keeps them doesn't.
TEST(Workload, RandomAdviceOnAKeptFile) {
    Data::need("hot");
    Data::need("scan");
    Argv settings = hot_and_scan_settings;
    settings.push_back("files.hot.advice=random");
    const Bench by_default = run_bench("hot-and-scan.toml", settings, {});
    Bench pinned = run_bench("hot-and-scan.toml", settings, {"hot-only.toml"});
    report("default_hot_fault_share", by_default.hot_fault_share());
    report("hot_fault_share", pinned.hot_fault_share());
    EXPECT_EQ(pinned.checksums, by_default.checksums);
    EXPECT_GE(by_default.hot_fault_share(), 0.5) << "the test shows nothing";
    EXPECT_LE(pinned.hot_fault_share(), 0.01);

    // The other half of the advice: a fault brings in its own page alone.
    const TemporaryFolder folder;
    const std::string config =
        folder.file("random.toml", "dir = \"/scratch\"\n"
                                   "[files.hot]\npath = \"hot\"\nadvice = \"random\"\n"
                                   "[[step]]\npattern = \"random-region\"\n"
                                   "file = \"hot\"\nshare = 0.2\nrepeats = 1\n");
    const Bench reads = run_bench(config, {}, {"hot-only.toml"});
    const double per_fault =
        static_cast<double>(reads.disk_bytes) / static_cast<double>(reads.major_faults) / page_size;
    report("pages_per_fault", per_fault);
    EXPECT_LE(per_fault, 1.1);
}

/// 64 MiB without a rule beside 137 MiB that are to go first, all read at random, each of
/// these twice as often as each of those: a fair LRU would rather keep these.
TEST(Workload, DeactivateGoesFirstEvenIfTouchedAtRandom) {
    Data::need("hot");
    Data::need("loop");
    const Argv settings = {"files.scan.path=loop", "step.hot-and-scan.order=random",
                           "step.hot-and-scan.passes=1"};
    const TemporaryFolder folder;
    const std::string policy = folder.file("deactivate.toml", "schema = 1\n[[rule]]\n"
                                                              "path = \"/scratch/loop\"\n"
                                                              "action = \"deactivate\"\n");
    const Bench by_default = run_bench("hot-and-scan.toml", settings, {});
    Bench first = run_bench("hot-and-scan.toml", settings, {policy});
    report("default_hot_fault_share", by_default.hot_fault_share());
    report("hot_fault_share", first.hot_fault_share());
    report("ignored", static_cast<double>(first.counters["ignored"]));
    report("time_ratio", first.seconds / by_default.seconds);
    EXPECT_EQ(first.checksums, by_default.checksums);
    EXPECT_EQ(first.oom_kills, 0u);
    EXPECT_EQ(first.counters["ignored"] > 0, pagepatrol_ctl::built_in());
    EXPECT_GE(by_default.hot_fault_share(), 0.4) << "the test shows nothing";
    EXPECT_LE(first.hot_fault_share(), 0.1);
}

} // namespace
} // namespace vmtest
