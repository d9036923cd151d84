// SPDX-License-Identifier: Apache-2.0
//
// What the benchmark's tools share in reading their command lines and writing JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pagepatrol::bench {

std::string hex(std::uint64_t value);      // 16 digits
std::string quoted(std::string_view text); // as JSON has it
std::string kernel_release();              // uname -r

// A number from 1 to `max`, with K, M, G (KiB, ...; all binary) where units are allowed;
// throws Error. `what` names the option for the message.
std::uint64_t number(std::string_view text, std::string_view what, std::uint64_t max,
                     bool with_unit = false);

} // namespace pagepatrol::bench
