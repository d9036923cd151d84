// SPDX-License-Identifier: Apache-2.0
// See child.hpp.
#include "child.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vmtest {

namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

int checked(int result, const char* what) {
    if (result < 0)
        fail(what);
    return result;
}

std::string content(int fd) {
    std::string text;
    char buffer[65536];
    for (ssize_t n; (n = pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0;)
        text.append(buffer, static_cast<std::size_t>(n));
    return text;
}

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// In the new process: nothing may come back from here.
[[noreturn]] void become(const Command& command, int in, int out, int err) {
    const auto give_up = [&](const char* what) {
        dprintf(err, "%s: %s: %m\n", command.argv[0].c_str(), what);
        _exit(127);
    };
    if (!command.cgroup.empty()) {
        const int procs = open((command.cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
        if (procs < 0 || write(procs, "0", 1) != 1)
            give_up("can't enter the cgroup");
    }
    ::signal(SIGPIPE, SIG_DFL); // main() ignores it
    for (const auto& [name, value] : command.env)
        setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> argv;
    for (const std::string& word : command.argv)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        give_up("dup2");
    execvp(argv[0], argv.data());
    give_up("can't run it");
    abort();
}

} // namespace

std::string Ended::text() const {
    std::string text = timed_out ? "did not end in time and was killed"
                       : signal  ? "ended by signal " + std::to_string(signal)
                                 : "exit status " + std::to_string(exit_status);
    return text + "\nstdout: " + out.substr(0, 2000) + "\nstderr: " + err.substr(0, 4000);
}

Child::Child(const Command& command) : start_(std::chrono::steady_clock::now()) {
    int in[2];
    checked(pipe2(in, O_CLOEXEC), "pipe2");
    out_ = checked(memfd_create("stdout", MFD_CLOEXEC), "memfd_create");
    err_ = checked(memfd_create("stderr", MFD_CLOEXEC), "memfd_create");
    in_ = in[1];
    pid_ = checked(fork(), "fork");
    if (pid_ == 0)
        become(command, in[0], out_, err_);
    close(in[0]);
    pidfd_ = checked(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)), "pidfd_open");
}

Child::~Child() {
    if (pid_ > 0) {
        signal(SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    for (const int fd : {pidfd_, in_, out_, err_})
        if (fd >= 0)
            close(fd);
}

bool Child::running() const {
    pollfd end{pidfd_, POLLIN, 0};
    return poll(&end, 1, 0) == 0;
}

void Child::signal(int number) const {
    kill(pid_, number);
}

std::string Child::read_line() {
    const std::string text = content(out_);
    const auto end = text.find('\n', lines_read_);
    if (end == std::string::npos)
        return {};
    const std::string line = text.substr(lines_read_, end + 1 - lines_read_);
    lines_read_ = end + 1;
    return line;
}

std::string Child::ask(std::string_view line) {
    const std::string text = std::string(line) + '\n';
    std::string answer;
    if (write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return answer;
    wait_until([&] { return !(answer = read_line()).empty() || !running(); },
               std::chrono::seconds(120));
    return answer.substr(0, answer.find('\n'));
}

Ended Child::wait(std::chrono::seconds limit) {
    if (pid_ < 0)
        throw std::logic_error("Child::wait: waited for already");
    close(in_);
    in_ = -1;
    Ended ended;
    pollfd end{pidfd_, POLLIN, 0};
    const auto limit_ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit * slowness()).count();
    if (poll(&end, 1, static_cast<int>(limit_ms)) == 0) {
        ended.timed_out = true;
        signal(SIGKILL);
    }
    int status = 0;
    rusage usage{};
    checked(wait4(pid_, &status, 0, &usage), "wait4");
    pid_ = -1;
    ended.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    ended.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    ended.major_faults = usage.ru_majflt;
    if (WIFEXITED(status))
        ended.exit_status = WEXITSTATUS(status);
    else
        ended.signal = WTERMSIG(status);
    ended.out = content(out_);
    ended.err = content(err_);
    return ended;
}

Ended run(const Command& command, std::chrono::seconds limit) {
    return Child(command).wait(limit);
}

Ended must_run(const Command& command) {
    Ended ended = run(command);
    if (!ended.good()) {
        std::string what;
        for (const std::string& argument : command.argv)
            what += argument + " ";
        throw std::runtime_error(what + "failed: " + ended.text());
    }
    return ended;
}

void pause_briefly() {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

} // namespace vmtest
