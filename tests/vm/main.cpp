// SPDX-License-Identifier: Apache-2.0
//
// Runs the acceptance tests, in the VM of scripts/vm only: they drop caches, make
// cgroups and unload PagePatrol, which is no way to treat a machine that is used.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include "machine.hpp"

using namespace vmtest;

namespace {

class RightMachine : public testing::Environment {
    void SetUp() override {
        const char* wanted = std::getenv("PAGEPATROL_TEST_LRU");
        if (wanted) {
            ASSERT_EQ(wanted, lru()) << "PAGEPATROL_TEST_LRU names another LRU than is in force";
        }
        ASSERT_TRUE(pagepatrol_ctl::status()["loaded"].boolean())
            << "PagePatrol is not loaded: scripts/vm without --no-load";
        std::printf("LRU: %s\n", lru().c_str());
        // whose figures these are: scripts/test_results.py figures
        if (const char* kernel = std::getenv("PAGEPATROL_TEST_KERNEL")) {
            testing::Test::RecordProperty("kernel", kernel);
            testing::Test::RecordProperty("lru", lru());
        }
    }
};

} // namespace

int main(int argc, char** argv) {
    // The shipped policies are tried with Debian's own LRU, by --full with both.
    const bool in_vm = access("/run/pagepatrol-vm/status", F_OK) == 0;
    if (in_vm && lru() == "classic" && !full())
        testing::GTEST_FLAG(filter) = "-Programs.*";
    testing::InitGoogleTest(&argc, argv);
    if (!in_vm && !testing::GTEST_FLAG(list_tests)) {
        std::fprintf(stderr, "these tests run in scripts/vm only; see scripts/test --suite vm\n");
        return 77;
    }
    std::signal(SIGPIPE, SIG_IGN);
    testing::AddGlobalTestEnvironment(new RightMachine);
    return RUN_ALL_TESTS();
}
