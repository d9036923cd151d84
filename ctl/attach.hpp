// SPDX-License-Identifier: Apache-2.0
// What a policy makes of the mappings of a process. Knows nothing of the kernel side.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <pagepatrol/abi.h>

namespace ppctl {

struct Table {
    std::vector<pp_range> ranges; ///< sorted
    uint32_t budget = 0;          ///< as of pp_request.budget
    std::string error;            ///< why there is none; empty if all is well
};

/// `process`: its folder in /proc (maps and map_files are read). Which programs the policy is for
/// ([app]) does not matter: the process was named.
Table table_for(const std::string& process, const std::string& policy_file);

} // namespace ppctl
