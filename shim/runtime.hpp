// SPDX-License-Identifier: Apache-2.0
//
// The way out when memory runs out while the policy is read. What was allocated
// until then is left behind: it happens once, in a process that has none to spare.
#pragma once

#include <csetjmp>

namespace pagepatrol::runtime {

// Until disarm(), a failed allocation does longjmp(out, 1).
void arm(std::jmp_buf& out) noexcept;
void disarm() noexcept;

} // namespace pagepatrol::runtime
