// SPDX-License-Identifier: Apache-2.0
//
// Reads the clocks and counters of this process; see recorder.hpp.
#include "recorder.hpp"

namespace pagepatrol::bench {

Recorder::Snapshot Recorder::snapshot() {
    // the bytes first: reading them is not part of what is timed
    const std::optional<std::uint64_t> bytes_read = disk_bytes();
    return {thread_usage(), bytes_read};
}

Recorder::Recorder() : created_(wall_clock()) {}

void Recorder::count_hot(const Usage& before) {
    const Usage used = thread_usage() - before;
    counts_.hot_accesses++;
    counts_.hot_major_faults += used.major_faults;
    counts_.hot_minor_faults += used.minor_faults;
}

void Recorder::touch_hot(const volatile std::uint8_t* page) {
    const Usage before = thread_usage();
    touch(page);
    count_hot(before);
}

void Recorder::begin_pass() {
    counts_ = {};
    start_ = snapshot();
    if (result_.passes.empty())
        result_.warmup_seconds = start_.usage.wall - created_;
}

void Recorder::end_pass() {
    const Snapshot end = snapshot();
    const Usage used = end.usage - start_.usage;
    counts_.seconds = used.wall;
    counts_.user_seconds = used.user;
    counts_.system_seconds = used.system;
    counts_.major_faults = used.major_faults;
    counts_.minor_faults = used.minor_faults;
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
