// SPDX-License-Identifier: Apache-2.0
// Inserting and removing the kernel module.
#include "module.hpp"

#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pagepatrol::module {

namespace {

const std::string sys_dir = "/sys/module/pagepatrol";

std::string kernel_release() {
    utsname names{};
    return uname(&names) == 0 ? names.release : "this kernel";
}

Result<void> modprobe() {
    const pid_t pid = fork();
    if (pid == 0) {
        execlp("modprobe", "modprobe", "pagepatrol", nullptr);
        _exit(127);
    }
    int state = 0;
    if (pid < 0 || waitpid(pid, &state, 0) < 0)
        return Error{errno, "running modprobe pagepatrol", ""};
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0)
        return Error{ENOENT, "modprobe pagepatrol failed",
                     "build it (Linux 6.9 or newer): scripts/build-module --kdir /lib/modules/" +
                                        kernel_release() +
                                        "/build, then ppctl load --module with the path it prints"};
    return {};
}

} // namespace

bool present() { return access(sys_dir.c_str(), F_OK) == 0; }

// what is built in has parameters and a version there, but never was in any state
bool inserted() { return access((sys_dir + "/initstate").c_str(), F_OK) == 0; }
bool built_in() { return present() && !inserted(); }

std::string attribute(const std::string& name) {
    std::ifstream file(sys_dir + "/" + name);
    std::string line;
    std::getline(file, line);
    return line;
}

Result<bool> insert(const std::string& path) {
    if (built_in() && !path.empty())
        return Error{EEXIST,
                     "not inserting " + path + ": the kernel " + kernel_release() +
                         " has PagePatrol built in",
                     "ppctl load without --module"};
    if (present())
        return false;
    if (path.empty()) {
        if (auto done = modprobe(); !done)
            return done.error();
        return true;
    }
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return Error{errno, "opening the module " + path, ""};
    const long err = syscall(SYS_finit_module, fd, "", 0);
    const int code = errno;
    close(fd);
    if (err == 0)
        return true;
    std::string hint = "dmesg says more";
    if (code == ENOEXEC || code == EINVAL)
        hint = "was it built for " + kernel_release() + "? scripts/build-module --kdir /lib/modules/" +
               kernel_release() + "/build does it; dmesg says more";
    if (code == EPERM)
        hint = "needs root (CAP_SYS_MODULE); with secure boot the module has to be signed";
    return Error{code, "inserting the module " + path, hint};
}

Result<void> remove() {
    using namespace std::chrono_literals;
    // Programs are freed a grace period after their last link is gone.
    int error = 0;
    for (int tries = 0; tries < 200; ++tries) {
        if (syscall(SYS_delete_module, "pagepatrol", O_NONBLOCK) == 0)
            return {};
        error = errno;
        if (error != EAGAIN && error != EBUSY)
            break;
        std::this_thread::sleep_for(50ms);
    }
    return Error{error, "removing the module",
                 "something still uses it, perhaps work of a process in a long system call: try "
                 "again; bpftool prog show lists programs"};
}

} // namespace pagepatrol::module
