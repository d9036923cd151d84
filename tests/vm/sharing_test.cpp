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

/// A policy with one rule for some of the data files.
std::string one_rule(const std::string& names, const std::string& action) {
    return "schema = 1\n[[rule]]\npath = \"/scratch/" + names + "\"\naction = \"" + action + "\"\n";
}

TEST(Sharing, StreamLeavesWhatTheNeighbourUses) {
    const TemporaryFolder folder;
    const std::string config = folder.file("both.toml", read_both("hot", "loop"));
    const Arm arm{folder.file("policy.toml", one_rule("{hot,loop}", "stream"))};
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
    EXPECT_GE(dropped, (Data::loop - data_size(40 * MiB)) / page_size) << "the test shows nothing";
    EXPECT_LE(faults, static_cast<long>(Data::hot / page_size / 50));
    EXPECT_EQ(cgroup.oom_kills(), 0u);
}

std::chrono::seconds patience_after(double seconds) {
    return std::chrono::seconds(60 + static_cast<int>(4 * seconds));
}

TEST(Sharing, PinKeepsNoMoreThanItsPartOfTheLimit) {
    const std::string hot = Data::need("hot"), loop = Data::need("loop");
    const TemporaryFolder folder;
    const Arm arm{folder.file("policy.toml", one_rule("{hot,loop}", "pin"))};
    const MemoryCgroup cgroup(arm.limit);
    Child child({under(arm, {built("tests/vm/hold"), hot, loop}), {}, cgroup.path()});
    std::size_t ranges = 0;
    std::uint64_t kept_bytes = 0;
    EXPECT_TRUE(wait_until(
        [&] {
            const Json now = pagepatrol_ctl::status();
            const Json* process = pagepatrol_ctl::process(now, child.pid());
            ranges = kept_bytes = 0;
            if (process)
                for (const Json& range : (*process)["ranges"].array()) {
                    ++ranges;
                    kept_bytes += range["keep_pages"].count() * page_size;
                }
            return ranges == 2 || !child.running();
        },
        std::chrono::seconds(60)));
    const Ended ended = child.wait();
    expect_undisturbed(ended);
    EXPECT_EQ(ranges, 2u);
    EXPECT_GT(kept_bytes, arm.limit / 2);
    EXPECT_LE(kept_bytes, arm.limit * 3 / 4);
}

TEST(Sharing, PinOfTwiceTheLimitSurvives) {
    const TemporaryFolder folder;
    const std::string config = folder.file("both.toml", read_both("hot", "loop"));
    const std::string policy = folder.file("policy.toml", one_rule("{hot,loop}", "pin"));
    // 201 MiB pinned in 96 MiB, read twice
    const Bench by_default = run_bench(config, {"iterations=2"}, {});
    Bench pinned = run_bench(config, {"iterations=2"},
                             {policy, bench_limit, patience_after(by_default.seconds)});
    report("seconds_default", by_default.seconds);
    report("seconds_pinned", pinned.seconds);
    report("time_ratio", pinned.seconds / by_default.seconds);
    report("asked", static_cast<double>(pinned.counters["asked"]));
    // 0 is well: the budget keeps it from getting that far
    report("valve", static_cast<double>(pinned.counters["valve"]));
    EXPECT_EQ(pinned.oom_kills, 0u);
    EXPECT_EQ(pinned.checksums, by_default.checksums);
    EXPECT_LE(pinned.seconds, 3 * by_default.seconds);
}

