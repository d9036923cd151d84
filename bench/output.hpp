// SPDX-License-Identifier: Apache-2.0
//
// Writes the results: JSON and CSV for programs (keys are documented in
// README.md and only ever added to), a table for people.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "config.hpp"

namespace pagepatrol::bench {

struct Result {
    std::int64_t iteration; // from 1
    const Step* step;
    StepResult result;
};

void write_json(std::ostream& out, const Config& config, const std::vector<MappedFile>& files,
                const std::vector<Result>& results);
void write_csv(std::ostream& out, const std::vector<Result>& results);
void write_table_head(std::ostream& out);
void write_table(std::ostream& out, const Result& result);

} // namespace pagepatrol::bench
