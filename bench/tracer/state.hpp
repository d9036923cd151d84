// SPDX-License-Identifier: Apache-2.0
//
// The file that traced processes write to while they run, shared by all of them, and that
// bench/trace turns into the trace when they have ended. Native byte order; append-only.
#pragma once

#include <atomic>
#include <cstdint>

namespace pagepatrol::trace {

inline constexpr std::uint64_t magic = 0x3145434152545050u; // "PPTRACE1"
inline constexpr std::uint32_t max_files = 4096;
inline constexpr std::uint32_t max_path = 512;

struct File {
    std::uint64_t device, inode;
    char path[max_path]; // as the kernel names it; cut off if longer
};

struct Record {
    std::uint32_t file; // index in State::files
    std::uint32_t page; // of the file, of page_size bytes
};

// bench/trace makes the file: this head with zeros but for the first three, then room for
// `capacity` records (a sparse file).
struct State {
    std::uint64_t magic;
    std::uint64_t capacity; // records
    std::uint32_t page_size;
    std::uint32_t processes;  // 0 at the end: nothing was traced (atomic)
    std::uint64_t count;      // records handed out; above `capacity`: so many are missing (atomic)
    std::uint32_t files_lock; // 0: free (atomic)
    std::uint32_t file_count; // under files_lock; those below are final
    std::uint64_t untraced;   // mappings that found no room in a table (atomic)
    File files[max_files];
};
static_assert(sizeof(State) == 48 + max_files * (16 + max_path));

template <typename T> std::atomic_ref<T> shared(T& value) {
    return std::atomic_ref<T>(value);
}

} // namespace pagepatrol::trace
