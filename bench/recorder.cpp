// SPDX-License-Identifier: Apache-2.0
//
// Reads the clocks and counters of this process; see recorder.hpp.
#include "recorder.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace pagepatrol::bench {

static double wall_clock() {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

static double seconds(const struct timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

// /proc/self/io is absent without CONFIG_TASK_IO_ACCOUNTING and in some containers
static std::optional<std::uint64_t> disk_bytes() {
    const int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return std::nullopt;
    char buffer[512];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    close(fd);
    if (n <= 0)
        return std::nullopt;
    const std::string_view text(buffer, static_cast<std::size_t>(n));
    // not "cancelled_write_bytes" and the like: the key starts its line
    constexpr std::string_view key = "\nread_bytes: ";
    const std::size_t at = text.find(key);
    std::uint64_t value = 0;
    if (at == text.npos ||
        std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value).ec !=
            std::errc())
        return std::nullopt;
    return value;
}

// RUSAGE_THREAD: no lock, no sum over threads; the patterns have one thread
Recorder::Faults Recorder::faults() {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return {static_cast<std::uint64_t>(usage.ru_majflt),
            static_cast<std::uint64_t>(usage.ru_minflt)};
}

Recorder::Snapshot Recorder::snapshot() {
    Snapshot s{};
    s.bytes_read = disk_bytes();
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    s.user = seconds(usage.ru_utime);
    s.system = seconds(usage.ru_stime);
    s.faults = {static_cast<std::uint64_t>(usage.ru_majflt),
                static_cast<std::uint64_t>(usage.ru_minflt)};
    s.wall = wall_clock();
    return s;
}

Recorder::Recorder() : created_(wall_clock()) {}

void Recorder::count_hot(const Faults& before) {
    const Faults after = faults();
    counts_.hot_accesses++;
    counts_.hot_major_faults += after.major - before.major;
    counts_.hot_minor_faults += after.minor - before.minor;
}

void Recorder::touch_hot(const volatile std::uint8_t* page) {
    const Faults before = faults();
    touch(page);
    count_hot(before);
}

void Recorder::begin_pass() {
    counts_ = {};
    start_ = snapshot();
    if (result_.passes.empty())
        result_.warmup_seconds = start_.wall - created_;
}

void Recorder::end_pass() {
    const Snapshot end = snapshot();
    counts_.seconds = end.wall - start_.wall;
    counts_.user_seconds = end.user - start_.user;
    counts_.system_seconds = end.system - start_.system;
    counts_.major_faults = end.faults.major - start_.faults.major;
    counts_.minor_faults = end.faults.minor - start_.faults.minor;
    if (start_.bytes_read && end.bytes_read)
        counts_.bytes_read = *end.bytes_read - *start_.bytes_read;
    result_.passes.push_back(counts_);
}

StepResult Recorder::finish() const {
    StepResult result = result_;
    result.checksum = checksum_;
    Counts& total = result.total;
    bool all_bytes_known = true;
    std::uint64_t bytes = 0;
    for (const Counts& pass : result.passes) {
        total.seconds += pass.seconds;
        total.user_seconds += pass.user_seconds;
        total.system_seconds += pass.system_seconds;
        total.accesses += pass.accesses;
        total.hot_accesses += pass.hot_accesses;
        total.hot_major_faults += pass.hot_major_faults;
        total.hot_minor_faults += pass.hot_minor_faults;
        total.major_faults += pass.major_faults;
        total.minor_faults += pass.minor_faults;
        all_bytes_known = all_bytes_known && pass.bytes_read.has_value();
        bytes += pass.bytes_read.value_or(0);
    }
    if (all_bytes_known)
        total.bytes_read = bytes;
    return result;
}

} // namespace pagepatrol::bench
