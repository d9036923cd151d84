// SPDX-License-Identifier: Apache-2.0
//
// getrusage, clock_gettime and /proc/self/io; see usage.hpp.
#include "usage.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace pagepatrol::bench {

static double seconds(const struct timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

static Usage usage_of(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return {wall_clock(), seconds(usage.ru_utime), seconds(usage.ru_stime),
            static_cast<std::uint64_t>(usage.ru_majflt),
            static_cast<std::uint64_t>(usage.ru_minflt)};
}

double wall_clock() {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// RUSAGE_THREAD: no lock, no sum over threads
Usage thread_usage() {
    return usage_of(RUSAGE_THREAD);
}

Usage process_usage() {
    return usage_of(RUSAGE_SELF);
}

std::optional<std::uint64_t> disk_bytes() {
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

} // namespace pagepatrol::bench
