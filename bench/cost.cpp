// SPDX-License-Identifier: Apache-2.0
#include "cost.hpp"

#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <sstream>

#include "error.hpp"

namespace pagepatrol::bench {

namespace {

double now_ns(clockid_t clock) {
    struct timespec t = {};
    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

} // namespace

double thread_ns() {
    return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

double process_ns() {
    return now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

double wall_ns() {
    return now_ns(CLOCK_MONOTONIC);
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

std::size_t page_bytes() {
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void print(std::string_view item, const std::vector<Arm>& arms) {
    std::ostringstream out;
    out.precision(15);
    out << "{\"item\": \"" << item << "\", \"unit\": \"ns\", \"arms\": {";
    for (std::size_t i = 0; i < arms.size(); ++i) {
        const std::vector<double>& samples = arms[i].samples;
        std::vector<double> ratios, differences;
        for (std::size_t n = 0; n < samples.size(); ++n) {
            ratios.push_back(samples[n] / arms[0].samples[n]);
            differences.push_back(samples[n] - arms[0].samples[n]);
        }
        out << (i ? ", " : "") << '"' << arms[i].name << "\": {\"samples\": " << samples.size()
            << ", \"min\": " << *std::min_element(samples.begin(), samples.end())
            << ", \"median\": " << median(samples) << ", \"ratio\": " << median(ratios)
            << ", \"difference\": " << median(differences) << '}';
    }
    out << "}}\n";
    std::cout << out.str() << std::flush;
}

CostFile::CostFile(const char* path, bool write)
    : fd_(open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC)) {
    struct stat st;
    if (fd_ < 0 || fstat(fd_, &st) < 0)
        throw Error::of_errno(std::string(path) + ": cannot open");
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        throw Error(std::string(path) + ": expected a regular file that is not empty");
    bytes_ = static_cast<std::size_t>(st.st_size);
}

CostFile::~CostFile() {
    close(fd_);
}

void CostFile::into_cache() const {
    std::vector<char> buffer(1 << 16);
    for (off_t at = 0; static_cast<std::size_t>(at) < bytes_;) {
        const ssize_t n = pread(fd_, buffer.data(), buffer.size(), at);
        if (n <= 0)
            throw Error::of_errno("cannot read the file");
        at += n;
    }
}

void CostFile::out_of_cache() const {
    if (const int error = posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED)) {
        errno = error;
        throw Error::of_errno("posix_fadvise failed");
    }
}

void* bare_mmap(std::size_t bytes, int fd, int prot) {
    const long p = syscall(SYS_mmap, nullptr, bytes, prot, MAP_SHARED, fd, 0);
    if (p == -1)
        throw Error::of_errno("mmap failed");
    return reinterpret_cast<void*>(p);
}

void* libc_mmap(std::size_t bytes, int fd, int prot, off_t offset) {
    void* p = mmap(nullptr, bytes, prot, MAP_SHARED, fd, offset);
    if (p == MAP_FAILED)
        throw Error::of_errno("mmap failed");
    return p;
}

double bare_pairs(const CostFile& file, unsigned count) {
    const std::size_t page = page_bytes();
    const double start = thread_ns();
    for (unsigned i = 0; i < count; ++i)
        if (syscall(SYS_munmap, bare_mmap(page, file.fd()), page) != 0)
            throw Error::of_errno("munmap failed");
    return (thread_ns() - start) / count;
}

double libc_pairs(const CostFile& file, unsigned count) {
    const std::size_t page = page_bytes();
    const double start = thread_ns();
    for (unsigned i = 0; i < count; ++i)
        if (munmap(libc_mmap(page, file.fd()), page) != 0)
            throw Error::of_errno("munmap failed");
    return (thread_ns() - start) / count;
}

Pieces::Pieces(const CostFile& file, unsigned count) {
    const std::size_t page = page_bytes();
    if (file.bytes() < 2 * count * page)
        throw Error("the file must have two pages for each range");
    for (std::size_t i = 0; i < count; ++i)
        at_.push_back(static_cast<volatile char*>(
            libc_mmap(page, file.fd(), PROT_READ, static_cast<off_t>(2 * i * page))));
}

std::vector<volatile char*> Pieces::spread(std::size_t most) const {
    const std::size_t count = std::min(most, at_.size());
    std::vector<volatile char*> some;
    for (std::size_t i = 0; i < count; ++i)
        some.push_back(at_[count == 1 ? 0 : i * (at_.size() - 1) / (count - 1)]);
    return some;
}

unsigned number(const char* option, const char* text) {
    unsigned value = 0;
    const std::string_view s(text);
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (error != std::errc() || end != s.data() + s.size() || value == 0 || value > 1000000)
        throw Error(std::string(option) + ": '" + text + "'; expected a number from 1 to 1000000");
    return value;
}

bool parse(int argc, char** argv, const std::vector<Option>& options) {
    std::vector<option> known;
    for (const Option& one : options)
        known.push_back({one.name, one.number ? required_argument : no_argument, nullptr, 0});
    known.push_back({});
    int index = 0;
    for (int c; (c = getopt_long(argc, argv, "", known.data(), &index)) != -1;) {
        if (c != 0)
            return false;
        const Option& one = options[static_cast<std::size_t>(index)];
        if (one.number)
            *one.number = number((std::string("--") + one.name).c_str(), optarg);
        else
            *one.flag = true;
    }
    return true;
}

int run_tool(const char* name, int (*run)(int, char**), int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const Error& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 1;
    }
}

} // namespace pagepatrol::bench
