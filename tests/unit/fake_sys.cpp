// SPDX-License-Identifier: Apache-2.0
//
// See fake_sys.hpp.
#include "fake_sys.hpp"

#include "sys.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <utility>

namespace fake {

Kernel kernel;

void reset() {
    kernel = Kernel();
}

void Kernel::check() {
    for (const pp_range& r : table)
        for (std::uint64_t a = r.start; a < r.end; a += page) {
            const auto it = pages.find(a);
            if (it == pages.end() || it->second.fd < 0 ||
                (r.rule != 0 && !files[it->second.fd].wanted))
                problems.push_back("range over foreign memory after " +
                                   (events.empty() ? "?" : events.back()));
        }
}

unsigned Kernel::count(const std::string& prefix) const {
    unsigned n = 0;
    for (const std::string& e : events)
        n += e.rfind(prefix, 0) == 0;
    return n;
}

} // namespace fake

namespace pagepatrol::sys {

using fake::kernel;
using fake::page;

namespace {

std::uint64_t up(std::uint64_t n) {
    return (n + page - 1) / page * page;
}
std::uint64_t number(void* p) {
    return reinterpret_cast<std::uint64_t>(p);
}

long once(long& error) {
    const long e = error;
    error = 0;
    return e;
}

void hook() {
    if (auto f = std::exchange(kernel.after_call, nullptr))
        f();
}

std::uint64_t find_free(std::uint64_t len) {
    for (std::uint64_t start = 0x10000000;; start += page) {
        bool free = true;
        for (std::uint64_t a = start; free && a < start + len; a += page)
            free = !kernel.pages.count(a);
        if (free)
            return start;
    }
}

std::string text(std::uint64_t n) {
    char s[32];
    snprintf(s, sizeof s, "%#lx", static_cast<unsigned long>(n));
    return s;
}

} // namespace

long mmap(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept {
    kernel.events.push_back("mmap");
    if (!len || off % static_cast<std::int64_t>(page) ||
        ((flags & MAP_FIXED) && number(addr) % page))
        return -EINVAL;
    if (!(flags & MAP_ANONYMOUS) && !kernel.files.count(fd))
        return -EBADF;
    const std::uint64_t size = up(len);
    const bool fixed = flags & MAP_FIXED;
    const std::uint64_t start = fixed ? number(addr) : find_free(size);
    const long error = once(kernel.fail_mmap);
    for (std::uint64_t a = start; a < start + size; a += page) {
        if (!error)
            kernel.pages[a] = {flags & MAP_ANONYMOUS ? -1 : fd,
                               static_cast<std::uint64_t>(off) + (a - start), 0,
                               (flags & MAP_SHARED) != 0, prot};
        else if (kernel.fail_mmap_unmaps)
            kernel.pages.erase(a);
    }
    kernel.check();
    hook();
    return error ? error : static_cast<long>(start);
}

long munmap(void* addr, std::size_t len) noexcept {
    kernel.events.push_back("munmap");
    if (!len || number(addr) % page)
        return -EINVAL;
    if (const long error = once(kernel.fail_munmap))
        return error;
    for (std::uint64_t a = number(addr); a < number(addr) + up(len); a += page)
        kernel.pages.erase(a);
    kernel.check();
    hook();
    return 0;
}

long mremap(void* addr, std::size_t old_len, std::size_t new_len, int flags, void* to) noexcept {
    kernel.events.push_back("mremap");
    if (const long error = once(kernel.fail_mremap))
        return error;
    const std::uint64_t from = number(addr), old_size = up(old_len), new_size = up(new_len);
    if (from % page || !new_size)
        return -EINVAL;
    const auto first = kernel.pages.find(from);
    if (first == kernel.pages.end())
        return -EFAULT;
    const fake::Page head = first->second;
    for (std::uint64_t d = 0; d < old_size; d += page) {
        const auto it = kernel.pages.find(from + d);
        if (it == kernel.pages.end() || it->second.fd != head.fd ||
            it->second.offset != head.offset + d)
            return -EFAULT;
    }
    const bool keep = old_len == 0 || (flags & MREMAP_DONTUNMAP);
    std::uint64_t start = from;
    bool stays = !(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && old_len != 0;
    for (std::uint64_t d = old_size; stays && d < new_size; d += page)
        stays = !kernel.pages.count(from + d);
    if (!stays) {
        if (!(flags & MREMAP_MAYMOVE))
            return -ENOMEM;
        start = flags & MREMAP_FIXED ? number(to) : find_free(new_size);
        if (flags & MREMAP_FIXED) {
            if (start % page || (start < from + old_size && from < start + new_size))
                return -EINVAL;
            for (std::uint64_t d = 0; d < new_size; d += page)
                kernel.pages.erase(start + d);
        }
    }
    if (!keep)
        for (std::uint64_t d = 0; d < old_size; d += page)
            kernel.pages.erase(from + d);
    for (std::uint64_t d = 0; d < new_size; d += page)
        kernel.pages[start + d] = {head.fd, head.offset + d, 0, head.shared, head.prot};
    kernel.check();
    return static_cast<long>(start);
}

long madvise(void* addr, std::size_t len, int advice) noexcept {
    kernel.events.push_back("madvise " + std::to_string(advice) + " " + text(number(addr)) + "+" +
                            text(len));
    if (number(addr) % page)
        return -EINVAL;
    long result = 0;
    for (std::uint64_t a = number(addr); a < number(addr) + up(len); a += page)
        if (const auto it = kernel.pages.find(a); it == kernel.pages.end())
            result = -ENOMEM;
        else if (it->second.locked && (advice == MADV_DONTNEED || advice >= MADV_COLD))
            return -EINVAL;
        else
            it->second.advice = advice;
    return result;
}

long probe_mapped(std::uint64_t addr, std::size_t len) noexcept {
    for (std::uint64_t a = addr; a < addr + len; a += page)
        if (!kernel.pages.count(a))
            return -ENOMEM;
    return 0;
}

long probe_unlocked(std::uint64_t addr, std::size_t len) noexcept {
    long result = 0;
    for (std::uint64_t a = addr; a < addr + len; a += page)
        if (!kernel.pages.count(a))
            result = -ENOMEM;
        else if (kernel.pages[a].locked)
            return -EBUSY;
    return result;
}

static std::string made_from_pages() {
    std::string out;
    for (auto it = kernel.pages.begin(); it != kernel.pages.end();) {
        const auto first = it;
        const fake::Page& p = first->second;
        std::uint64_t end = first->first;
        for (; it != kernel.pages.end() && it->first == end && it->second.fd == p.fd &&
               it->second.shared == p.shared && it->second.prot == p.prot &&
               (p.fd < 0 || it->second.offset == p.offset + (end - first->first));
             ++it)
            end += page;
        char line[512];
        if (p.fd < 0) {
            snprintf(line, sizeof line, "%lx-%lx rw-p 00000000 00:00 0 \n", first->first, end);
        } else {
            const fake::File& f = kernel.files[p.fd];
            snprintf(line, sizeof line, "%lx-%lx %c%c-%c %08lx 08:01 %lu    %s%s\n", first->first,
                     end, p.prot & PROT_READ ? 'r' : '-', p.prot & PROT_WRITE ? 'w' : '-',
                     p.shared ? 's' : 'p', p.offset, f.inode, f.path.c_str(),
                     f.links ? "" : " (deleted)");
        }
        out += line;
    }
    return out;
}

long open(const char*) noexcept {
    ++kernel.maps_opened;
    if (const long error = once(kernel.fail_open))
        return error;
    kernel.maps_read = 0;
    kernel.maps_text = kernel.maps.empty() ? made_from_pages() : kernel.maps;
    return 1000;
}

long close(int fd) noexcept {
    ++kernel.closes;
    kernel.programs.erase(fd);
    return 0;
}

long read(int, void* buffer, std::size_t size) noexcept {
    if (const long error = once(kernel.fail_read))
        return error;
    const std::size_t n =
        std::min({size, kernel.maps_text.size() - kernel.maps_read, std::size_t{100}}); // short
    std::memcpy(buffer, kernel.maps_text.data() + kernel.maps_read, n);
    kernel.maps_read += n;
    return static_cast<long>(n);
}

long write(int, const void* buffer, std::size_t size) noexcept {
    kernel.output.append(static_cast<const char*>(buffer), size);
    return static_cast<long>(size);
}

static void fill(const fake::File& f, struct ::stat* out) {
    std::memset(out, 0, sizeof *out);
    out->st_dev = f.device;
    out->st_uid = f.owner;
    out->st_ino = f.inode;
    out->st_size = static_cast<off_t>(f.size);
    out->st_mode = f.mode;
    out->st_nlink = f.links;
    out->st_ctim.tv_sec = f.ctime;
    out->st_mtim.tv_sec = f.mtime;
}

bool writable(int) noexcept {
    return true;
}

long stat(const char* path, struct ::stat* out) noexcept {
    if (path == std::string("/")) {
        std::memset(out, 0, sizeof *out);
        out->st_ino = kernel.root;
        return 0;
    }
    ++kernel.stats;
    for (const auto& [fd, f] : kernel.files)
        if (f.path == path && f.links)
            return fill(f, out), 0;
    return -ENOENT;
}

long fstat(int fd, struct ::stat* out) noexcept {
    const auto it = kernel.files.find(fd);
    return it == kernel.files.end() ? -EBADF : (fill(it->second, out), 0);
}

std::uint32_t filesystem(int fd) noexcept {
    ++kernel.filesystems_asked;
    return kernel.files.count(fd) ? kernel.files[fd].filesystem : 0;
}

std::uint32_t filesystem(const char* path) noexcept {
    for (const auto& [fd, f] : kernel.files)
        if (f.path == path)
            return filesystem(fd);
    return 0;
}

long getcwd(char*, std::size_t) noexcept {
    return -ENOENT;
}

long readlink(const char* path, char* buffer, std::size_t size) noexcept {
    ++kernel.readlinks;
    int fd = -1;
    if (sscanf(path, "/proc/thread-self/fd/%d", &fd) != 1 || !kernel.files.count(fd))
        return -ENOENT;
    const fake::File& f = kernel.files[fd];
    const std::string link = f.path + (f.links ? "" : " (deleted)");
    const std::size_t n = std::min(size, link.size());
    std::memcpy(buffer, link.data(), n);
    return static_cast<long>(n);
}

long fcntl(int fd, int command, long argument) noexcept {
    if (command != F_DUPFD_CLOEXEC)
        return -EINVAL;
    int high = static_cast<int>(argument);
    while (kernel.programs.count(high))
        ++high;
    kernel.programs[high] = kernel.programs[fd];
    return high;
}

long bpf(int command, union ::bpf_attr* given, unsigned size) noexcept {
    // what is not given is 0 to the kernel
    union ::bpf_attr whole = {}, *attr = &whole;
    std::memcpy(attr, given, std::min<std::size_t>(size, sizeof whole));
    switch (command) {
    case BPF_OBJ_GET:
        ++kernel.opens;
        if (kernel.open_error)
            return kernel.open_error;
        kernel.programs[5] = kernel.program_id;
        return 5;
    case BPF_OBJ_GET_INFO_BY_FD: {
        const auto it = kernel.programs.find(static_cast<int>(attr->info.bpf_fd));
        if (it == kernel.programs.end())
            return -EBADF;
        reinterpret_cast<struct bpf_prog_info*>(attr->info.info)->id = it->second;
        return 0;
    }
    case BPF_PROG_TEST_RUN: {
        ++kernel.test_runs;
        const auto it = kernel.programs.find(static_cast<int>(attr->test.prog_fd));
        if (it == kernel.programs.end())
            return -EBADF;
        if (attr->test.ctx_out || attr->test.ctx_size_out)
            return -EINVAL; // as the kernel does for this type of program
        if (it->second != kernel.program_id)
            return kernel.foreign_program ? 0 : -EINVAL;
        if (kernel.run_error)
            return kernel.run_error;
        auto& request = *reinterpret_cast<struct pp_request*>(attr->test.ctx_in);
        request.result = 0;
        if (!kernel.results.empty()) {
            request.result = kernel.results.front();
            kernel.results.erase(kernel.results.begin());
            if (request.result)
                return 0;
        }
        kernel.request = request;
        if (request.op == PP_OP_ACT) {
            kernel.events.push_back("act " + std::to_string(request.action) + " " +
                                    text(request.start) + "-" + text(request.end));
            return 0;
        }
        request.asked = kernel.asked;
        request.granted = kernel.granted;
        request.limited_by = kernel.limited_by;
        const auto* ranges = reinterpret_cast<const struct pp_range*>(request.ranges);
        kernel.table.assign(ranges, ranges + request.nr_ranges);
        kernel.events.push_back("push " + text(request.start) + "-" + text(request.end) + " [" +
                                std::to_string(request.nr_ranges) + "]");
        kernel.check();
        return 0;
    }
    default:
        return -EINVAL;
    }
}

long fd_limit() noexcept {
    return 1024;
}
void yield() noexcept {}
std::uint64_t block_signals(std::uint64_t) noexcept {
    return 0;
}
void set_blocked_signals(std::uint64_t) noexcept {}
std::uint64_t pending_signals() noexcept {
    return 0;
}
void take_signal(std::uint64_t) noexcept {}
std::uint64_t milliseconds() noexcept {
    return kernel.now;
}
void futex_wait(int*, int, unsigned ms) noexcept {
    kernel.now += ms;
}
void futex_wake_one(int*) noexcept {}

} // namespace pagepatrol::sys

pagepatrol::sandbox::Verdict pagepatrol::sandbox::on_bpf() noexcept {
    return fake::kernel.sandbox;
}
