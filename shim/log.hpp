// SPDX-License-Identifier: Apache-2.0
//
// The shim's voice: whole lines on stderr by one write(2), each kind of problem
// at most once a process, and silent once descriptor 2 is another file than at the
// start. No stdio, no allocation; safe in a signal handler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pagepatrol::log {

// One line, cut at its capacity, written when it goes out of scope.
class Line {
  public:
    Line() noexcept;
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
    Line& operator<<(std::string_view text) noexcept;
    Line& operator<<(std::uint64_t number) noexcept;
    Line& hex(std::uint64_t number) noexcept;
    Line& error(long negative_errno) noexcept; // its name in words

  private:
    void number(std::uint64_t value, unsigned base) noexcept;
    static constexpr std::size_t capacity = 1024;
    char text_[capacity + 1]; // + newline
    std::size_t size_ = 0;
};

enum Kind : unsigned {
    no_kernel_side,
    refused,
    too_many_ranges,
    no_proc,
    no_policy,
    limited_by_rule,
    limited_by_process,
    limited_by_user,
    aside,
    lock_taken,
    policy_later,
    policy_of_another,
    glob_too_slow
};

// True the first time it is asked for that kind; not while all is to be quiet.
bool first(Kind kind) noexcept;

// In the constructor, before the program can have put another file there.
void remember_stderr() noexcept;

extern bool quiet;   // under the Guard; see push::Quiet
extern bool verbose; // set in the constructor, read only afterwards

} // namespace pagepatrol::log
