// SPDX-License-Identifier: Apache-2.0
//
// The way to the kernel side: the table of this process through the pinned
// upload program ("the door"). Knows nothing of rules or files. The caller holds
// the Guard.
#pragma once

#include <pagepatrol/abi.h>

#include <cstdint>

namespace pagepatrol::push {

// Another path than PP_PIN_DOOR, for tests. The string has to stay.
void set_door(const char* path) noexcept;

// Hands over the whole table; [start, end) is what changes with it (see abi.h). Returns 0 or
// a negative errno; what was not handed over is made up for by the next call that succeeds.
long table(const struct pp_range* ranges, std::uint32_t count, std::uint64_t start,
           std::uint64_t end) noexcept;

} // namespace pagepatrol::push
