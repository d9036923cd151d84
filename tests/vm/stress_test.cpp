// SPDX-License-Identifier: Apache-2.0
// Everything at once, for long: in three memory cgroups that are full, processes fork,
// map, push and are killed, while PagePatrol is unloaded and loaded again and the LRU
// is switched. What it shows is what is left afterwards: nothing. On a debugging kernel
// that kernel's own checkers watch meanwhile, and scripts/vm asks kmemleak at the end.
// It judges no figures of the programs, only that they were not disturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include <unistd.h>

#include "arms.hpp"

namespace vmtest {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

const std::string parameters = "/sys/module/pagepatrol/";

std::chrono::seconds duration() {
    // a debugging kernel's checkers are what the test is for
    return debugging_kernel() ? 600s : 120s;
}

/// Objects of a slab cache that are in use. The kernel keeps free ones per processor and
/// counts them as used, so they are given back first.
std::uint64_t objects(const std::string& cache) {
    write_file("/sys/kernel/slab/" + cache + "/shrink", "1");
    std::istringstream info(read_file("/proc/slabinfo"));
    for (std::string line; std::getline(info, line);) {
        std::istringstream words(line);
        std::string name;
        std::uint64_t used = 0;
        if (words >> name >> used && name == cache)
            return used;
    }
    throw std::runtime_error("/proc/slabinfo: no " + cache);
}

/// The kernel's count of what refers to the module; built in, there is none.
std::string references() {
    return pagepatrol_ctl::built_in() ? "" : read_file(parameters + "refcnt");
}

/// What a process that is gone must have given back. Only caches that are not merged
/// with others, and that nothing else on this machine uses meanwhile.
constexpr std::array counted_caches = {"mm_struct", "filp"};
using Counted = std::array<std::uint64_t, counted_caches.size()>;

Counted count_objects() {
    Counted counted;
    for (std::size_t i = 0; i < counted.size(); ++i)
        counted[i] = objects(counted_caches[i]);
    return counted;
}

/// One cgroup: a storm, and when it is over the next.
class Storms {
  public:
    Storms(const std::string& files, const std::string& policy, std::uint64_t limit)
        : cgroup_(limit), files_(files), arm_{policy, limit} {}

    void keep_going() {
        if (storm_ && storm_->running())
            return;
        finish();
        storm_ = std::make_unique<Child>(
            Command{under(arm_, {built("tests/vm/storm"), files_, std::to_string(forks), "8",
                                 std::to_string(2000 * slowness()), // else it never ends
                                 std::to_string(++begun)}),
                    {},
                    cgroup_.path()});
    }
    /// Waits for the storm that is under way, if one is.
    void finish() {
        if (!storm_)
            return;
        const Ended ended = storm_->wait(300s);
        storm_.reset();
        ++ended_;
        // stderr may say that the kernel side is missing: it is, now and then
        EXPECT_TRUE(ended.good()) << ended.text();
        EXPECT_EQ(ended.out, "killed " + std::to_string(forks) + " wrong 0\n") << ended.text();
    }
    int ended() const { return ended_; }
    std::uint64_t oom_kills() const { return cgroup_.oom_kills(); }
    /// Pages that reclaim looked at.
    std::uint64_t reclaims() const {
        std::istringstream stat(read_file(cgroup_.path() + "/memory.stat"));
        std::string name;
        for (std::uint64_t value; stat >> name >> value;)
            if (name == "pgscan")
                return value;
        throw std::runtime_error(cgroup_.path() + "/memory.stat: no pgscan");
    }

  private:
    // Few, so that many begin: one that once met PagePatrol unloaded pushes no more.
    static constexpr int forks = 12;
    // Of all storms: were each like the one before, all that they touch would soon be in memory.
    static inline int begun = 0;
    const MemoryCgroup cgroup_;
    const std::string files_;
    const Arm arm_;
    std::unique_ptr<Child> storm_;
    int ended_ = 0;
};

void switch_lru() {
    write_file("/sys/kernel/mm/lru_gen/enabled", lru() == "classic" ? "y" : "n");
}

/// The LRU that the test found is in force again afterwards.
struct LruAtEnd {
    ~LruAtEnd() {
        if (lru() != before)
            switch_lru();
    }
    const std::string before = lru();
};

/// Loads and unloads; counts what happened in between.
class Reloads {
  public:
    void unload() {
        const Json status = pagepatrol_ctl::status();
        for (const char* counter : {"uploads", "forks", "exits", "dropped"})
            counted_[counter] += pagepatrol_ctl::total(status, counter);
        // It gives up after 10 s if a thread with queued work is in a system call that long.
        Ended ended = pagepatrol_ctl::unload();
        for (int tries = 1; tries < slowness() && !ended.good(); ++tries)
            ended = pagepatrol_ctl::unload();
        ASSERT_TRUE(ended.good()) << "after " << times_ << " times: " << ended.text();
        ASSERT_FALSE(pagepatrol_ctl::status()["loaded"].boolean());
        ++times_;
    }
    void load() {
        const Ended ended = pagepatrol_ctl::load();
        ASSERT_TRUE(ended.good()) << "after " << times_ << " times: " << ended.text();
    }
    int times() const { return times_; }
    std::uint64_t counted(const char* counter) { return counted_[counter]; }

