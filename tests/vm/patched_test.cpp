// SPDX-License-Identifier: Apache-2.0
// What only a kernel with PagePatrol built in can do: keep pages whatever the program
// advised. Skipped on others.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

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

class FirstToGo : public Patched, public testing::WithParamInterface<const char*> {
  protected:
    enum class Meanwhile { idle, touching };
    struct Left {
        double others_lost_share; ///< of the neighbour's file
        double own_lost_share;
        double others_fault_share; ///< major faults, as a share of its pages
    };

    /// Two processes with a file each, of one size, both used; that with a policy last, so
    /// that a fair LRU takes of the other. Then memory gets short; meanwhile both may go on to
    /// touch their files, at random.
    static Left run_beside(const std::string& policy, Meanwhile meanwhile) {
        const std::string first = Data::need("hot"), other = Data::folder + "/other";
        std::filesystem::copy_file(first, other, std::filesystem::copy_options::skip_existing);
        const Arm arm{policy, limit_for(2 * 64 * MiB + 16 * MiB)};
        cold_caches(arm);
        run({{built("tests/vm/hold")}});
        const MemoryCgroup cgroup(arm.limit);
        Child neighbour({{built("tests/vm/hold"), other}, {}, cgroup.path()});
        Child toucher({under(arm, {built("tests/vm/hold"), first}), {}, cgroup.path()});
        neighbour.ask("touch");
        toucher.ask("touch");
        const std::string roam = "roam " + std::to_string(Data::hot / page_size);
        double others_faults = 0;
        for (int part = 0; part < 10; ++part) {
            neighbour.ask("fill " + std::to_string(data_size(40 * MiB) / MiB / 10));
            if (meanwhile == Meanwhile::touching) {
                toucher.ask(roam);
                others_faults += std::stod(neighbour.ask(roam));
            }
        }
        const auto share = [](double pages) {
            return pages * page_size / static_cast<double>(Data::hot);
        };
        const auto lost = [&](Child& child) { return 1 - share(std::stod(child.ask("cached"))); };
        const Left left{lost(neighbour), lost(toucher), share(others_faults)};
        EXPECT_EQ(cgroup.oom_kills(), 0u);
        expect_undisturbed(toucher.wait());
        EXPECT_TRUE(neighbour.wait().good());
        std::filesystem::remove(other);
        return left;
    }

    struct Compared {
        Left by_default, with_policy;
    };

    /// With the policy the range itself has to pay.
    static Compared compare(Meanwhile meanwhile) {
        const TemporaryFolder folder;
        const std::string policy =
            folder.file("first.toml", std::string("schema = 1\n[[rule]]\npath = \"/scratch/hot\"\n"
                                                  "action = \"") +
                                          GetParam() + "\"\n");
        const Left by_default = run_beside("", meanwhile);
        const Json before = pagepatrol_ctl::status();
        const Left left = run_beside(policy, meanwhile);
        const Json after = pagepatrol_ctl::status();
        report("own_lost_share", left.own_lost_share);
        EXPECT_GE(left.own_lost_share, 0.25);
        EXPECT_GT(pagepatrol_ctl::total(after, "ignored"),
                  pagepatrol_ctl::total(before, "ignored"));
        return {by_default, left};
    }
};

TEST_P(FirstToGo, EvenIfTouched) {
    const auto [by_default, left] = compare(Meanwhile::idle);
    report("default_others_lost_share", by_default.others_lost_share);
    report("others_lost_share", left.others_lost_share);
    EXPECT_GE(by_default.others_lost_share, 0.25) << "the test shows nothing";
    EXPECT_LE(left.others_lost_share, 0.01);
}

/// The neighbour's file is its hot set: were it idle, and the classic LRU's list had gone round
/// once, it would be older than what a stream has just left there.
TEST_P(FirstToGo, EvenIfTouchedMeanwhile) {
    const auto [by_default, left] = compare(Meanwhile::touching);
    report("default_others_fault_share", by_default.others_fault_share);
    report("others_fault_share", left.others_fault_share);
    report("default_own_lost_share", by_default.own_lost_share);
    EXPECT_GE(by_default.others_fault_share, 0.03) << "the test shows nothing";
    EXPECT_LE(left.others_fault_share, by_default.others_fault_share / 2);
}

INSTANTIATE_TEST_SUITE_P(Actions, FirstToGo, testing::Values("stream", "deactivate"),
                         [](const auto& info) { return std::string(info.param); });

/// Else a program that unmaps and touches again and again would use up what reclaim may keep.
TEST_F(Patched, UnmappingAKeptPageIsNoQuestion) {
    const Arm arm{"hot-only.toml", ample_limit};
    const std::string hot = Data::need("hot");
    cold_caches(arm);
    const MemoryCgroup cgroup(arm.limit);
    Child child({under(arm, {built("tests/vm/hold"), hot}), {}, cgroup.path()});
    child.ask("touch");
    const Json before = pagepatrol_ctl::status();
    for (int i = 0; i < 3; ++i) {
        child.ask("unmap");
        EXPECT_EQ(child.ask("touch"), "0") << "the pages are not cached";
    }
    const Json after = pagepatrol_ctl::status();
    for (const char* counter : {"asked", "kept", "valve"})
        EXPECT_EQ(pagepatrol_ctl::total(after, counter), pagepatrol_ctl::total(before, counter))
            << counter;
    expect_undisturbed(child.wait());
}

} // namespace
} // namespace vmtest
