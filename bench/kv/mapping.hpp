// SPDX-License-Identifier: Apache-2.0
//
// Which mapping an address is in, for advice on mappings that a library made and does not
// show. Reads /proc/self/maps; not for the measured part of a run.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "../error.hpp"

namespace pagepatrol::bench::kv {

struct Mapping {
    char* data = nullptr;
    std::uint64_t bytes = 0;
};

inline Mapping mapping_around(const void* address) {
    std::ifstream maps("/proc/self/maps");
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    for (std::string line; std::getline(maps, line);) {
        std::size_t used = 0;
        const std::uintptr_t from = std::stoull(line, &used, 16);
        const std::uintptr_t to = std::stoull(line.substr(used + 1), nullptr, 16);
        if (wanted >= from && wanted < to)
            return {reinterpret_cast<char*>(from), to - from};
    }
    throw Error("/proc/self/maps: no mapping holds the data; is it not mapped?");
}

} // namespace pagepatrol::bench::kv
