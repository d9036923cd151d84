// SPDX-License-Identifier: Apache-2.0
//
// Finds the policy of this program, and reads it: in the constructor, and again
// when its file has changed. The only part of the shim that allocates, from memory
// of its own (runtime.hpp).
#pragma once

#include "core.hpp"

namespace pagepatrol::config {

// The policy to apply, or nullptr (none, one for other programs, or one with errors, which have
// been reported). Sets log::verbose and the door as the environment says, and `source` to how
// the policy is read anew. `arguments` as main() has them.
const Policy* find(int count, char** arguments, core::Source& source) noexcept;

} // namespace pagepatrol::config
