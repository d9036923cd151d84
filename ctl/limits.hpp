// SPDX-License-Identifier: Apache-2.0
// The administrator's limits: by which names a TOML file and the options of `ppctl load` set them,
// and what each may be. Reads text, knows neither the kernel side nor where the file lies.
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

/// Sets in `options` what the option `name` of `ppctl load` says (`name` with its dashes). The
/// message has what is wrong; ENOENT if there is no such option.
pagepatrol::Result<void> set_limit(std::string_view name, std::string_view value,
                                   pagepatrol::LoadOptions& options);

} // namespace ppctl
