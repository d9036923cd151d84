// SPDX-License-Identifier: Apache-2.0
//
// The mappings under trace and their open pages. A traced page is PROT_NONE until it is
// touched; the last `window` pages that were touched are open. Everything here may be called
// from a signal handler: no allocation, no libc locks, no errno.
#pragma once

#include <cstddef>
#include <cstdint>

#include "state.hpp"

namespace pagepatrol::trace {

// Signals of this thread are held back and the tables are ours, for as long as it lives.
// What it guards never touches a traced page.
class Guard {
  public:
    Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();

  private:
    std::uint64_t signals_;
};

// `state` stays mapped for good; window: at least min_window.
inline constexpr unsigned min_window = 32, max_window = 1024;
void start(State* state, unsigned window);
bool started();

// All with a Guard held.

// The mapping [start, start + bytes) of the file from `offset` on is traced from now on.
void add(std::uintptr_t start, std::size_t bytes, std::uint64_t device, std::uint64_t inode,
         const char* path, std::uint64_t offset, int prot);
// [start, start + bytes) is no longer traced. `open`: its pages get their protection back.
void remove(std::uintptr_t start, std::size_t bytes, bool open);
// The first traced mapping in the range.
struct Part {
    std::uintptr_t start;
    std::size_t bytes;
    std::uint32_t file;
    std::uint64_t offset;
    int prot;
};
bool find(std::uintptr_t start, std::size_t bytes, Part* part);
void add_part(const Part& part);

// An access to `address` was refused: records it and opens the page. false: that is
// none of ours, or its own protection forbids it.
bool touched(std::uintptr_t address, bool write);

// For a system call on this memory: records and opens its pages, which stay open until
// release. Returns whether any is traced.
bool hold(std::uintptr_t start, std::size_t bytes);
void release(std::uintptr_t start, std::size_t bytes);

} // namespace pagepatrol::trace
