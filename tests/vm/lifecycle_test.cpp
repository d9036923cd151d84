// SPDX-License-Identifier: Apache-2.0
// What is left of a process that is killed, and of the kernel side when it goes away
// under a running program: nothing.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include <pagepatrol/abi.h>

#include "arms.hpp"

namespace vmtest {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// hot-and-scan under its policy, in the middle of the scan.
class RunningBench : public testing::Test {
  protected:
    void SetUp() override {
        Data::need("hot");
        Data::need("scan");
        const Arm arm{"hot-and-scan.toml"};
        cold_caches(arm);
        before_ = pagepatrol_ctl::status();
        child_ = std::make_unique<Child>(
            Command{under(arm, bench_command("hot-and-scan.toml", hot_and_scan_settings)),
                    {},
                    cgroup_.path()});
        // dropped pages: the scan has filled the memory
        ASSERT_TRUE(wait_until([&] { return dropped() > 2000 || !child_->running(); }, 120s));
        ASSERT_TRUE(child_->running()) << "it ended too early: " << child_->wait().text();
    }

    std::uint64_t dropped() const {
        return pagepatrol_ctl::total(pagepatrol_ctl::status(), "dropped") -
               pagepatrol_ctl::total(before_, "dropped");
    }

    const pagepatrol_ctl::LoadedAtEnd loaded_;
    const MemoryCgroup cgroup_{bench_limit};
    Json before_;
    std::unique_ptr<Child> child_;
};

TEST_F(RunningBench, KilledLeavesNothingBehind) {
    const Json during = pagepatrol_ctl::status();
    const Json* process = pagepatrol_ctl::process(during, child_->pid());
    ASSERT_NE(process, nullptr);
    ASSERT_EQ((*process)["ranges"].array().size(), 2u);
    for (const Json& range : (*process)["ranges"].array())
        EXPECT_EQ(range["file"].string(),
                  Data::folder + (range["action"].string() == "pin" ? "/hot" : "/scan"));
    EXPECT_TRUE((*process)["subscribed"].boolean());
    EXPECT_EQ(pagepatrol_ctl::subscriptions(), 1u);

    child_->signal(SIGKILL);
    const Ended ended = child_->wait();
    EXPECT_EQ(ended.signal, SIGKILL) << ended.text();
    EXPECT_TRUE(wait_until([] { return pagepatrol_ctl::subscriptions() == 0; }, 5s));
    const Json after = pagepatrol_ctl::status();
    EXPECT_EQ(after["processes"].array().size(), 0u);
    EXPECT_EQ(pagepatrol_ctl::total(after, "exits"), pagepatrol_ctl::total(during, "exits") + 1);
    for (const char* map : {"pp_small_tables", "pp_large_tables", "pp_range_states"})
        EXPECT_EQ(pagepatrol_ctl::map_entries(map), 0u) << map;
}

TEST_F(RunningBench, GoesOnWhenPagePatrolIsUnloaded) {
    const Ended unloaded = pagepatrol_ctl::unload();
    report("unload_seconds", unloaded.seconds);
    ASSERT_TRUE(unloaded.good()) << unloaded.text();
    EXPECT_LE(unloaded.seconds, 15);
    EXPECT_TRUE(child_->running()) << "it was over before the unload: the test shows nothing";
    EXPECT_FALSE(pagepatrol_ctl::module_inserted());
    EXPECT_FALSE(fs::exists(PP_PIN_DOOR));

    const Ended ended = child_->wait();
    ASSERT_TRUE(ended.good()) << ended.text();
    EXPECT_EQ(read_bench(ended).checksums, default_hot_and_scan().checksums);

    const Ended loaded = pagepatrol_ctl::load();
    ASSERT_TRUE(loaded.good()) << loaded.text();
    EXPECT_TRUE(pagepatrol_ctl::status()["loaded"].boolean());
    // and it works again
    const Ended search = run({under({"ripgrep.toml"}, search_command(Data::need("hot")))});
    expect_undisturbed(search);
    EXPECT_GT(pagepatrol_ctl::total(pagepatrol_ctl::status(), "uploads"), 0u);
}

TEST(Lifecycle, AStormOfForksAndKillsLeavesNothingBehind) {
    // 64 threads and 8 children that contend for locks and memory cost a debugging kernel more than
    // its factor: without any pressure a fork took it 22 s with rests of 10 s (9.5 s without
    // PagePatrol), 1.3 s with rests of 50 s; 200 did not end in 20 minutes under this limit.
    const int forks = debugging_kernel() ? 40 : full() ? 1000 : 200;
    const int rest = debugging_kernel() ? 50000 : 2000 * slowness(); // ms
    const std::vector<const char*> maps = {"pp_small_tables", "pp_large_tables", "pp_range_states"};
    const std::string files = Data::need_many();
    const TemporaryFolder folder;
    const Arm arm{folder.file("policy.toml",
                              "schema = 1\n"
                              "[[rule]]\npath = \"/scratch/**/*[0-4]*\"\naction = \"stream\"\n"
                              "[[rule]]\npath = \"/scratch/**\"\naction = \"pin\"\n"),
                  96 * MiB}; // on any kernel: it is about processes, not about data
    cold_caches(arm);
    std::vector<std::size_t> memory;
    for (const char* map : maps)
        memory.push_back(pagepatrol_ctl::map_memory(map));
    const Json before = pagepatrol_ctl::status();
    const MemoryCgroup cgroup(arm.limit);
    const Ended ended = run({under(arm, {built("tests/vm/storm"), files, std::to_string(forks),
                                         "64", std::to_string(rest), "1"}),
                             {},
                             cgroup.path()},
                            full() ? 1200s : 300s);
    // The shim waits half a second for a thread that forks; a debugging kernel takes longer for one.
    expect_undisturbed(ended,
                       debugging_kernel()
                           ? "another thread has been in a call of this library, or in a fork"
                           : "");
    EXPECT_EQ(ended.out, "killed " + std::to_string(forks) + " wrong 0\n");
    const Json after = pagepatrol_ctl::status();
    const auto came = [&](const char* counter) {
        return pagepatrol_ctl::total(after, counter) - pagepatrol_ctl::total(before, counter);
    };
    report("seconds", ended.seconds);
    report("uploads", static_cast<double>(came("uploads")));
    report("forks", static_cast<double>(came("forks")));
    report("exits", static_cast<double>(came("exits")));
    EXPECT_GE(came("exits"), static_cast<std::uint64_t>(forks) * 9 / 10)
        << "the test shows nothing";
    EXPECT_EQ(after["processes"].array().size(), 0u);
    EXPECT_TRUE(wait_until([] { return pagepatrol_ctl::subscriptions() == 0; }, 10s));
    for (std::size_t i = 0; i < maps.size(); ++i) {
        EXPECT_EQ(pagepatrol_ctl::map_entries(maps[i]), 0u) << maps[i];
        EXPECT_EQ(pagepatrol_ctl::map_memory(maps[i]), memory[i]) << maps[i];
    }
    EXPECT_EQ(cgroup.oom_kills(), 0u);
}

} // namespace
} // namespace vmtest
