// SPDX-License-Identifier: Apache-2.0
//
// Would a seccomp filter that was there before the program began (a systemd unit's
// SystemCallFilter=, say) end the program for a bpf(2) of ours? Such a filter can't be
// read. Asks the kernel only; says nothing.
#pragma once

namespace pagepatrol::sandbox {

enum class Verdict { none, kills, unknown }; // none: bpf(2) works, or fails with an error

// Under the Guard. Once a process: under a filter a child tries it, which costs as much as a fork
// (and so has to be allowed there, as wait4(2) and prctl(2)); else a file is read.
Verdict on_bpf() noexcept;

} // namespace pagepatrol::sandbox
