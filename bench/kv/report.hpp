// SPDX-License-Identifier: Apache-2.0
//
// The results of a run: JSON for programs (keys are documented in ../README.md and only
// ever added to), a table for people.
#pragma once

#include <iosfwd>
#include <string>

#include "database.hpp"
#include "run.hpp"

namespace pagepatrol::bench::kv {

struct Facts {
    Database database;
    std::string engine_version;
    std::string advice; // as given
    std::string role;
    std::uint64_t locked_bytes = 0;
};

void write_json(std::ostream& out, const Facts& facts, const RunOptions& options,
                const RunResult& result);
void write_table(std::ostream& out, const RunResult& result);

} // namespace pagepatrol::bench::kv
