// SPDX-License-Identifier: Apache-2.0
//
// Finds and reads the policy of this program: in the constructor, once. The only
// part of the shim that allocates.
#pragma once

namespace pagepatrol {

struct Policy;

namespace config {

// The policy to apply, or nullptr (none, or one with errors, which have been reported). Never
// freed. Sets log::verbose and the door as the environment says.
const Policy* find() noexcept;

} // namespace config
} // namespace pagepatrol
