// SPDX-License-Identifier: Apache-2.0
//
// Which rule does an open file fall under? Asks the policy once a file and
// remembers the answer. The caller holds the Guard; never allocates.
#pragma once

#include <cstdint>
#include <sys/stat.h>

namespace pagepatrol {
struct Policy;
struct Rule;
} // namespace pagepatrol

namespace pagepatrol::decide {

void set_policy(const Policy* policy) noexcept;
// Files that no rule applies to, whatever it says: the shim's own and ld.so's.
void leave_alone(const struct ::stat& st) noexcept;

// The rule for an open file that was fstat'ed, or nullptr. Rules of action "none" are nullptr.
const Rule* by_descriptor(int fd, const struct ::stat& st) noexcept;
// The same for a file known by its path; not remembered.
const Rule* by_path(const char* path, const struct ::stat& st) noexcept;

} // namespace pagepatrol::decide
