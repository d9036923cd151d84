// SPDX-License-Identifier: Apache-2.0
//
// The side of Section that knows toml++; only the config's own sources see it.
#pragma once

#include <toml++/toml.h>

#include <set>
#include <string>
#include <vector>

#include "config.hpp"

namespace pagepatrol::bench {

struct Section::Impl {
    const toml::table* table;
    std::string where; // for messages: "top level", "file 'hot'", "step 'loop'"
    std::string source;
    const std::vector<FileSpec>* files; // null while the files themselves are read
    std::set<std::string, std::less<>> known{};
};

// "CONFIG:LINE:COLUMN: ", or "--set KEY=VALUE: " for what came from the command line
std::string position(const toml::source_region& region, const std::string& source);

// marks the source of values that the command line gave
inline constexpr std::string_view set_prefix = "--set ";

} // namespace pagepatrol::bench
