// SPDX-License-Identifier: Apache-2.0
//
// pp-overhead: what PagePatrol itself costs, one thing a subcommand, as JSON on
// stdout. Arms that are to be compared take turns in short blocks, so that what
// else the machine does falls on both. It knows the shim only as a preloaded
// library: a "bare" arm makes the system call itself, a "libc" arm calls the libc
// name, which a shim may have taken over. bench/overhead runs it and judges.
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"

using namespace pagepatrol::bench;

namespace {

constexpr char usage[] =
    "usage: pp-overhead pairs FILE [--rounds N] [--count N]\n"
    "       pp-overhead faults FILE [--rounds N] [--bare] [--write]\n"
    "       pp-overhead starts [--rounds N] --arm NAME [VARIABLE=VALUE]... [--arm ...] -- PROGRAM\n"
    "  pairs      mmap and munmap of a page of FILE: by system call (bare), by libc name (libc)\n"
    "  faults     first touches of each page of FILE, which is in the page cache; mapped by libc\n"
    "             name, with --bare by system call; --write: the first touch is a write\n"
    "  starts     start and end of PROGRAM with the variables of each arm\n"
    "  --rounds N blocks of each arm (default 400; starts: 200)\n"
    "  --count N  pairs in a block (default 50)\n";

struct Options {
    unsigned rounds = 400;
    unsigned count = 50;
    bool bare = false;
    bool write = false;
};

struct Arm {
    std::string name;
    std::vector<double> samples; // nanoseconds for one
};

// Of this thread alone: what others do on the processor does not count. Under QEMU's
// icount a nanosecond is an instruction of the guest.
double thread_ns() {
    struct timespec t = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double wall_ns() {
    struct timespec t = {};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
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

class File {
  public:
    explicit File(const char* path, bool write = false)
        : fd_(open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC)) {
        struct stat st;
        if (fd_ < 0 || fstat(fd_, &st) < 0)
            throw Error::of_errno(std::string(path) + ": cannot open");
        if (!S_ISREG(st.st_mode) || st.st_size == 0)
            throw Error(std::string(path) + ": expected a regular file that is not empty");
        bytes_ = static_cast<std::size_t>(st.st_size);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { close(fd_); }
    int fd() const { return fd_; }
    std::size_t bytes() const { return bytes_; }

    void into_cache() const {
        std::vector<char> buffer(1 << 16);
        for (off_t at = 0; static_cast<std::size_t>(at) < bytes_;) {
            const ssize_t n = pread(fd_, buffer.data(), buffer.size(), at);
            if (n <= 0)
                throw Error::of_errno("cannot read the file");
            at += n;
        }
    }

  private:
    int fd_;
    std::size_t bytes_;
};

void* bare_mmap(std::size_t bytes, int fd, int prot = PROT_READ) {
    const long p = syscall(SYS_mmap, nullptr, bytes, prot, MAP_SHARED, fd, 0);
    return p == -1 ? MAP_FAILED : reinterpret_cast<void*>(p);
}

double bare_pairs(const File& file, unsigned count, std::size_t page) {
    const double start = thread_ns();
    for (unsigned i = 0; i < count; ++i) {
        void* p = bare_mmap(page, file.fd());
        if (p == MAP_FAILED || syscall(SYS_munmap, p, page) != 0)
            throw Error::of_errno("mmap or munmap failed");
    }
    return (thread_ns() - start) / count;
}

double libc_pairs(const File& file, unsigned count, std::size_t page) {
    const double start = thread_ns();
    for (unsigned i = 0; i < count; ++i) {
        void* p = mmap(nullptr, page, PROT_READ, MAP_SHARED, file.fd(), 0);
        if (p == MAP_FAILED || munmap(p, page) != 0)
            throw Error::of_errno("mmap or munmap failed");
    }
    return (thread_ns() - start) / count;
}

int pairs(const char* path, const Options& options) {
    const File file(path);
    file.into_cache();
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    Arm bare{"bare", {}}, libc{"libc", {}};
    for (unsigned i = 0; i < options.rounds + 2; ++i) {
        // who goes first alternates; the first two rounds warm up
        double a = 0, b = 0;
        if (i % 2)
            a = bare_pairs(file, options.count, page);
        b = libc_pairs(file, options.count, page);
        if (!(i % 2))
            a = bare_pairs(file, options.count, page);
        if (i < 2)
            continue;
        bare.samples.push_back(a);
        libc.samples.push_back(b);
    }
    print("pairs", {bare, libc});
    return 0;
}

int faults(const char* path, const Options& options) {
    const File file(path, options.write);
    file.into_cache();
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t count = (file.bytes() + page - 1) / page;
    const int prot = options.write ? PROT_READ | PROT_WRITE : PROT_READ;
    void* p = options.bare ? bare_mmap(file.bytes(), file.fd(), prot)
                           : mmap(nullptr, file.bytes(), prot, MAP_SHARED, file.fd(), 0);
    if (p == MAP_FAILED)
        throw Error::of_errno("mmap failed");
    volatile char* data = static_cast<char*>(p);
    Arm arm{options.bare ? "bare" : "libc", {}};
    for (unsigned i = 0; i < options.rounds + 2; ++i) {
        // only the mapping goes, the pages stay in the cache
        if (syscall(SYS_madvise, p, file.bytes(), MADV_DONTNEED) != 0)
            throw Error::of_errno("madvise failed");
        const double start = thread_ns();
        if (options.write)
            for (std::size_t n = 0; n < count; ++n)
                data[n * page] = static_cast<char>(i);
        else
            for (std::size_t n = 0; n < count; ++n)
                static_cast<void>(data[n * page]);
        const double spent = thread_ns() - start;
        if (i >= 2)
            arm.samples.push_back(spent / static_cast<double>(count));
    }
    syscall(SYS_munmap, p, file.bytes());
    print("faults", {arm});
    return 0;
}

double start_once(char** command, char** environment) {
    pid_t child = 0;
    int status = 0;
    const double start = wall_ns();
    if (const int error = posix_spawn(&child, command[0], nullptr, nullptr, command, environment)) {
        errno = error;
        throw Error::of_errno(std::string(command[0]) + ": cannot start");
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw Error(std::string(command[0]) + ": did not end with status 0");
    return wall_ns() - start;
}

// ARGS: --arm NAME VARIABLE=VALUE... --arm ... -- PROGRAM ARGUMENT...
int starts(char** args, const Options& options) {
    std::vector<Arm> arms;
    std::vector<std::vector<char*>> environments;
    for (; *args && std::string_view(*args) != "--"; ++args) {
        if (std::string_view(*args) == "--arm") {
            if (!*++args)
                throw Error("--arm needs a name");
            arms.push_back({*args, {}});
            environments.emplace_back();
        } else if (arms.empty() || std::string_view(*args).find('=') == std::string_view::npos) {
            throw Error(std::string(*args) + ": expected --arm NAME, VARIABLE=VALUE or --");
        } else {
            environments.back().push_back(*args);
        }
    }
    if (arms.empty() || !*args || !*++args)
        throw Error("starts needs an arm, and a program behind --");
    for (std::vector<char*>& environment : environments)
        environment.push_back(nullptr);
    for (unsigned i = 0; i < options.rounds + 2; ++i)
        for (std::size_t k = 0; k < arms.size(); ++k) {
            const std::size_t n = i % 2 ? k : arms.size() - 1 - k;
            const double spent = start_once(args, environments[n].data());
            if (i >= 2)
                arms[n].samples.push_back(spent);
        }
    print("starts", arms);
    return 0;
}

unsigned number(const char* option, const char* text) {
    unsigned value = 0;
    const std::string_view s(text);
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (error != std::errc() || end != s.data() + s.size() || value == 0 || value > 1000000)
        throw Error(std::string(option) + ": '" + text + "'; expected a number from 1 to 1000000");
    return value;
}

int run(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    Options options;
    if (what == "starts") {
        char** args = argv + 2;
        options.rounds = 200;
        if (*args && std::string_view(*args) == "--rounds" && args[1]) {
            options.rounds = number(args[0], args[1]);
            args += 2;
        }
        return starts(args, options);
    }
    constexpr struct option known[] = {{"rounds", required_argument, nullptr, 'r'},
                                       {"count", required_argument, nullptr, 'c'},
                                       {"bare", no_argument, nullptr, 'b'},
                                       {"write", no_argument, nullptr, 'w'},
                                       {nullptr, 0, nullptr, 0}};
    for (int c; (c = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
        if (c == 'r')
            options.rounds = number("--rounds", optarg);
        else if (c == 'c')
            options.count = number("--count", optarg);
        else if (c == 'b')
            options.bare = true;
        else if (c == 'w')
            options.write = true;
        else
            return 2;
    }
    if (argc - optind == 2 && what == "pairs")
        return pairs(argv[optind + 1], options);
    if (argc - optind == 2 && what == "faults")
        return faults(argv[optind + 1], options);
    std::fputs(usage, stderr);
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const Error& error) {
        std::fprintf(stderr, "pp-overhead: %s\n", error.what());
        return 1;
    }
}
