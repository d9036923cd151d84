// SPDX-License-Identifier: Apache-2.0
//
// Counts what a step does: accesses, faults, time, bytes from disk; in total and
// per pass. Costs nothing per ordinary access but an addition and the checksum;
// a hot access costs two getrusage calls (its faults are counted apart).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "usage.hpp"

namespace pagepatrol::bench {

struct Counts {
    double seconds = 0;
    double user_seconds = 0;
    double system_seconds = 0;
    std::uint64_t accesses = 0; // hot ones included
    std::uint64_t hot_accesses = 0;
    std::uint64_t hot_major_faults = 0;
    std::uint64_t hot_minor_faults = 0;
    std::uint64_t major_faults = 0; // hot ones included
    std::uint64_t minor_faults = 0;
    // as charged to this process by the kernel; absent without /proc/self/io
    std::optional<std::uint64_t> bytes_read;
};

struct StepResult {
    Counts total;               // the sum of the passes
    std::vector<Counts> passes; // one entry for patterns without passes
    double warmup_seconds = 0;
    std::uint64_t checksum = 0;
};

class Recorder {
  public:
    void touch(const volatile std::uint8_t* page) {
        add(*page);
        counts_.accesses++;
    }
    void touch_hot(const volatile std::uint8_t* page);
    // for patterns that read more than a byte of a page
    template <typename T> T read(const T* address) {
        const T value = *const_cast<const volatile T*>(address);
        add(static_cast<std::uint64_t>(value));
        counts_.accesses++;
        return value;
    }
    template <typename T> T read_hot(const T* address) {
        const Usage before = thread_usage();
        const T value = read(address);
        count_hot(before);
        return value;
    }

    // Accesses before the first begin_pass() are warm-up: only their time is told.
    void begin_pass();
    void end_pass();
    StepResult finish() const;
    Recorder();

  private:
    struct Snapshot {
        Usage usage;
        std::optional<std::uint64_t> bytes_read;
    };
    static Snapshot snapshot();
    void count_hot(const Usage& before);
    void add(std::uint64_t value) { checksum_ = (checksum_ ^ value) * 0x100000001b3u; } // FNV-1a

    double created_;
    Counts counts_;
    Snapshot start_{};
    StepResult result_;
    std::uint64_t checksum_ = 0xcbf29ce484222325u;
};

} // namespace pagepatrol::bench
