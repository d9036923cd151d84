// SPDX-License-Identifier: Apache-2.0
//
// The libc names, and nothing else: each is libc's function to the letter, with
// one branch before it. errno is set here alone, to what the real call gave.
// Calls that arrive before the constructor ran see `active` false and pass.
#undef _FILE_OFFSET_BITS // mmap and mmap64 are two symbols here
#undef _FORTIFY_SOURCE
#include "begin.hpp"
#include "config.hpp"
#include "core.hpp"
#include "guard.hpp"
#include "sys.hpp"

#include <cerrno>
#include <cstdarg>
#include <linux/seccomp.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

using namespace pagepatrol;

namespace {

bool active() noexcept {
    return core::active.load(std::memory_order_acquire);
}

long result_of(long result) noexcept {
    if (sys::failed(result)) [[unlikely]] {
        errno = static_cast<int>(-result);
        return -1;
    }
    return result;
}

void* pointer_result(long result) noexcept {
    return reinterpret_cast<void*>(result_of(result)); // MAP_FAILED is -1
}

int int_result(long result) noexcept {
    return static_cast<int>(result_of(result));
}

long advise(void* addr, size_t len, int advice) noexcept {
    return active() ? core::advise(addr, len, advice) : sys::madvise(addr, len, advice);
}

// A system call that puts a seccomp filter on the program: see core::step_aside().
template <class Call> long under_a_filter(Call call) noexcept {
    const Guard guard(Guard::of_a_filter);
    const bool was_active = active();
    if (was_active)
        core::step_aside();
    const long result = call();
    if (was_active && sys::failed(result))
        core::step_back();
    return result;
}

void begin(int argc, char** argv, char**) noexcept {
    const int kept = errno;
    core::Source source = {};
    if (const Policy* policy = config::find(argc, argv, source)) {
        start_core(policy, &source);
        core::catch_up(reinterpret_cast<const void*>(&begin),
                       reinterpret_cast<const void*>(getauxval(AT_BASE)));
    }
    errno = kept;
}

// A constructor, by hand: glibc gives it what it gives main(), but link-time optimisation calls all
// that are marked as constructors from one of its own, without arguments.
[[gnu::section(".init_array"), gnu::used]] void (*begin_entry)(int, char**,
                                                               char**) noexcept = begin;

[[gnu::destructor]] void end() noexcept {
    const int kept = errno;
    if (active())
        core::finish();
    errno = kept;
}

} // namespace

#pragma GCC visibility push(default)
extern "C" {

void* mmap(void* addr, size_t len, int prot, int flags, int fd, off_t off) noexcept {
    return pointer_result(active() ? core::map(addr, len, prot, flags, fd, off)
                                   : sys::mmap(addr, len, prot, flags, fd, off));
}

void* mmap64(void* addr, size_t len, int prot, int flags, int fd, off64_t off) noexcept {
    return pointer_result(active() ? core::map(addr, len, prot, flags, fd, off)
                                   : sys::mmap(addr, len, prot, flags, fd, off));
}

int munmap(void* addr, size_t len) noexcept {
    return int_result(active() ? core::unmap(addr, len) : sys::munmap(addr, len));
}

void* mremap(void* addr, size_t old_len, size_t new_len, int flags, ...) noexcept {
    // libc reads the fifth argument always, too: without MREMAP_FIXED the kernel ignores it,
    // or takes it as a hint
    va_list rest;
    va_start(rest, flags);
    void* to = va_arg(rest, void*);
    va_end(rest);
    return pointer_result(active() ? core::remap(addr, old_len, new_len, flags, to)
                                   : sys::mremap(addr, old_len, new_len, flags, to));
}

int madvise(void* addr, size_t len, int advice) noexcept {
    return int_result(::advise(addr, len, advice));
}

// Returns the error number and leaves errno alone. DONTNEED does nothing, as in libc: the
// kernel's of that name would throw data away.
int posix_madvise(void* addr, size_t len, int advice) noexcept {
    if (advice == POSIX_MADV_DONTNEED)
        return 0;
    return static_cast<int>(-::advise(addr, len, advice));
}

int prctl(int option, ...) noexcept {
    // libc reads four arguments, however many there are
    va_list rest;
    va_start(rest, option);
    const long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long),
               d = va_arg(rest, long);
    va_end(rest);
    const auto call = [=] { return sys::call(SYS_prctl, option, a, b, c, d); };
    // without a filter it asks whether there could be one
    const bool filters = option == PR_SET_SECCOMP &&
                         (a == SECCOMP_MODE_STRICT || (a == SECCOMP_MODE_FILTER && b != 0));
    return int_result(filters ? under_a_filter(call) : call());
}

// Programs and libseccomp make seccomp(2) by this name. Everything else goes by at once.
long syscall(long number, ...) noexcept {
    va_list rest;
    va_start(rest, number);
    const long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long),
               d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
    va_end(rest);
    const auto call = [=] { return sys::call(number, a, b, c, d, e, f); };
    // flags or arguments of the strict mode are libseccomp asking whether the call exists
    const bool filters =
        number == SYS_seccomp && ((a == SECCOMP_SET_MODE_STRICT && b == 0 && c == 0) ||
                                  (a == SECCOMP_SET_MODE_FILTER && c != 0));
    return result_of(filters ? under_a_filter(call) : call());
}

} // extern "C"
#pragma GCC visibility pop
