// SPDX-License-Identifier: Apache-2.0
// What only a kernel with PagePatrol built in can do: keep pages whatever the program
// advised. Skipped on others.
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
};

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
