// SPDX-License-Identifier: Apache-2.0
//
// Runs a workload on an open engine with threads, and counts what it cost by role: point
// threads and the thread that scans.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../usage.hpp"
#include "engine.hpp"
#include "histogram.hpp"
#include "workload.hpp"

namespace pagepatrol::bench::kv {

struct RunOptions {
    Workload workload;
    bool points = true, scanner = true; // --role; the second only matters with full scans
    unsigned threads = 1;               // of points
    double seconds = 0;                 // 0: not by time
    std::uint64_t operations = 0;       // of all point threads, without warm-up; 0: no limit
    std::uint64_t scans = 0;            // full ones, without warm-up; 0: no limit
    std::uint64_t interleave = 0;       // a look-up after so many scanned records, in one thread
    double warm_up = 0.1;               // this share comes before, and is not counted
    double interval = 1;                // seconds
    double theta = 0.99;
    std::uint64_t seed = 1;
    std::uint64_t records = 0;
    std::uint64_t value_bytes = 0;
    // set by a signal: the run ends in order, with what it has
    const std::atomic<bool>* interrupted = nullptr;
};

struct RoleResult {
    std::string name;
    unsigned threads = 0;
    std::uint64_t operations = 0; // of the scan: records
    std::uint64_t scans = 0;      // full scans, whole ones
    std::uint64_t not_found = 0;
    std::uint64_t checksum = 0; // of all that was read: a sum, so the order does not matter
    double seconds = 0;         // of the longest thread
    Usage usage;                // sum over the threads; wall is theirs, too
    Histogram latency;          // ns; of the scan: of whole scans
    std::array<Histogram, kind_names.size()> kinds;
    std::vector<std::uint64_t> intervals; // operations in each

    void merge(const RoleResult& other);
};

struct RunResult {
    std::vector<RoleResult> roles;
    double seconds = 0, warmup_seconds = 0;
    Usage process;
    std::optional<std::uint64_t> bytes_read;
    bool interrupted = false;
};

RunResult run(Engine& engine, const RunOptions& options);

} // namespace pagepatrol::bench::kv
