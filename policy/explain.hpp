// SPDX-License-Identifier: Apache-2.0
//
// Why a policy does what it does with a file, and what in a policy can't be meant:
// in sentences, for ppctl. Not linked into the shim.
#pragma once

#include "policy.hpp"

namespace pagepatrol {

struct Verdict {
    const Rule* rule;
    bool wins;       // has a segment
    std::string why; // "has bytes 0 to 4096", "no: smaller than min_size (10 < 4096 bytes)"
};

struct Explanation {
    Segment segments[max_segments];
    std::size_t count;
    std::vector<Verdict> verdicts; // one for each rule, in the order of the file
};

Explanation explain(const Policy& policy, const MappedFile& file);

// "bytes 0 to 4096", "bytes 4096 to the end", "the whole file"
std::string part_text(std::uint64_t start, std::uint64_t end);
// "rule 2" or "rule 2 (NAME)"
std::string rule_text(const Rule& rule);

// What is no error, but can't be meant; kind is bad_value, and line that of the rule.
std::vector<Error> warnings(const Policy& policy);

} // namespace pagepatrol