  private:
    int times_ = 0;
    std::map<std::string, std::uint64_t> counted_;
};

using AllStorms = std::array<Storms, 3>;

bool all_under_pressure(const AllStorms& storms) {
    return std::all_of(storms.begin(), storms.end(),
                       [](const Storms& storm) { return storm.reclaims() > 0; });
}

/// For the duration, and on until it has shown something: storms in all cgroups; a reload
/// once some tables were pushed and a process with one was killed; the other LRU and empty
/// caches now and then.
void rage(AllStorms& storms, Reloads& reloads) {
    const auto start = steady_clock::now();
    const auto limit = start + (duration() + 120s) * slowness();
    const auto shown = [&] {
        return reloads.times() >= 3 && reloads.counted("exits") > 0 &&
               reloads.counted("dropped") > 0 && all_under_pressure(storms);
    };
    const auto enough = [&] { return steady_clock::now() > start + duration() && shown(); };
    drop_caches(); // what is cached is charged to who wrote the files: no pressure
    for (unsigned round = 1; steady_clock::now() < limit && !enough(); ++round) {
        const auto least = steady_clock::now() + 4s;
        wait_until(
            [&] {
                for (Storms& storm : storms)
                    storm.keep_going();
                const Json status = pagepatrol_ctl::status();
                return steady_clock::now() > least &&
                       pagepatrol_ctl::total(status, "uploads") >= 30 &&
                       pagepatrol_ctl::total(status, "exits") > 0;
            },
            60s);
        if (round % 3 == 0) {
            // Not under pressure: while it moves pages from lists to lists the kernel finds none
            // to reclaim, and kills. Without PagePatrol too: dozens in two minutes of this.
            for (Storms& storm : storms)
                storm.finish();
            switch_lru();
        }
        if (round % 5 == 0 && shown()) // where all is slow memory is not full before
            drop_caches();
        ASSERT_NO_FATAL_FAILURE(reloads.unload());
        pause_briefly(); // what is started now finds nothing loaded
        ASSERT_NO_FATAL_FAILURE(reloads.load());
    }
}

TEST(Stress, LeavesNothingBehind) {
    if (!full())
        GTEST_SKIP() << "takes minutes: scripts/test --full";
    const std::string files = Data::need_many();
    const TemporaryFolder folder;
    const auto policy = [&](const char* name, const char* first, const char* second) {
        return folder.file(name, std::string("schema = 1\n"
                                             "[[rule]]\npath = \"/scratch/**/*[0-4].txt\"\naction = \"") +
                                     first + "\"\n[[rule]]\npath = \"/scratch/**\"\naction = \"" +
                                     second + "\"\n");
    };
    const LruAtEnd lru_at_end;
    const pagepatrol_ctl::LoadedAtEnd loaded_at_end;
    Reloads reloads;
    // what stays in memory once it was used: programs, libraries, kernel-side caches
    ASSERT_NO_FATAL_FAILURE(reloads.unload());
    ASSERT_NO_FATAL_FAILURE(reloads.load());
    const std::string referring = references();
    const Counted before = count_objects();
    int storms_ended = 0;
    {
        AllStorms storms = {
            Storms(files, policy("pin.toml", "stream", "pin"), 48 * MiB),
            Storms(files, policy("activate.toml", "deactivate", "activate"), 32 * MiB),
            Storms(files, policy("prefetch.toml", "prefetch", "none"), 48 * MiB)};
        rage(storms, reloads);
        for (Storms& storm : storms) {
            storm.finish();
            storms_ended += storm.ended();
            EXPECT_EQ(storm.oom_kills(), 0u);
            EXPECT_GT(storm.reclaims(), 0u) << "no pressure: the test shows nothing";
        }
    }
    if (HasFatalFailure())
        return;
    EXPECT_TRUE(wait_until([] { return pagepatrol_ctl::subscriptions() == 0; }, 10s));
    for (const char* map : {"pp_small_tables", "pp_large_tables", "pp_range_states"})
        EXPECT_EQ(pagepatrol_ctl::map_entries(map), 0u) << map;
    const auto pending = [] { return read_file(parameters + "parameters/pending"); };
    EXPECT_TRUE(wait_until([&] { return pending() == "0\n"; }, 10s)) << pending();
    // each reload leaves the same programs, and each of them the same references
    EXPECT_TRUE(wait_until([&] { return references() == referring; }, 20s))
        << references() << "and before: " << referring;
    for (std::size_t i = 0; i < counted_caches.size(); ++i) {
        std::uint64_t now = 0;
        // a few more may be kernel threads' and those of files that stay open
        EXPECT_TRUE(wait_until([&] { return (now = objects(counted_caches[i])) <= before[i] + 4; }, 20s))
            << counted_caches[i] << ": " << before[i] << " before, " << now << " now";
        report(counted_caches[i], static_cast<double>(now) - static_cast<double>(before[i]));
    }
    ASSERT_NO_FATAL_FAILURE(reloads.unload()); // the module goes only if nothing refers to it
    report("seconds", static_cast<double>(duration().count()));
    report("reloads", reloads.times());
    report("storms", storms_ended);
    for (const char* counter : {"uploads", "forks", "exits", "dropped"})
        report(counter, static_cast<double>(reloads.counted(counter)));
    EXPECT_GT(reloads.counted("uploads"), 100u) << "the test shows nothing";
    EXPECT_GT(reloads.counted("exits"), 0u) << "the test shows nothing";
    EXPECT_GT(reloads.counted("dropped"), 0u) << "the test shows nothing";
    EXPECT_GE(reloads.times(), 3);
    EXPECT_GE(storms_ended, 3);
}

} // namespace
} // namespace vmtest
