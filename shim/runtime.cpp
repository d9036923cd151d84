// SPDX-License-Identifier: Apache-2.0
//
// What stands in for the C++ run time's throwing parts: in a library that must
// not end its host, "out of memory" while a policy is read means "no policy".
// Because these are defined here, none of libstdc++'s exception or locale code is
// linked in, and nothing of it has to be initialised in every process.
#include "runtime.hpp"

#include "sys.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <ucontext.h>

namespace pagepatrol::runtime {
namespace {

// Set while a policy is read: the only time anything here is called.
std::jmp_buf* way_out = nullptr;
Arena* arena = nullptr;

[[noreturn]] void give_up() noexcept {
    if (way_out)
        std::longjmp(*way_out, 1);
    std::abort(); // not reachable: nothing allocates outside of arm() ... disarm()
}

void* map(std::size_t size) noexcept {
    const long p =
        sys::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return sys::failed(p) ? nullptr : reinterpret_cast<void*>(p);
}

char* up(char* p, std::size_t align) noexcept {
    const auto n = reinterpret_cast<std::uintptr_t>(p);
    return p + ((n + align - 1) / align * align - n);
}

constexpr std::size_t guard_size = 64 * 1024; // a page, of every architecture
ucontext_t caller, worker;                    // under the Guard
void (*work)() noexcept = nullptr;

} // namespace

bool Arena::grow(std::size_t least) noexcept {
    constexpr std::size_t page = 64 * 1024; // of every architecture
    const std::size_t size =
        (std::max(least, std::min(mapped_, limit / 8)) + page - 1) / page * page;
    if (size < least || mapped_ + size > limit) {
        over_limit_ = true;
        return false;
    }
    auto* chunk = static_cast<Chunk*>(map(size));
    if (!chunk)
        return false;
    *chunk = {chunk_, size};
    chunk_ = chunk;
    mapped_ += size;
    at_ = reinterpret_cast<char*>(chunk + 1);
    end_ = reinterpret_cast<char*>(chunk) + size;
    last_ = nullptr;
    return true;
}

void* Arena::allocate(std::size_t size, std::size_t align) noexcept {
    if (size > limit) {
        over_limit_ = true;
        return nullptr;
    }
    align = std::max(align, alignof(std::max_align_t));
    char* p = up(at_, align);
    if (!at_ || p > end_ || size > static_cast<std::size_t>(end_ - p)) {
        if (!grow(sizeof(Chunk) + align + size))
            return nullptr;
        p = up(at_, align);
    }
    last_ = p;
    at_ = p + size;
    return p;
}

void Arena::release(void* p) noexcept {
    if (p && p == last_) {
        at_ = last_;
        last_ = nullptr;
    }
}

void Arena::unmap() noexcept {
    while (chunk_) {
        Chunk* chunk = chunk_;
        chunk_ = chunk->before;
        sys::munmap(chunk, chunk->size);
    }
    *this = {};
}

void arm(Arena& from, std::jmp_buf& out) noexcept {
    arena = &from;
    way_out = &out;
}
void disarm() noexcept {
    arena = nullptr;
    way_out = nullptr;
}

// By ucontext, as libc knows what has to go along with a change of stacks (shadow stacks), and
// changes the signal mask in the same step.
bool on_own_stack(void (*what)() noexcept) noexcept {
    char* const whole = static_cast<char*>(map(guard_size + stack_size));
    if (!whole)
        return false;
    // whatever else happens, nothing else's memory is written to
    if (sys::mprotect(whole, guard_size, PROT_NONE) != 0) {
        sys::munmap(whole, guard_size + stack_size);
        return false;
    }
    bool done = false;
    // sigfillset() would leave out those that libc has for itself; the worker's mask is the one
    // that getcontext() finds
    const std::uint64_t blocked = sys::block_signals(~std::uint64_t(0));
    if (getcontext(&worker) == 0) {
        worker.uc_stack.ss_sp = whole + guard_size;
        worker.uc_stack.ss_size = stack_size;
        worker.uc_link = &caller;
        work = what;
        makecontext(
            &worker, [] { work(); }, 0);
        done = swapcontext(&caller, &worker) == 0;
    }
    sys::set_blocked_signals(blocked);
    sys::munmap(whole, guard_size + stack_size);
    return done;
}

} // namespace pagepatrol::runtime

using namespace pagepatrol::runtime;

namespace {
void* take(std::size_t size, std::size_t align) noexcept {
    return arena ? arena->allocate(size, align) : nullptr;
}
void give_back(void* p) noexcept {
    if (arena)
        arena->release(p);
}
} // namespace

void* operator new(std::size_t size) {
    if (void* p = take(size, 1))
        return p;
    give_up();
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return take(size, 1);
}

void* operator new(std::size_t size, std::align_val_t align) {
    if (void* p = take(size, static_cast<std::size_t>(align)))
        return p;
    give_up();
}

void operator delete(void* p) noexcept {
    give_back(p);
}
void operator delete(void* p, std::size_t) noexcept {
    give_back(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
    give_back(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    give_back(p);
}

// libstdc++'s own names for "throw"; hidden, so that only this library's containers get them.
namespace std {
void __throw_bad_alloc() {
    give_up();
}
void __throw_bad_array_new_length() {
    give_up();
}
void __throw_length_error(const char*) {
    give_up();
}
void __throw_logic_error(const char*) {
    give_up();
}
void __throw_out_of_range_fmt(const char*, ...) {
    give_up();
}

// The library's own brings its exceptions along. A policy has no use for a floating-point
// number but to be told that it is one: its value does not matter, nor does the locale.
from_chars_result from_chars(const char* first, const char* last, double& value,
                             chars_format) noexcept {
    value = 0;
    return {first == last ? first : last, errc()};
}

// Asked only of a shared_ptr made by code with other RTTI flags: there is none in here.
bool _Sp_make_shared_tag::_S_eq(const type_info&) noexcept {
    return false;
}
} // namespace std

extern "C" void __cxa_pure_virtual() {
    std::abort();
}
