// SPDX-License-Identifier: Apache-2.0
//
// pp-growth: many processes at once, as JSON on stdout. `pairs` has them map and unmap as fast
// as they can, `hold` has them hold mappings until its stdin ends. Under a preloaded shim all of
// them have it. bench/growth runs it.
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "cost.hpp"
#include "error.hpp"

using namespace pagepatrol::bench;

namespace {

constexpr char usage[] =
    "usage: pp-growth pairs FILE... [--milliseconds N]\n"
    "       pp-growth hold FILE --processes N [--ranges N] [--fork]\n"
    "  pairs      a process for each FILE maps and unmaps a page of it, for N ms (default 1000)\n"
    "  hold       N processes, started one after the other, each with so many pages of FILE\n"
    "             mapped, each by itself (default 1); they end when stdin does. Told is the\n"
    "             processor time for a start (of the last 16) and for an end, medians\n"
    "  --fork     the first one forks the others, which have its mappings from it\n";

constexpr std::size_t last_starts = 16; // of which the median is told

struct Options {
    unsigned milliseconds = 1000;
    unsigned processes = 0;
    unsigned ranges = 1;
    bool forks = false;
};

void check_end(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw Error("a process did not end with status 0");
}

// --- pairs ---

// Of all processes of one run, in memory that they share.
struct Board {
    std::atomic<unsigned> ready;
    std::atomic<bool> go, stop;
    std::atomic<std::uint64_t> pairs;
};

int pairs_child(const char* path, Board& board) {
    constexpr unsigned block = 16;
    const CostFile file(path);
    std::uint64_t done = 0;
    libc_pairs(file, block); // the first push makes the table
    ++board.ready;
    while (!board.go)
        usleep(100);
    for (; !board.stop; done += block)
        libc_pairs(file, block);
    board.pairs += done;
    return 0;
}

int guarded(int (*body)(const char*, Board&), const char* path, Board& board) {
    try {
        return body(path, board);
    } catch (const Error& error) {
        std::fprintf(stderr, "pp-growth: %s\n", error.what());
        return 1;
    }
}

int pairs(char** files, unsigned count, const Options& options) {
    void* shared =
        mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        throw Error::of_errno("mmap failed");
    Board& board = *new (shared) Board{};
    std::vector<pid_t> children;
    for (unsigned i = 0; i < count; ++i) {
        const pid_t child = fork();
        if (child < 0)
            throw Error::of_errno("fork failed");
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            _exit(guarded(pairs_child, files[i], board));
        }
        children.push_back(child);
    }
    while (board.ready < count) {
        if (waitpid(-1, nullptr, WNOHANG) > 0)
            throw Error("a process ended early");
        usleep(1000);
    }
    const double start = wall_ns();
    board.go = true;
    usleep(options.milliseconds * 1000);
    board.stop = true;
    for (const pid_t child : children)
        check_end(child);
    const double seconds = (wall_ns() - start) / 1e9;
    std::printf("{\"processes\": %u, \"pairs\": %llu, \"seconds\": %.6f}\n", count,
                static_cast<unsigned long long>(board.pairs), seconds);
    return 0;
}

// --- hold ---

// Descriptors of the pipes in the children: they tell that they are ready, and end with `stop`.
constexpr int ready_fd = 3, stop_fd = 4;

// Tells the processor time that it took to get here.
int stay(int ready, int stop) {
    const double spent = process_ns();
    char byte = 0;
    if (write(ready, &spent, sizeof(spent)) != sizeof(spent))
        throw Error::of_errno("write failed");
    while (read(stop, &byte, 1) < 0 && errno == EINTR)
        ;
    return 0;
}

void touch_first(const Pieces& pieces) {
    for (volatile char* at : pieces.spread(1))
        static_cast<void>(*at);
}

int held(const char* path, unsigned ranges) {
    const CostFile file(path);
    touch_first(Pieces(file, ranges));
    return stay(ready_fd, stop_fd);
}

