// SPDX-License-Identifier: Apache-2.0
// Runs programs: in a cgroup, with a time limit, their output kept. No child
// outlives its object, however the test ends.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "../slow.h"

namespace vmtest {

using Argv = std::vector<std::string>;

struct Command {
    Argv argv;                                ///< argv[0] is looked up in PATH
    std::map<std::string, std::string> env{}; ///< added to the environment
    std::string cgroup{};                     ///< folder of the cgroup to run in; empty: ours
};

/// How a program ended.
struct Ended {
    int exit_status = -1; ///< -1: by a signal
    int signal = 0;       ///< 0: by itself
    bool timed_out = false;
    std::string out, err;
    double seconds = 0, cpu_seconds = 0; ///< wall clock; user + system
    long major_faults = 0;

    bool good() const { return exit_status == 0; }
    /// What to show when it was not what the test wanted.
    std::string text() const;
};

class Child {
  public:
    explicit Child(const Command& command);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }
    bool running() const;
    void signal(int number) const;
    /// Sends a line to its stdin and returns the next line of its stdout, "" at its end.
    std::string ask(std::string_view line);
    /// Waits for the end; after `limit` (times slowness()) it is killed.
    Ended wait(std::chrono::seconds limit = std::chrono::seconds(300));

  private:
    std::string read_line();

    pid_t pid_ = -1;
    int pidfd_ = -1, in_ = -1, out_ = -1, err_ = -1; ///< in_: pipe; out_, err_: memory files
    std::size_t lines_read_ = 0;                     ///< offset in out_ up to which ask() read
    std::chrono::steady_clock::time_point start_;
};

Ended run(const Command& command, std::chrono::seconds limit = std::chrono::seconds(300));
/// What has to end well: throws if it does not.
Ended must_run(const Command& command);

/// Calls `done` every 50 ms until it is true or the time (times slowness()) is over.
template <typename Done> bool wait_until(Done done, std::chrono::seconds limit);
void pause_briefly();

template <typename Done> bool wait_until(Done done, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit * slowness();
    while (!done()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        pause_briefly();
    }
    return true;
}

} // namespace vmtest
