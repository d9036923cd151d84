// SPDX-License-Identifier: Apache-2.0
// A memory cgroup for the processes of one test, and the LRU it reclaims from.
#pragma once

#include <cstdint>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "files.hpp"

namespace pagepatrol::test {

class Cgroup {
  public:
    /// `knob` is memory.max or memory.high.
    explicit Cgroup(uint64_t limit, const std::string& knob = "memory.max") {
        mkdir(path_.c_str(), 0755);
        write_file(path_ + "/" + knob, std::to_string(limit));
    }
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    /// Its processes have to be gone.
    ~Cgroup() { rmdir(path_.c_str()); }

    /// From the root of the hierarchy.
    std::string name() const { return path_.substr(sizeof("/sys/fs/cgroup") - 1); }

    void add(pid_t pid) const { write_file(path_ + "/cgroup.procs", std::to_string(pid)); }

  private:
    static inline int made_ = 0;
    const std::string path_ = "/sys/fs/cgroup/pp-bpf-test-" + std::to_string(++made_);
};

/// Switches between the classic LRU and MGLRU for as long as it lives.
class Lru {
  public:
    explicit Lru(bool mglru) : before_(read_file(knob)) { write_file(knob, mglru ? "y" : "n"); }
    Lru(const Lru&) = delete;
    Lru& operator=(const Lru&) = delete;
    ~Lru() { write_file(knob, before_); }

  private:
    static constexpr const char* knob = "/sys/kernel/mm/lru_gen/enabled";
    const std::string before_;
};

} // namespace pagepatrol::test
