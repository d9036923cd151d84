// SPDX-License-Identifier: Apache-2.0
// A process that does what a test tells it, step by step, as whatever user the test
// wants. It is a fork of the test program, so a step is a lambda: its code is there
// already, its captures (plain values only) go through a socket. It must not be used
// for steps that need memory the test got after the fork.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include <sys/types.h>

namespace pagepatrol::test {

constexpr uid_t root = 0, nobody = 65534, somebody = 1000;

class Child {
  public:
    /// A process of this user; without any capability unless that is root.
    explicit Child(uid_t uid = nobody);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child(); ///< kills it and what it forked

    pid_t pid() const { return pid_; }

    /// Runs the step in the child and waits for what it returns.
    template <typename Step> int64_t run(Step step) {
        start(step);
        return result();
    }

    /// Sends the step; result() waits for it.
    template <typename Step> void start(Step step) {
        static_assert(std::is_trivially_copyable_v<Step>, "captures have to be plain values");
        Message message{};
        static_assert(sizeof(Step) <= sizeof(message.captures));
        message.run = [](void* captures) -> int64_t {
            return static_cast<int64_t>((*static_cast<Step*>(captures))());
        };
        std::memcpy(message.captures, &step, sizeof(step));
        send(message);
    }
    int64_t result();

    /// Sends the signal (0: none, lets it exit by itself); its wait status.
    int end(int signal = 0);

    /// What result() gives when the child is gone or silent.
    static constexpr int64_t lost = INT64_MIN;

  private:
    struct Message {
        int64_t (*run)(void* captures);
        alignas(16) char captures[128];
    };
    void send(const Message& message);
    [[noreturn]] static void serve(int socket);

    pid_t pid_ = -1;
    pid_t group_ = -1; ///< its own process group
    int socket_ = -1;
};

/// Becomes this user for good, with no group and no capability left; false if it can't.
bool become(uid_t uid);

} // namespace pagepatrol::test
