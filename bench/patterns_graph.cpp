// SPDX-License-Identifier: Apache-2.0
//
// Random walks on a graph in a mapped file (graph.hpp). Reads of the index count
// as hot accesses: it is small and used at every step. Trusts no number in the
// file.
#include <cstring>

#include "error.hpp"
#include "graph.hpp"
#include "patterns.hpp"

namespace pagepatrol::bench {

namespace {

struct Graph {
    GraphHeader header;
    const std::uint64_t* index;
    const std::uint32_t* edges;
};

Graph open_graph(const MappedFile& file) {
    Graph graph;
    if (file.bytes() < sizeof graph.header)
        throw Error(file.path() + ": too short for a graph file");
    std::memcpy(&graph.header, file.data(), sizeof graph.header);
    const GraphHeader& h = graph.header;
    if (h.magic != graph_magic)
        throw Error(file.path() +
                    ": not a graph file (HINT: make-file --graph NODES PATH makes one)");
    const auto fits = [&](std::uint64_t offset, std::uint64_t count, std::uint64_t size) {
        return offset % size == 0 && offset <= file.bytes() &&
               count <= (file.bytes() - offset) / size;
    };
    if (h.nodes == 0 || h.nodes > UINT32_MAX || !fits(h.index_offset, h.nodes + 1, 8) ||
        !fits(h.edges_offset, h.edges, 4))
        throw Error(file.path() + ": damaged graph file: header does not fit the file's size");
    graph.index = reinterpret_cast<const std::uint64_t*>(file.data() + h.index_offset);
    graph.edges = reinterpret_cast<const std::uint32_t*>(file.data() + h.edges_offset);
    return graph;
}

} // namespace

Body make_graph_walk(Section& section) {
    const std::size_t file_index = section.file("file");
    const std::int64_t walks = section.integer("walks", 1, 1'000'000'000);
    const std::int64_t steps = section.integer("steps", 1, 1'000'000'000);
    return [=](Run& run) {
        const MappedFile& file = run.files[file_index];
        const Graph graph = open_graph(file);
        run.recorder.begin_pass();
        for (std::int64_t walk = 0; walk < walks; walk++) {
            std::uint64_t node = run.random.below(graph.header.nodes);
            for (std::int64_t step = 0; step < steps; step++) {
                const std::uint64_t first = run.recorder.read_hot(&graph.index[node]);
                const std::uint64_t end = run.recorder.read_hot(&graph.index[node + 1]);
                if (first > end || end > graph.header.edges)
                    throw Error(file.path() + ": damaged graph file: edges of node " +
                                std::to_string(node));
                if (first == end) // dead end: go on somewhere else
                    node = run.random.below(graph.header.nodes);
                else
                    node = run.recorder.read(&graph.edges[first + run.random.below(end - first)]);
                if (node >= graph.header.nodes)
                    throw Error(file.path() + ": damaged graph file: edge to node " +
                                std::to_string(node));
            }
        }
        run.recorder.end_pass();
    };
}

const std::vector<Pattern>& patterns() {
    static const std::vector<Pattern> all = {
        {"sequential", make_sequential},       {"cyclic-burst", make_cyclic_burst},
        {"random-region", make_random_region}, {"reaccess", make_reaccess},
        {"hot-and-scan", make_hot_and_scan},   {"loop", make_loop},
        {"graph-walk", make_graph_walk},
    };
    return all;
}

} // namespace pagepatrol::bench
