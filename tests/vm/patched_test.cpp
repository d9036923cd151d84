// SPDX-License-Identifier: Apache-2.0
// What only a kernel with PagePatrol built in can do: ignore references to ranges that
// are to go first, and keep pages whatever the program advised. Skipped on others.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "arms.hpp"

namespace vmtest {
namespace {

class Patched : public testing::Test {
  protected:
    void SetUp() override {
        if (pagepatrol_ctl::built_in())
            return;
        const char* wanted = std::getenv("PAGEPATROL_TEST_KERNEL");
        if (wanted && std::strcmp(wanted, "patched") == 0)
            FAIL() << "PAGEPATROL_TEST_KERNEL says patched, but PagePatrol is not built in";
        GTEST_SKIP() << "needs the kernel of kernel/build-kernel";
    }

    const TemporaryFolder folder_;
};

/// 64 MiB without a rule beside 137 MiB that are to go first, all read at random, each of
/// these twice as often as each of those: a fair LRU would rather keep these.
TEST_F(Patched, DeactivateGoesFirstEvenIfTouchedAtRandom) {
    Data::need("hot");
    Data::need("loop");
    const Argv settings = {"files.scan.path=loop", "step.hot-and-scan.order=random",
                           "step.hot-and-scan.passes=2"};
    const std::string policy = folder_.file("deactivate.toml", "schema = 1\n[[rule]]\n"
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
    EXPECT_GT(first.counters["ignored"], 0u);
    EXPECT_GE(by_default.hot_fault_share(), 0.1) << "the test shows nothing";
    EXPECT_LE(2 * first.hot_major_faults, by_default.hot_major_faults);
}

/// By a raw system call, so that the shim can't absorb it.
TEST_F(Patched, KeptInSpiteOfRandomAdviceBehindTheShim) {
    Data::need("hot");
    Data::need("scan");
    Argv settings = hot_and_scan_settings;
    settings.insert(settings.end(), {"files.hot.advice=random", "files.hot.advice_call=raw"});
    const Bench pinned = run_bench("hot-and-scan.toml", settings, {"hot-and-scan.toml"});
    report("hot_fault_share", pinned.hot_fault_share());
    EXPECT_EQ(pinned.checksums, default_hot_and_scan().checksums);
    EXPECT_EQ(pinned.oom_kills, 0u);
    EXPECT_EQ(pinned.hot_major_faults, 0u);
}

} // namespace
} // namespace vmtest