class Pipe {
  public:
    Pipe() {
        if (pipe2(ends_, O_CLOEXEC) != 0)
            throw Error::of_errno("pipe failed");
        // above those that the children have
        for (int& end : ends_) {
            const int high = fcntl(end, F_DUPFD_CLOEXEC, 10);
            if (high < 0)
                throw Error::of_errno("fcntl failed");
            ::close(end);
            end = high;
        }
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close(0);
        close(1);
    }
    int end(int which) const { return ends_[which]; }
    void close(int which) {
        if (ends_[which] >= 0)
            ::close(ends_[which]);
        ends_[which] = -1;
    }

  private:
    int ends_[2];
};

struct Holder {
    pid_t pid;
    double spent_ns; // of processor time, up to where it was ready
};

// A process of its own, of the same program.
pid_t spawn(const char* path, unsigned count, const Pipe& ready, const Pipe& stop) {
    std::string program = "pp-growth", what = "held", file = path, ranges = std::to_string(count);
    char* command[] = {program.data(), what.data(), file.data(), ranges.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ready.end(1), ready_fd);
    posix_spawn_file_actions_adddup2(&actions, stop.end(0), stop_fd);
    pid_t child = 0;
    const int error = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        errno = error;
        throw Error::of_errno("cannot start a process");
    }
    return child;
}

pid_t fork_with(const Pieces& pieces, const Pipe& ready, Pipe& stop) {
    const pid_t child = fork();
    if (child < 0)
        throw Error::of_errno("cannot fork");
    if (child == 0) {
        stop.close(1);
        touch_first(pieces);
        _exit(stay(ready.end(1), stop.end(0)));
    }
    return child;
}

// `start` returns the process that it started, or throws.
template <typename Start> Holder started(const Start& start) {
    Pipe ready; // its own: if the process ends instead, so does the pipe
    double spent = 0;
    const pid_t child = start(ready);
    ready.close(1);
    if (read(ready.end(0), &spent, sizeof(spent)) != sizeof(spent))
        throw Error("a process did not get ready");
    return {child, spent};
}

// What it has spent since it was ready, up to its very end.
double end_of(const Holder& holder) {
    int status = 0;
    struct rusage used = {};
    if (wait4(holder.pid, &status, 0, &used) != holder.pid || status != 0)
        throw Error("a process did not end with status 0");
    const auto ns = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_usec) * 1e3;
    };
    return ns(used.ru_utime) + ns(used.ru_stime) - holder.spent_ns;
}

int hold(const char* path, const Options& options) {
    const CostFile file(path);
    const Pieces own(file, options.forks ? options.ranges : 0);
    touch_first(own);
    Pipe stop;
    std::vector<Holder> holders;
    std::vector<double> starts, ends;
    char byte = 0;
    for (unsigned i = options.forks ? 1 : 0; i < options.processes; ++i) {
        const double before = thread_ns();
        holders.push_back(started([&](const Pipe& ready) {
            return options.forks ? fork_with(own, ready, stop)
                                 : spawn(path, options.ranges, ready, stop);
        }));
        starts.push_back(thread_ns() - before + holders.back().spent_ns);
    }
    const auto first =
        starts.end() - static_cast<std::ptrdiff_t>(std::min(starts.size(), last_starts));
    std::printf("{\"processes\": %u, \"start_ns\": %.0f, \"first_pid\": %d}\n", options.processes,
                median({first, starts.end()}), holders.front().pid);
    std::fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    stop.close(1);
    for (const Holder& holder : holders)
        ends.push_back(end_of(holder));
    std::printf("{\"end_ns\": %.0f}\n", median(ends));
    return 0;
}

int run(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (argc == 4 && what == "held")
        return held(argv[2], number("ranges", argv[3]));
    Options options;
    if (!parse(argc, argv,
               {{"milliseconds", &options.milliseconds},
                {"processes", &options.processes},
                {"ranges", &options.ranges},
                {"fork", nullptr, &options.forks}}))
        return 2;
    if (argc - optind >= 2 && what == "pairs")
        return pairs(argv + optind + 1, static_cast<unsigned>(argc - optind - 1), options);
    if (argc - optind == 2 && what == "hold" && options.processes > (options.forks ? 1 : 0))
        return hold(argv[optind + 1], options);
    std::fputs(usage, stderr);
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    return run_tool("pp-growth", run, argc, argv);
}
