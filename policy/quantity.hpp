// SPDX-License-Identifier: Apache-2.0
//
// Sizes and shares as people write them: "64KiB", "-2 GiB", "0.5%". Knows nothing
// of TOML, so that ppctl can read one from its command line.
#pragma once

#include "glob.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pagepatrol {

using QuantityError = GlobError; // offset, what, expected, hint

struct Quantity {
    bool negative = false;
    bool is_share = false;
    std::uint64_t amount = 0; // bytes; or 1/10000, at most 10000
};

// What may be written, besides a size.
inline constexpr unsigned may_be_share = 1, may_be_negative = 2;

// `expected` is what to say if the text is no quantity at all.
std::optional<Quantity> parse_quantity(std::string_view text, unsigned may_be, const char* expected,
                                       QuantityError& error);

} // namespace pagepatrol
