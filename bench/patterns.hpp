// SPDX-License-Identifier: Apache-2.0
//
// The access patterns, by the name they have in a config. A pattern reads its
// keys once and returns what is to be run; it knows nothing of any policy.
#pragma once

#include <string_view>
#include <vector>

#include "config.hpp"

namespace pagepatrol::bench {

struct Pattern {
    std::string_view name;
    Body (*make)(Section&);
};

const std::vector<Pattern>& patterns();

Body make_sequential(Section& section);
Body make_cyclic_burst(Section& section);
Body make_loop(Section& section);
Body make_random_region(Section& section);
Body make_reaccess(Section& section);
Body make_hot_and_scan(Section& section);
Body make_graph_walk(Section& section);

} // namespace pagepatrol::bench
