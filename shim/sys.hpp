// SPDX-License-Identifier: Apache-2.0
//
// The kernel as the shim sees it: raw system calls that return a negative errno
// and never touch errno, so that there is nothing to save or restore. No dlsym,
// no libc wrapper that could allocate. Tests put their own kernel in place of
// sys.cpp. What depends on the architecture is in call() alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <linux/bpf.h>
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace pagepatrol::sys {

inline long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) noexcept {
#if defined(__x86_64__)
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 asm("x8") = nr;
    register long x0 asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register long x3 asm("x3") = d;
    register long x4 asm("x4") = e;
    register long x5 asm("x5") = f;
    asm volatile("svc 0"
                 : "+r"(x0)
                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                 : "memory");
    return x0;
#else
#error "add the system call instruction of this architecture"
#endif
}

inline bool failed(long result) noexcept {
    return static_cast<unsigned long>(result) > -4096ul;
}

long mmap(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept;
long munmap(void* addr, std::size_t len) noexcept;
long mremap(void* addr, std::size_t old_len, std::size_t new_len, int flags, void* to) noexcept;
long mprotect(void* addr, std::size_t len, int prot) noexcept;
long madvise(void* addr, std::size_t len, int advice) noexcept;
// 0 if every page of the range is mapped, -ENOMEM if not; changes nothing.
long probe_mapped(std::uint64_t addr, std::size_t len) noexcept;
// The same, and -EBUSY if a part of it is locked (mlock).
long probe_unlocked(std::uint64_t addr, std::size_t len) noexcept;

// Read-only, close-on-exec; does not hang on a FIFO.
long open(const char* path) noexcept;
long close(int fd) noexcept;
long read(int fd, void* buffer, std::size_t size) noexcept;
long write(int fd, const void* buffer, std::size_t size) noexcept;
bool writable(int fd) noexcept; // right now, and somebody reads it
long stat(const char* path, struct ::stat* out) noexcept;
long fstat(int fd, struct ::stat* out) noexcept;
// The number that statfs(2) gives for the file's file system; 0 if it can't be had.
std::uint32_t filesystem(int fd) noexcept;
std::uint32_t filesystem(const char* path) noexcept;
long getcwd(char* buffer, std::size_t size) noexcept; // length with its final 0
long readlink(const char* path, char* buffer, std::size_t size) noexcept;
long fcntl(int fd, int command, long argument) noexcept;
long bpf(int command, union ::bpf_attr* attr, unsigned size) noexcept;
long fd_limit() noexcept; // soft limit on the number of open files

// Signals as the kernel counts them: bit N - 1 is signal N.
std::uint64_t block_signals(std::uint64_t set) noexcept; // what was blocked before
void set_blocked_signals(std::uint64_t set) noexcept;
std::uint64_t pending_signals() noexcept;
void take_signal(std::uint64_t set) noexcept; // a pending one of the set, if there is one

// A child with a copy of this thread alone, at whose end nobody but wait_for() is told, and that
// nobody else's wait(2) finds. 0 in the child, which may only make system calls.
long fork_silently() noexcept;
[[noreturn]] void exit_now(int status) noexcept;
long wait_for(long child, int& status) noexcept;
void never_dump_core() noexcept; // of this process

void yield() noexcept;
std::uint64_t milliseconds() noexcept; // monotonic, coarse
// Sleeps while *word == value, for at most `ms`; a signal ends it, too.
void futex_wait(int* word, int value, unsigned ms) noexcept;
void futex_wake_one(int* word) noexcept;

} // namespace pagepatrol::sys
