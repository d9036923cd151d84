// SPDX-License-Identifier: Apache-2.0
//
// The way to the kernel side: the table of this process through the pinned
// upload program ("the door"). Knows nothing of rules or files. The caller holds
// the Guard.
#pragma once

#include <pagepatrol/abi.h>

#include <cstdint>

namespace pagepatrol::push {

// Another path than PP_PIN_DOOR, for tests. Copied; one that is too long is not taken.
void set_door(const char* path) noexcept;

// Most that the process may keep (PP_BUDGET_*), sent with each table.
void set_budget(std::uint32_t process, std::uint64_t page_size) noexcept;

// Hands over the whole table; [start, end) is what changes with it (see abi.h). Returns 0 or
// a negative errno; what was not handed over is made up for by the next call that succeeds.
long table(const struct pp_range* ranges, std::uint32_t count, std::uint64_t start,
           std::uint64_t end) noexcept;

// Acts once on [start, end): PP_ACTION_*. 0 or a negative errno, about which nothing is said.
long act(std::uint32_t action, std::uint64_t start, std::uint64_t end) noexcept;

// As long as one lives nothing is said: who called gets the error.
class Quiet {
  public:
    Quiet() noexcept;
    ~Quiet();
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

  private:
    bool before_;
};

} // namespace pagepatrol::push
