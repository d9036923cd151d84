// SPDX-License-Identifier: Apache-2.0
//
// Which rules does a mapping fall under, and with which parts? Asks the policy
// once a file and kind of mapping, and remembers the answer. The caller holds the
// Guard; never allocates.
#pragma once

#include "policy.hpp"

#include <cstdint>
#include <sys/stat.h>

namespace pagepatrol::decide {

// How the file is mapped.
struct How {
    int prot; // PROT_*
    bool shared;
};

struct Answer {
    std::uint64_t device, inode, size;
    std::int64_t seconds, nanoseconds; // ctime
    std::uint8_t prot, count;
    bool shared, valid;
    // Sorted, without overlaps, on page boundaries, none empty.
    Segment parts[max_segments];
};

// nullptr: no policy, no rules. Forgets all answers.
void set_policy(const Policy* policy, std::uint64_t page_size) noexcept;
// Files that no rule applies to, whatever it says: the shim's own and ld.so's.
void leave_alone(const struct ::stat& st) noexcept;
bool left_alone(const struct ::stat& st) noexcept;
// Did a rule about a part of a file ever apply? Then a mapping that grows may come upon another
// rule. May be asked without the lock.
bool splits() noexcept;

// The answer for an open file that was fstat'ed; good until the next call. `fresh`: it was not
// remembered, so the file is new here or has changed.
const Answer& by_descriptor(int fd, const struct ::stat& st, How how, bool& fresh) noexcept;
// The same for a file known by its path.
const Answer& by_path(const char* path, const struct ::stat& st, How how) noexcept;
// For a file that has no name any more: by the one it had. Not remembered.
const Answer& by_old_name(std::string_view path, std::uint64_t device, std::uint64_t inode,
                          std::uint64_t size, How how) noexcept;

} // namespace pagepatrol::decide
