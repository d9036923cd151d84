// SPDX-License-Identifier: Apache-2.0
//
// Reads /proc/self/maps: the file mappings that were there before the shim was.
// Raw reads into a static buffer; no stdio, no allocation. Used once, under the
// Guard.
#pragma once

#include <cstdint>

namespace pagepatrol::maps {

struct Mapping {
    std::uint64_t start, end, offset, inode;
    const char* path; // ends with 0; as /proc writes it: a newline in it is \012
};

// Calls `visit` for each mapping with a path. The mappings must not be changed by it.
void each(void (*visit)(const Mapping&) noexcept) noexcept;
// Has rules not apply to the files mapped at these addresses.
void leave_alone(std::uint64_t own, std::uint64_t loader) noexcept;
// One line of /proc/PID/maps, without its newline, 0 in its place; false if it has no path.
bool parse(char* line, Mapping& out) noexcept;

} // namespace pagepatrol::maps
