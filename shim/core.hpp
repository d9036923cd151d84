// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a program's mapping calls once a policy is active. Knows
// nothing of LD_PRELOAD, libc names or errno: results are the kernel's own, a
// negative errno on failure. Never allocates; a call that comes from a signal
// handler inside one of these, or that can't have the lock, goes straight through.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace pagepatrol {

struct Policy;

namespace core {

// The one thing the wrappers look at while there is no policy.
extern std::atomic<bool> active;

void start(const Policy& policy, std::uint64_t page_size) noexcept;
// Ranges of the mappings that were there before start(), from /proc/self/maps. `own` is an
// address inside this library, `loader` one inside ld.so (or 0): those files are left alone.
void catch_up(const void* own, const void* loader) noexcept;

// The program is about to exit: what its streams have pending is dropped while it is mapped.
void finish() noexcept;

long map(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept;
long unmap(void* addr, std::size_t len) noexcept;
long remap(void* addr, std::size_t old_len, std::size_t new_len, int flags, void* to) noexcept;
long advise(void* addr, std::size_t len, int advice) noexcept;

} // namespace core
} // namespace pagepatrol
