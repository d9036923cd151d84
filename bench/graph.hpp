// SPDX-License-Identifier: Apache-2.0
//
// The graph file that make-file writes and the pattern graph-walk reads:
// compressed sparse rows (CSR), native byte order, header and index padded to
// whole pages so that each part can have a policy rule of its own.
#pragma once

#include <cstdint>

namespace pagepatrol::bench {

inline constexpr std::uint64_t graph_magic = 0x3148505247505050u; // "PPPGRPH1"
inline constexpr std::uint64_t graph_alignment = 4096;

// Edges of node i: edges[index[i]] up to, not including, edges[index[i + 1]].
struct GraphHeader {
    std::uint64_t magic;
    std::uint64_t nodes;
    std::uint64_t edges;
    std::uint64_t index_offset; // bytes from the start of the file; nodes + 1 u64
    std::uint64_t edges_offset; // bytes from the start of the file; u32 target nodes
};
static_assert(sizeof(GraphHeader) == 40);

} // namespace pagepatrol::bench
