// SPDX-License-Identifier: Apache-2.0
// A subcommand of ppctl: its name, its help, and what it does.
#pragma once

#include <string>
#include <vector>

namespace ppctl {

using Arguments = std::vector<std::string>;

struct Command {
    const char* name;
    const char* summary;
    const char* usage; ///< what follows "ppctl NAME"; further lines as they are printed
    int (*run)(const Arguments& arguments);
};

extern const Command load_command, unload_command, status_command, check_command, attach_command,
    detach_command;

/// Prints "ppctl NAME: text" on stderr; the exit status 1.
int fail(const char* name, const std::string& text);
/// The same for a wrong command line, with the usage; the exit status 2.
int misused(const Command& command, const std::string& text);

} // namespace ppctl
