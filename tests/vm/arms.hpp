// SPDX-License-Identifier: Apache-2.0
// One arm of a comparison: an unmodified program with cold caches, in a memory
// cgroup of its own, with a policy or with the kernel's default. An arm that does
// not run as it should is thrown, which fails the test; it judges no figures.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "child.hpp"
#include "json.hpp"
#include "machine.hpp"

namespace vmtest {

/// The limits of the acceptance tests.
inline const std::uint64_t bench_limit = limit_for(96 * MiB), search_limit = limit_for(290 * MiB);
constexpr std::uint64_t ample_limit = 800 * MiB;

struct Arm {
    std::string policy; ///< a file of policies/, or a path; empty: the kernel's default
    std::uint64_t limit = bench_limit;
    std::chrono::seconds patience = std::chrono::seconds(300); ///< then it is killed
};

/// The command under the arm's policy: through pp-run.
Argv under(const Arm& arm, Argv command);
/// pp-bench with a config of bench/configs (or a path), its JSON on stdout.
Argv bench_command(const std::string& config, const Argv& settings = {});
/// rg --mmap counting in `path`.
Argv search_command(const std::string& path, int threads = 1);
/// A driver of tests/vm/programs.
Argv python(const std::string& driver, Argv arguments = {});

/// Drops the caches, then runs what is going to be measured idly: programs and
/// libraries must be charged to nobody's cgroup that is measured.
void cold_caches(const Arm& arm);

/// What pp-bench says of a run with one step.
struct Bench {
    double seconds = 0, cpu_seconds = 0; ///< without warm-up
    std::uint64_t accesses = 0, hot_accesses = 0, hot_major_faults = 0, major_faults = 0;
    std::vector<std::uint64_t> pass_bytes; ///< read from disk, each pass
    std::vector<std::string> checksums;    ///< of each step
    std::uint64_t disk_bytes = 0;          ///< read by the disk, warm-up and all
    std::uint64_t oom_kills = 0;
    std::map<std::string, std::uint64_t> counters; ///< PagePatrol's, of this run

    double hot_fault_share() const;
    /// Bytes read from disk from the second pass on, each as a share of `size`; the worst.
    double worst_later_pass(std::uint64_t size) const;
};

/// Fills what pp-bench itself tells, from its output.
Bench read_bench(const Ended& ended);
/// Throws unless the program ended well and the shim had nothing to complain of, but for what
/// begins with `may_say`.
void expect_undisturbed(const Ended& ended, const std::string& may_say = "");

Bench run_bench(const std::string& config, const Argv& settings, const Arm& arm);
/// The same, once per process for the same arguments: the default that several tests need.
const Bench& default_hot_and_scan();
/// Arguments of the hot-and-scan that all tests compare.
extern const Argv hot_and_scan_settings;

struct Search {
    std::uint64_t disk_bytes, limit_hits;
};
/// Searches by `threads` threads, one process after another.
std::vector<Search> run_searches(const std::string& path, int threads, int runs, const Arm& arm);

/// On stdout and in the test's report.
void report(const std::string& name, double value);

} // namespace vmtest
