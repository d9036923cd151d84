// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a program's mapping calls once a policy is active. Knows
// nothing of LD_PRELOAD, libc names or errno: results are the kernel's own, a
// negative errno on failure. Never allocates; a call that comes from a signal
// handler inside one of these, or that can't have the lock, goes straight through.
//
// Processes. A fork's child has the table, as its address space is a copy, and
// the kernel side copies its own. Children of vfork and of clone(CLONE_VM) share
// both with their parent. exec starts anew: another address space, another shim.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <sys/stat.h>

namespace pagepatrol {

struct Policy;

namespace core {

// The one thing the wrappers look at while there is no policy.
extern std::atomic<bool> active;

// The program puts itself under a seccomp filter, which may kill it for a system call of ours
// (bpf, fstat, readlink): from now on every call passes straight through. What the kernel side
// has of this process stays; it goes with the address space. Under the Guard, that no thread is
// in the middle of one.
void step_aside() noexcept;
// ... or tried in vain.
void step_back() noexcept;
bool is_aside() noexcept;

// How the policy is read anew when its file changes. Called under the Guard, on the program's
// threads, inside their mmap(): must not use malloc, nor much of their stack.
struct Source {
    const char* file; // absolute; has to stay
    struct ::stat seen;
    // The new policy, and what its file was when it was read. nullptr: broken, and said so; or
    // `later`: it could not be read for a reason that passes.
    const Policy* (*read)(struct ::stat& seen, bool& later) noexcept;
    void (*release)(const Policy*) noexcept;
};

// No policy: only what the program itself asks for. No source: the policy stays as it is.
void start(const Policy* policy, std::uint64_t page_size, const Source* source = nullptr) noexcept;
// Ranges of the mappings that were there before start(), from /proc/thread-self/maps. `own` is an
// address inside this library, `loader` one inside ld.so (or 0): those files are left alone.
void catch_up(const void* own, const void* loader) noexcept;

// The program is about to exit: what its streams have pending, and what is to be evicted, is
// dropped while it is mapped.
void finish() noexcept;

long map(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept;
long unmap(void* addr, std::size_t len) noexcept;
long remap(void* addr, std::size_t old_len, std::size_t new_len, int flags, void* to) noexcept;
long advise(void* addr, std::size_t len, int advice) noexcept;

// The program speaks for itself: see include/pagepatrol/pagepatrol.h.
long pin(void* addr, std::size_t len) noexcept;
long unpin(void* addr, std::size_t len) noexcept;
long act(void* addr, std::size_t len, std::uint32_t action) noexcept; // PP_ACTION_*, once

} // namespace core
} // namespace pagepatrol
