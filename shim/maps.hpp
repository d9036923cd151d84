// SPDX-License-Identifier: Apache-2.0
//
// Reads /proc/thread-self/maps: what is mapped, however it came there.
// Raw reads into a static buffer; no stdio, no allocation. Under the
// Guard.
#pragma once

#include <cstdint>

namespace pagepatrol::maps {

struct Mapping {
    std::uint64_t start, end, offset, inode;
    int prot; // PROT_*
    bool shared;
    const char* path; // ends with 0; as /proc writes it: a newline in it is \012; may be empty
    bool has_file() const noexcept { return path[0] == '/'; }
};

// Calls `visit` for each mapping that begins below `end`, in order. It must not call this again.
// False if they can't be read.
bool each(std::uint64_t end, void (*visit)(const Mapping&, void*) noexcept, void* context) noexcept;
// Has rules not apply to the files mapped at these addresses.
void leave_alone(std::uint64_t own, std::uint64_t loader) noexcept;
// One line of /proc/PID/maps, without its newline, 0 in its place; false if it is none.
bool parse(char* line, Mapping& out) noexcept;

} // namespace pagepatrol::maps
