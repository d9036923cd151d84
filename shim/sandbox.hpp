// SPDX-License-Identifier: Apache-2.0
//
// Would a seccomp filter that was there before the program began (a systemd unit's
// SystemCallFilter=, say) end the program for a bpf(2) of ours? Such a filter can't be
// read. Asks the kernel only; says nothing.
#pragma once

namespace pagepatrol::sandbox {

// Under a filter it lets a child try, which costs as much as a fork; else it reads a file.
bool kills_for_bpf() noexcept;

} // namespace pagepatrol::sandbox