/// Each process may pin its part of the limit, and two of them more than all of it.
TEST(Sharing, TwoThatPinMoreThanTheLimitSurvive) {
    const TemporaryFolder folder;
    const std::string hot = Data::need("hot"),
                      policy = folder.file("policy.toml", one_rule("{hot,loop}", "pin"));
    Data::need("loop");
    const auto seconds = [&](const Arm& arm) {
        cold_caches(arm);
        run({{built("tests/vm/hold")}});
        const MemoryCgroup cgroup(arm.limit);
        Child other({under(arm, {built("tests/vm/hold"), hot}), {}, cgroup.path()});
        EXPECT_NE(other.ask("touch"), "");
        const Ended ended =
            run({under(arm, bench_command("loop.toml", {"step.loop.passes=2"})), {}, cgroup.path()},
                arm.patience);
        expect_undisturbed(ended);
        EXPECT_NE(other.ask("touch"), "") << "the other one is gone";
        EXPECT_EQ(cgroup.oom_kills(), 0u);
        return read_bench(ended).seconds;
    };
    // One pair is a few seconds of much or little luck: three, in turn, and all their time counts.
    const Json before = pagepatrol_ctl::status();
    double by_default = 0, pinned = 0;
    for (int pair = 0; pair < 3; ++pair) {
        by_default += seconds({});
        pinned += seconds({policy, bench_limit, std::chrono::seconds(300)});
    }
    const Json after = pagepatrol_ctl::status();
    report("time_ratio", pinned / by_default);
    for (const char* counter : {"asked", "valve"})
        report(counter, static_cast<double>(pagepatrol_ctl::total(after, counter) -
                                            pagepatrol_ctl::total(before, counter)));
    EXPECT_LE(pinned, 5 * by_default) << "the valve bounds what it costs";
}

/// What is kept on paper must not count where little of it is in memory: a program whose
/// own memory fits, if the kernel takes all of the file's pages, is not killed.
TEST(Sharing, PinOfWhatIsHardlyUsedLeavesRoomForTheRest) {
    const TemporaryFolder folder;
    const std::string hot = Data::need("hot"),
                      policy = folder.file("policy.toml", one_rule("hot", "pin"));
    const std::uint64_t own = data_size(88 * MiB), limit = own_memory + own;
    const std::string fill = "fill " + std::to_string(own / MiB);
    for (const Arm& arm : {Arm{{}, limit}, Arm{policy, limit}}) {
        const std::string name = arm.policy.empty() ? "default" : "policy";
        cold_caches(arm);
        run({{built("tests/vm/hold")}});
        const Json before = pagepatrol_ctl::status();
        const MemoryCgroup cgroup(arm.limit);
        Child child({under(arm, {built("tests/vm/hold"), hot}), {}, cgroup.path()});
        EXPECT_NE(child.ask("sip"), "") << name;
        EXPECT_NE(child.ask(fill), "") << name << ": it was killed";
        const Json after = pagepatrol_ctl::status();
        const auto came = [&](const char* counter) {
            return pagepatrol_ctl::total(after, counter) - pagepatrol_ctl::total(before, counter);
        };
        for (const char* counter : {"kept", "valve"})
            report(name + "_" + counter, static_cast<double>(came(counter)));
        EXPECT_EQ(cgroup.oom_kills(), 0u) << name;
        EXPECT_EQ(came("kept") > 0, !arm.policy.empty()) << "the test shows nothing";
    }
}

/// The last line of defence, with the budget out of the way: all of the memory pinned.
TEST(Sharing, ValveOpensBeforeAnythingIsKilled) {
    const pagepatrol_ctl::LoadedWith loaded({"--keep-percent", "100"});
    Data::need("hot");
    const TemporaryFolder folder;
    const std::string policy = folder.file("policy.toml", one_rule("hot", "pin"));
    const Argv settings = {"files.loop.path=hot", "step.loop.passes=1"};
    Bench pinned =
        run_bench("loop.toml", settings, {policy, limit_for(16 * MiB), std::chrono::seconds(150)});
    report("seconds", pinned.seconds);
    report("valve", static_cast<double>(pinned.counters["valve"]));
    EXPECT_EQ(pinned.oom_kills, 0u);
    EXPECT_GT(pinned.counters["valve"], 0u) << "the test shows nothing";
}

} // namespace
} // namespace vmtest
