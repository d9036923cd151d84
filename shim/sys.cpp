// SPDX-License-Identifier: Apache-2.0
//
// The real kernel behind sys.hpp. One system call a function; no decisions here.
#include "sys.hpp"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>

namespace pagepatrol::sys {
namespace {

template <class T> long arg(T* pointer) noexcept {
    return reinterpret_cast<long>(pointer);
}

} // namespace

long mmap(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept {
    return call(SYS_mmap, arg(addr), static_cast<long>(len), prot, flags, fd, off);
}

long munmap(void* addr, std::size_t len) noexcept {
    return call(SYS_munmap, arg(addr), static_cast<long>(len));
}

long mremap(void* addr, std::size_t old_len, std::size_t new_len, int flags, void* to) noexcept {
    return call(SYS_mremap, arg(addr), static_cast<long>(old_len), static_cast<long>(new_len),
                flags, arg(to));
}

long mprotect(void* addr, std::size_t len, int prot) noexcept {
    return call(SYS_mprotect, arg(addr), static_cast<long>(len), prot);
}

long madvise(void* addr, std::size_t len, int advice) noexcept {
    return call(SYS_madvise, arg(addr), static_cast<long>(len), advice);
}

// MS_ASYNC has been only this check since Linux 2.6.19.
long probe_mapped(std::uint64_t addr, std::size_t len) noexcept {
    return call(SYS_msync, static_cast<long>(addr), static_cast<long>(len), MS_ASYNC);
}

// What MS_INVALIDATE once did is gone, its check is not.
long probe_unlocked(std::uint64_t addr, std::size_t len) noexcept {
    return call(SYS_msync, static_cast<long>(addr), static_cast<long>(len),
                MS_ASYNC | MS_INVALIDATE);
}

long open(const char* path) noexcept {
    return call(SYS_openat, AT_FDCWD, arg(path), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

long close(int fd) noexcept {
    return call(SYS_close, fd);
}

long read(int fd, void* buffer, std::size_t size) noexcept {
    return call(SYS_read, fd, arg(buffer), static_cast<long>(size));
}

long write(int fd, const void* buffer, std::size_t size) noexcept {
    return call(SYS_write, fd, arg(buffer), static_cast<long>(size));
}

bool writable(int fd) noexcept {
    struct pollfd one = {fd, POLLOUT, 0};
    const struct timespec now = {};
    return call(SYS_ppoll, arg(&one), 1, arg(&now)) == 1 && one.revents == POLLOUT;
}

// On 64-bit architectures the kernel's struct stat is libc's.
long stat(const char* path, struct ::stat* out) noexcept {
    return call(SYS_newfstatat, AT_FDCWD, arg(path), arg(out), 0);
}

long fstat(int fd, struct ::stat* out) noexcept {
    return call(SYS_fstat, fd, arg(out));
}

std::uint32_t filesystem(int fd) noexcept {
    struct statfs s;
    return call(SYS_fstatfs, fd, arg(&s)) == 0 ? static_cast<std::uint32_t>(s.f_type) : 0;
}

std::uint32_t filesystem(const char* path) noexcept {
    struct statfs s;
    return call(SYS_statfs, arg(path), arg(&s)) == 0 ? static_cast<std::uint32_t>(s.f_type) : 0;
}

long getcwd(char* buffer, std::size_t size) noexcept {
    return call(SYS_getcwd, arg(buffer), static_cast<long>(size));
}

long readlink(const char* path, char* buffer, std::size_t size) noexcept {
    return call(SYS_readlinkat, AT_FDCWD, arg(path), arg(buffer), static_cast<long>(size));
}

long fcntl(int fd, int command, long argument) noexcept {
    return call(SYS_fcntl, fd, command, argument);
}

long bpf(int command, union ::bpf_attr* attr, unsigned size) noexcept {
    return call(SYS_bpf, command, arg(attr), size);
}

long fd_limit() noexcept {
    struct rlimit limit;
    if (call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, arg(&limit)) != 0)
        return 0;
    return limit.rlim_cur > 1 << 20 ? 1 << 20 : static_cast<long>(limit.rlim_cur);
}

std::uint64_t block_signals(std::uint64_t set) noexcept {
    std::uint64_t before = 0;
    call(SYS_rt_sigprocmask, SIG_BLOCK, arg(&set), arg(&before), sizeof set);
    return before;
}

void set_blocked_signals(std::uint64_t set) noexcept {
    call(SYS_rt_sigprocmask, SIG_SETMASK, arg(&set), 0, sizeof set);
}

std::uint64_t pending_signals() noexcept {
    std::uint64_t set = 0;
    call(SYS_rt_sigpending, arg(&set), sizeof set);
    return set;
}

void take_signal(std::uint64_t set) noexcept {
    const struct timespec now = {};
    call(SYS_rt_sigtimedwait, arg(&set), 0, arg(&now), sizeof set);
}

// The signal at its end is 0: none.
long fork_silently() noexcept {
    return call(SYS_clone);
}

void exit_now(int status) noexcept {
    for (;;)
        call(SYS_exit_group, status);
}

long wait_for(long child, int& status) noexcept {
    return call(SYS_wait4, child, arg(&status), __WALL);
}

void never_dump_core() noexcept {
    call(SYS_prctl, PR_SET_DUMPABLE, 0);
}

void yield() noexcept {
    call(SYS_sched_yield);
}

std::uint64_t milliseconds() noexcept {
    struct timespec now = {};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now); // vDSO; can't fail with a valid clock
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000000;
}

void futex_wait(int* word, int value, unsigned ms) noexcept {
    const struct timespec limit = {static_cast<time_t>(ms / 1000),
                                   static_cast<long>(ms % 1000) * 1000000};
    call(SYS_futex, arg(word), FUTEX_WAIT_PRIVATE, value, arg(&limit));
}

void futex_wake_one(int* word) noexcept {
    call(SYS_futex, arg(word), FUTEX_WAKE_PRIVATE, 1);
}

} // namespace pagepatrol::sys
