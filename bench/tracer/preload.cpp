// SPDX-License-Identifier: Apache-2.0
//
// libpp-trace.so: preloaded into an unmodified program by bench/trace, it records which pages
// of which mapped files the program touches, in order. Must not change what the program
// computes. Exported names only; the work is in pages.cpp.
//
// Environment, set by bench/trace: PP_TRACE_STATE (the file of state.hpp), PP_TRACE_WINDOW,
// PP_TRACE_FILES (globs, one a line). Without the first it does nothing.
// the names as they are: off_t has 64 bits anyway
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "pages.hpp"

#define EXPORT extern "C" __attribute__((visibility("default")))

using namespace pagepatrol;

namespace {

char patterns[8192];     // globs, each ended by 0, then an empty one
struct sigaction theirs; // what the program wants for SIGSEGV

// The next definition of the name, that is libc's.
#define NEXT(name)                                                                                 \
    ([] {                                                                                          \
        static const auto found = reinterpret_cast<decltype(&::name)>(dlsym(RTLD_NEXT, #name));    \
        return found;                                                                              \
    }())

bool wanted(const char* path) {
    for (const char* glob = patterns; *glob; glob += strlen(glob) + 1)
        if (fnmatch(glob, path, 0) == 0)
            return true;
    return false;
}

// The program's own mapping of a file that was asked for; executable ones are code.
void consider(void* data, std::size_t bytes, int prot, int fd, off_t offset) {
    char link[64], path[trace::max_path];
    struct stat st;
    if (!(prot & PROT_READ) || (prot & PROT_EXEC) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return;
    path[length] = 0;
    if (!wanted(path))
        return;
    const trace::Guard guard;
    trace::add(reinterpret_cast<std::uintptr_t>(data), bytes, st.st_dev, st.st_ino, path,
               static_cast<std::uint64_t>(offset), prot);
}

void on_fault(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    bool write = false;
#ifdef __x86_64__
    write = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2;
#endif
    bool ours = false;
    if (info->si_code == SEGV_ACCERR) {
        const trace::Guard guard;
        ours = trace::touched(reinterpret_cast<std::uintptr_t>(info->si_addr), write);
    }
    errno = saved;
    if (ours)
        return;
    if (theirs.sa_flags & SA_SIGINFO) {
        theirs.sa_sigaction(signal, info, context);
    } else if (theirs.sa_handler != SIG_DFL && theirs.sa_handler != SIG_IGN) {
        theirs.sa_handler(signal);
    } else { // the access is repeated, and ends the program as it would have
        struct sigaction fatal {};
        fatal.sa_handler = SIG_DFL;
        NEXT(sigaction)(SIGSEGV, &fatal, nullptr);
    }
}

[[gnu::format(printf, 1, 2)]] void complain(const char* format, ...) {
    va_list list;
    va_start(list, format);
    dprintf(2, "pp-trace: ");
    vdprintf(2, format, list);
    dprintf(2, "; nothing is traced in this process\n");
    va_end(list);
}

__attribute__((constructor)) void begin() {
    const char* path = getenv("PP_TRACE_STATE");
    const char* globs = getenv("PP_TRACE_FILES");
    const char* window = getenv("PP_TRACE_WINDOW");
    if (!path)
        return;
    if (!globs || strlen(globs) + 2 > sizeof patterns)
        return complain("PP_TRACE_FILES: expected globs of less than %zu bytes", sizeof patterns);
    strcpy(patterns, globs);
    for (char* at = patterns; *at; at++)
        if (*at == '\n')
            *at = 0;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return complain("%s: %s", path, strerror(errno));
    void* data = mmap(nullptr, static_cast<std::size_t>(st.st_size), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        return complain("%s: mmap: %s", path, strerror(errno));
    auto* state = static_cast<trace::State*>(data);
    if (state->magic != trace::magic)
        return complain("%s: not a state file of this version", path);
    struct sigaction ours {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    NEXT(sigaction)(SIGSEGV, &ours, &theirs);
    trace::start(state, window ? static_cast<unsigned>(atoi(window)) : 64);
}

// The pages of some memory stay open while a system call is at work on it.
class Held {
  public:
    Held(const void* data, std::size_t bytes) { take(data, bytes); }
    Held(const struct iovec* vector, int count) : vector_(vector), count_(count) {
        for (int i = 0; i < count; i++)
            take(vector[i].iov_base, vector[i].iov_len);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() {
        if (!any_)
            return;
        const int saved = errno;
        const trace::Guard guard;
        if (vector_)
            for (int i = 0; i < count_; i++)
                trace::release(reinterpret_cast<std::uintptr_t>(vector_[i].iov_base),
                               vector_[i].iov_len);
        else
            trace::release(start_, bytes_);
        errno = saved;
    }

  private:
    void take(const void* data, std::size_t bytes) {
        if (!trace::started())
            return;
        const trace::Guard guard;
        start_ = reinterpret_cast<std::uintptr_t>(data);
        bytes_ = bytes;
        any_ = trace::hold(start_, bytes) || any_;
    }

    const struct iovec* vector_ = nullptr;
    int count_ = 0;
    std::uintptr_t start_ = 0;
    std::size_t bytes_ = 0;
    bool any_ = false;
};

std::uintptr_t number(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

} // namespace

EXPORT void* mmap(void* wish, std::size_t bytes, int prot, int flags, int fd, off_t offset) {
    if (trace::started() && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED) {
        const trace::Guard guard;
        trace::remove(number(wish), bytes, true);
    }
    void* data = reinterpret_cast<void*>(syscall(SYS_mmap, wish, bytes, prot, flags, fd, offset));
    if (data != MAP_FAILED && trace::started() && fd >= 0 && !(flags & MAP_ANONYMOUS)) {
        const int saved = errno;
        consider(data, bytes, prot, fd, offset);
        errno = saved;
    }
    return data;
}
EXPORT void* mmap64(void*, std::size_t, int, int, int, off_t) __attribute__((alias("mmap")));

EXPORT int munmap(void* data, std::size_t bytes) {
    if (trace::started()) {
        const trace::Guard guard;
        trace::remove(number(data), bytes, true);
    }
    return static_cast<int>(syscall(SYS_munmap, data, bytes));
}

// Open pages are areas of their own to the kernel, which moves only one: all are opened
// before, and the moved mapping is closed after.
EXPORT void* mremap(void* data, std::size_t bytes, std::size_t new_bytes, int flags, ...) {
    va_list list;
    va_start(list, flags);
    void* wish = flags & MREMAP_FIXED ? va_arg(list, void*) : nullptr;
    va_end(list);
    trace::Part part;
    bool traced = false;
    if (trace::started()) {
        const trace::Guard guard;
        traced = trace::find(number(data), bytes, &part);
        if (traced)
            trace::remove(number(data), bytes, true);
        if (wish)
            trace::remove(number(wish), new_bytes, true);
    }
    void* moved = reinterpret_cast<void*>(syscall(SYS_mremap, data, bytes, new_bytes, flags, wish));
    if (traced) {
        const int saved = errno;
        const trace::Guard guard;
        part.offset += number(data) - part.start;
        part.start = number(moved == MAP_FAILED ? data : moved);
        part.bytes = ((moved == MAP_FAILED ? bytes : new_bytes) + 4095) & ~std::size_t{4095};
        trace::add_part(part);
        errno = saved;
    }
    return moved;
}

// Whoever sets a protection himself means it: that part is traced no more.
EXPORT int mprotect(void* data, std::size_t bytes, int prot) {
    if (trace::started()) {
        const trace::Guard guard;
        trace::remove(number(data), bytes, true);
    }
    return static_cast<int>(syscall(SYS_mprotect, data, bytes, prot));
}

EXPORT int sigaction(int signal, const struct sigaction* act, struct sigaction* old) noexcept {
    if (signal != SIGSEGV || !trace::started())
        return NEXT(sigaction)(signal, act, old);
    const struct sigaction before = theirs;
    if (act)
        theirs = *act;
    if (old)
        *old = before;
    return 0;
}

EXPORT sighandler_t signal(int signal, sighandler_t handler) noexcept {
    if (signal != SIGSEGV || !trace::started())
        return NEXT(signal)(signal, handler);
    const sighandler_t before = theirs.sa_handler;
    theirs = {};
    theirs.sa_handler = handler;
    return before;
}

// A fault while the signal is blocked would end the program.
EXPORT int pthread_sigmask(int how, const sigset_t* set, sigset_t* old) noexcept {
    sigset_t without;
    if (set && how != SIG_UNBLOCK && trace::started()) {
        without = *set;
        sigdelset(&without, SIGSEGV);
        set = &without;
    }
    return NEXT(pthread_sigmask)(how, set, old);
}
EXPORT int sigprocmask(int how, const sigset_t* set, sigset_t* old) noexcept {
    const int error = pthread_sigmask(how, set, old);
    if (error)
        errno = error;
    return error ? -1 : 0;
}

EXPORT ssize_t read(int fd, void* data, std::size_t bytes) {
    const Held held(data, bytes);
    return NEXT(read)(fd, data, bytes);
}
EXPORT ssize_t write(int fd, const void* data, std::size_t bytes) {
    const Held held(data, bytes);
    return NEXT(write)(fd, data, bytes);
}
EXPORT ssize_t pread(int fd, void* data, std::size_t bytes, off_t offset) {
    const Held held(data, bytes);
    return NEXT(pread)(fd, data, bytes, offset);
}
EXPORT ssize_t pread64(int, void*, std::size_t, off_t) __attribute__((alias("pread")));
EXPORT ssize_t pwrite(int fd, const void* data, std::size_t bytes, off_t offset) {
    const Held held(data, bytes);
    return NEXT(pwrite)(fd, data, bytes, offset);
}
EXPORT ssize_t pwrite64(int, const void*, std::size_t, off_t) __attribute__((alias("pwrite")));
EXPORT ssize_t readv(int fd, const struct iovec* vector, int count) {
    const Held held(vector, count);
    return NEXT(readv)(fd, vector, count);
}
EXPORT ssize_t writev(int fd, const struct iovec* vector, int count) {
    const Held held(vector, count);
    return NEXT(writev)(fd, vector, count);
}
EXPORT ssize_t send(int fd, const void* data, std::size_t bytes, int flags) {
    const Held held(data, bytes);
    return NEXT(send)(fd, data, bytes, flags);
}
EXPORT ssize_t recv(int fd, void* data, std::size_t bytes, int flags) {
    const Held held(data, bytes);
    return NEXT(recv)(fd, data, bytes, flags);
}
EXPORT ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
    const Held held(message->msg_iov, static_cast<int>(message->msg_iovlen));
    return NEXT(sendmsg)(fd, message, flags);
}
