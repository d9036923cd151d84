// SPDX-License-Identifier: Apache-2.0
//
// A folder that pp-kv load filled: what is in it, as said in its file pp-kv.toml, which
// is written last, so that a load that was broken off is not taken for a database.
#pragma once

#include <cstdint>
#include <string>

namespace pagepatrol::bench::kv {

struct Database {
    std::string engine;
    std::uint64_t records = 0, value_bytes = 0, seed = 1;
    std::uint64_t disk_bytes = 0; // of all files, after the load
};

// The folder must not exist or be empty; made if needed. Throws Error.
void prepare_folder(const std::string& folder);
// Writes out and syncs everything in the folder, then marks it as complete.
void finish_folder(const std::string& folder, Database& database);
Database read_folder(const std::string& folder, const std::string& engine);

} // namespace pagepatrol::bench::kv
