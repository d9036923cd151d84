// SPDX-License-Identifier: Apache-2.0
// See child.hpp. The child ends when the test program's end of the socket closes, and
// is killed if the test program dies.
#include "child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <vector>

#include <gtest/gtest.h>

#include <grp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../slow.h"

namespace pagepatrol::test {

namespace {

// This program's ends: a child must not keep an older one's open.
std::vector<int> sockets;

const timeval patience{60 * slowness(), 0};

} // namespace

bool become(uid_t uid) {
    if (uid == root)
        return true;
    return (geteuid() != root || setgroups(0, nullptr) == 0) && setresgid(uid, uid, uid) == 0 &&
           setresuid(uid, uid, uid) == 0;
}

Child::Child(uid_t uid) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0 || (pid_ = fork()) < 0) {
        ADD_FAILURE() << "can't make a child: " << std::strerror(errno);
        return;
    }
    if (pid_ == 0) {
        close(ends[0]);
        for (const int other : sockets)
            close(other);
        sockets.clear();
        if (setpgid(0, 0) != 0 || !become(uid) || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
            _exit(126);
        serve(ends[1]);
    }
    close(ends[1]);
    socket_ = ends[0];
    group_ = pid_;
    setpgid(pid_, pid_); // whoever comes first
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockets.push_back(socket_);
}

Child::~Child() {
    end(SIGKILL);
    if (group_ > 0)
        kill(-group_, SIGKILL);
}

void Child::serve(int socket) {
    Message message;
    while (recv(socket, &message, sizeof(message), 0) == sizeof(message)) {
        const int64_t result = message.run(message.captures);
        if (::send(socket, &result, sizeof(result), MSG_NOSIGNAL) != sizeof(result))
            break;
    }
    _exit(0);
}

void Child::send(const Message& message) {
    if (::send(socket_, &message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
        ADD_FAILURE() << "child " << pid_ << " does not listen: " << std::strerror(errno);
}

int64_t Child::result() {
    int64_t result = lost;
    if (recv(socket_, &result, sizeof(result), 0) != sizeof(result)) {
        ADD_FAILURE() << "child " << pid_ << " is gone or does not answer";
        return lost;
    }
    return result;
}

int Child::end(int signal) {
    int status = 0;
    if (pid_ <= 0)
        return status;
    if (signal)
        kill(pid_, signal);
    close(socket_);
    std::erase(sockets, socket_);
    for (time_t waited = 0; waitpid(pid_, &status, WNOHANG) == 0; waited += 1) {
        if (waited == patience.tv_sec * 1000) {
            ADD_FAILURE() << "child " << pid_ << " does not end";
            kill(pid_, SIGKILL);
        }
        usleep(1000);
    }
    pid_ = -1;
    return status;
}

} // namespace pagepatrol::test
