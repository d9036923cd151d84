// SPDX-License-Identifier: Apache-2.0
//
// Memory, and a way out when it runs out, while a policy is read. The shim's
// operator new takes from the arena in use and from nothing else: the policy may be
// read inside an allocator's own mmap(), where malloc would deadlock.
#pragma once

#include <csetjmp>
#include <cstddef>

namespace pagepatrol::runtime {

// Memory straight from the kernel, given back as a whole.
class Arena {
  public:
    static constexpr std::size_t limit = std::size_t(32) << 20; // bytes in all

    void* allocate(std::size_t size, std::size_t align) noexcept; // nullptr: none left
    // Only the block given out last is used again.
    void release(void* p) noexcept;
    void unmap() noexcept; // everything
    bool over_limit() const noexcept { return over_limit_; } // it is not that memory is short

  private:
    struct Chunk {
        Chunk* before;
        std::size_t size;
    };
    bool grow(std::size_t least) noexcept;

    Chunk* chunk_ = nullptr;
    char* last_ = nullptr; // the block given out last
    char *at_ = nullptr, *end_ = nullptr;
    std::size_t mapped_ = 0;
    bool over_limit_ = false;
};

// Until disarm() memory comes from `arena`; when there is none left: longjmp(out, 1).
void arm(Arena& arena, std::jmp_buf& out) noexcept;
void disarm() noexcept;

// Only what is touched takes memory.
inline constexpr std::size_t stack_size = 512 * 1024;

// Calls `work` on a stack of its own, with all signals blocked: nobody's handler comes to see
// that stack. Below it is a page that nothing may touch. False if there is no memory for it.
bool on_own_stack(void (*work)() noexcept) noexcept;

} // namespace pagepatrol::runtime
