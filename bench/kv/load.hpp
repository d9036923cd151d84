// SPDX-License-Identifier: Apache-2.0
//
// Fills a new database in the order of keys, as a bulk load does.
#pragma once

#include "database.hpp"
#include "engine.hpp"

namespace pagepatrol::bench::kv {

// On disk when it returns; sets disk_bytes. Returns what the engine says of its layout.
std::string load(const std::string& folder, Database& database);

} // namespace pagepatrol::bench::kv
