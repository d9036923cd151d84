// SPDX-License-Identifier: Apache-2.0
// The administrator's limits as a TOML file says them. Reads text, knows neither
// the kernel side nor where the file lies.
#pragma once

#include <string>
#include <string_view>

#include <loader.hpp>

namespace ppctl {

inline constexpr const char* limits_file = "/etc/pagepatrol/limits.toml";

/// Sets in `options` what the text says; anything wrong is an error (FILE:LINE:COLUMN: KEY: ...),
/// and leaves them as they were. `file` is for the message.
pagepatrol::Result<void> parse_limits(std::string_view text, std::string_view file,
                                      pagepatrol::LoadOptions& options);

/// The same for a file. ENOENT if it is not there.
pagepatrol::Result<void> read_limits(const std::string& file, pagepatrol::LoadOptions& options);

/// "512MiB", "4GiB", "64KiB", or a number of bytes; false if it is none of these.
bool parse_size(std::string_view text, uint64_t& bytes);

} // namespace ppctl
