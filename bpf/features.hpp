// SPDX-License-Identifier: Apache-2.0
// Whether this kernel can carry PagePatrol at all, told before anything is tried.
#pragma once

#include <pagepatrol/result.hpp>

struct btf;

namespace pagepatrol {

/// EOPNOTSUPP with what is missing, and the oldest kernel that has it all.
/// @param kernel  its BTF; none: as this kernel describes itself
Result<void> require_kernel_features(const btf* kernel = nullptr);

} // namespace pagepatrol
