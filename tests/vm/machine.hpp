// SPDX-License-Identifier: Apache-2.0
// The machine that the tests run on: memory cgroups, caches, disk, the data files,
// and PagePatrol as ppctl sees it. Whatever is wrong with the machine itself is
// thrown, which fails the test that asked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "child.hpp"
#include "json.hpp"

namespace vmtest {

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t page_size = 4096;

/// Files of this build and of the source tree, by their path there.
std::string built(std::string_view path);
std::string source(std::string_view path);

std::string read_file(const std::string& path);
void write_file(const std::string& path, std::string_view text);

/// A memory cgroup of its own, below the root; with its processes gone at the end.
class MemoryCgroup {
  public:
    static constexpr std::uint64_t no_limit = UINT64_MAX;
    explicit MemoryCgroup(std::uint64_t limit);
    ~MemoryCgroup();
    MemoryCgroup(const MemoryCgroup&) = delete;
    MemoryCgroup& operator=(const MemoryCgroup&) = delete;

    const std::string& path() const { return path_; }
    std::uint64_t oom_kills() const { return event("oom_kill"); }
    std::uint64_t limit_hits() const { return event("max"); }

  private:
    std::uint64_t event(const std::string& name) const;

    std::string path_;
};

/// A folder that everybody may read, on no disk; gone at the end.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::string& path() const { return path_; }
    /// Writes a file into it and returns its path.
    std::string file(std::string_view name, std::string_view text) const;

  private:
    std::string path_;
};

/// Debugging kernels take minutes for what others do in seconds: they get a quarter of the
/// data and of the memory, so that every share is what it is elsewhere.
inline std::uint64_t data_size(std::uint64_t usual) {
    return debugging_kernel() ? usual / 4 : usual;
}
/// What a program takes itself, out of its limit, does not depend on the data.
constexpr std::uint64_t own_memory = 3 * MiB;
inline std::uint64_t limit_for(std::uint64_t usual) {
    return own_memory + data_size(usual - own_memory);
}

/// The data, below /scratch; made at the first need.
struct Data {
    static const std::string folder; ///< of hot, scan and loop
    static inline const std::uint64_t hot = data_size(64 * MiB), scan = data_size(400 * MiB),
                                      loop = data_size(137 * MiB);
    static std::string need(std::string_view name); ///< "hot", "scan", "loop": its path
    static std::string need_many(std::uint64_t size = 400 * MiB); ///< folder of files of 1 MiB each
};

/// The long forms too: scripts/test --full.
bool full();

/// "classic" or "mglru": what is in force.
std::string lru();
/// Writes back and drops clean caches.
void drop_caches();
/// What the disk below /scratch has read since boot.
std::uint64_t disk_bytes_read();

namespace pagepatrol_ctl {
Ended unload();
Ended load(const Argv& options = {});
/// `ppctl status --json`
Json status();
/// The process's entry in it, or nullptr
const Json* process(const Json& status, pid_t pid);
std::uint64_t total(const Json& status, std::string_view counter);
std::uint64_t subscriptions(); ///< the kernel side's own count
bool module_inserted();
bool built_in(); ///< into the kernel
/// Entries in a pinned map, read without ppctl.
std::size_t map_entries(const char* name);
/// Bytes that the kernel says a pinned map holds.
std::size_t map_memory(const char* name);

/// PagePatrol loaded anew with these options; back to the defaults at the end.
struct LoadedWith {
    explicit LoadedWith(const Argv& options);
    ~LoadedWith();
    LoadedWith(const LoadedWith&) = delete;
    LoadedWith& operator=(const LoadedWith&) = delete;
};

/// Sees to it that PagePatrol is loaded when the test ends.
struct LoadedAtEnd {
    LoadedAtEnd() = default;
    ~LoadedAtEnd();
    LoadedAtEnd(const LoadedAtEnd&) = delete;
    LoadedAtEnd& operator=(const LoadedAtEnd&) = delete;
};
} // namespace pagepatrol_ctl

} // namespace vmtest
