// SPDX-License-Identifier: Apache-2.0
// Whether this kernel can carry PagePatrol at all, told before anything is tried.
#pragma once

#include <pagepatrol/result.hpp>

struct btf;

namespace pagepatrol {

/// EOPNOTSUPP with what is missing, and the oldest kernel that has it all.
Result<void> require_kernel_features();

/// The same of a kernel that has this BTF.
Result<void> require_kernel_features(const btf& kernel);

} // namespace pagepatrol
