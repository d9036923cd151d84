// SPDX-License-Identifier: Apache-2.0
//
// pp-overhead: what PagePatrol itself costs, one thing a subcommand, as JSON on
// stdout. Arms that are to be compared take turns in short blocks, so that what
// else the machine does falls on both. bench/overhead and bench/growth run it and judge.
#include <getopt.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "cost.hpp"
#include "error.hpp"

using namespace pagepatrol::bench;

namespace {

constexpr char usage[] =
    "usage: pp-overhead pairs FILE [--rounds N] [--count N] [--ranges N]\n"
    "       pp-overhead faults FILE [--rounds N] [--bare] [--write]\n"
    "       pp-overhead reads FILE --ranges N [--rounds N]\n"
    "       pp-overhead starts [--rounds N] --arm NAME [VARIABLE=VALUE]... [--arm ...] -- PROGRAM\n"
    "  pairs      mmap and munmap of a page of FILE: by system call (bare), by libc name (libc)\n"
    "  faults     first touches of each page of FILE, which is in the page cache; mapped by libc\n"
    "             name, with --bare by system call; --write: the first touch is a write\n"
    "  reads      faults that bring a page of FILE in, one in each of at most 64 of the ranges\n"
    "  starts     start and end of PROGRAM with the variables of each arm\n"
    "  --rounds N blocks of each arm (default 400; starts: 200)\n"
    "  --count N  pairs in a block (default 50)\n"
    "  --ranges N so many pages of FILE stay mapped meanwhile, each by itself\n";

struct Options {
    unsigned rounds = 400;
    unsigned count = 50;
    bool bare = false;
    bool write = false;
    unsigned ranges = 0;
};

int pairs(const char* path, const Options& options) {
    const CostFile file(path);
    if (!options.ranges)
        file.into_cache();
    const Pieces pieces(file, options.ranges);
    Arm bare{"bare", {}}, libc{"libc", {}};
    for (unsigned i = 0; i < options.rounds + 2; ++i) {
        // who goes first alternates; the first two rounds warm up
        double a = 0, b = 0;
        if (i % 2)
            a = bare_pairs(file, options.count);
        b = libc_pairs(file, options.count);
        if (!(i % 2))
            a = bare_pairs(file, options.count);
        if (i < 2)
            continue;
        bare.samples.push_back(a);
        libc.samples.push_back(b);
    }
    print("pairs", {bare, libc});
    return 0;
}

int faults(const char* path, const Options& options) {
    const CostFile file(path, options.write);
    file.into_cache();
    const std::size_t page = page_bytes();
    const std::size_t count = (file.bytes() + page - 1) / page;
    const int prot = options.write ? PROT_READ | PROT_WRITE : PROT_READ;
    void* p = options.bare ? bare_mmap(file.bytes(), file.fd(), prot)
                           : libc_mmap(file.bytes(), file.fd(), prot);
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

// Pages of a file, one by one, without read-ahead: the range is looked up for each.
int reads(const char* path, const Options& options) {
    const CostFile file(path);
    const std::size_t page = page_bytes();
    const std::vector<volatile char*> touched = Pieces(file, options.ranges).spread(64);
    const auto advise = [&](int advice) {
        for (volatile char* at : touched)
            if (syscall(SYS_madvise, at, page, advice) != 0)
                throw Error::of_errno("madvise failed");
    };
    advise(MADV_RANDOM);
    Arm arm{"libc", {}};
    for (unsigned i = 0; i < options.rounds + 2; ++i) {
        advise(MADV_DONTNEED);
        file.out_of_cache();
        for (volatile char* at : touched) {
            unsigned char resident = 0;
            if (syscall(SYS_mincore, at, page, &resident) != 0 || (resident & 1))
                throw Error("a page does not leave the cache");
        }
        const double start = thread_ns();
        for (volatile char* at : touched)
            static_cast<void>(*at);
        if (i >= 2)
            arm.samples.push_back((thread_ns() - start) / static_cast<double>(touched.size()));
    }
    print("reads", {arm});
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
    if (!parse(argc, argv,
               {{"rounds", &options.rounds},
                {"count", &options.count},
                {"ranges", &options.ranges},
                {"bare", nullptr, &options.bare},
                {"write", nullptr, &options.write}}))
        return 2;
    if (argc - optind == 2 && what == "pairs")
        return pairs(argv[optind + 1], options);
    if (argc - optind == 2 && what == "faults")
        return faults(argv[optind + 1], options);
    if (argc - optind == 2 && what == "reads" && options.ranges)
        return reads(argv[optind + 1], options);
    std::fputs(usage, stderr);
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    return run_tool("pp-overhead", run, argc, argv);
}
