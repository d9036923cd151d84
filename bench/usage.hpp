// SPDX-License-Identifier: Apache-2.0
//
// Clocks and counters of this process, or of the calling thread, as the kernel
// keeps them. Differences of two readings are what a benchmark reports.
#pragma once

#include <cstdint>
#include <optional>

namespace pagepatrol::bench {

struct Usage {
    double wall = 0, user = 0, system = 0; // seconds; wall: since some fixed time
    std::uint64_t major_faults = 0, minor_faults = 0;

    Usage operator-(const Usage& start) const {
        return {wall - start.wall, user - start.user, system - start.system,
                major_faults - start.major_faults, minor_faults - start.minor_faults};
    }
    Usage& operator+=(const Usage& more) {
        wall += more.wall;
        user += more.user;
        system += more.system;
        major_faults += more.major_faults;
        minor_faults += more.minor_faults;
        return *this;
    }
};

double wall_clock();
Usage thread_usage();
Usage process_usage();

// Bytes that the kernel read from disk for this process, read-ahead included, since
// its start. Absent without CONFIG_TASK_IO_ACCOUNTING and in some containers.
std::optional<std::uint64_t> disk_bytes();

} // namespace pagepatrol::bench
