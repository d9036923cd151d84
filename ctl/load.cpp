// SPDX-License-Identifier: Apache-2.0
// ppctl load: module and BPF programs into force, under the administrator's limits.
#include <algorithm>
#include <cerrno>

#include <loader.hpp>

#include "command.hpp"
#include "limits.hpp"

namespace ppctl {

namespace {

/// What is wrong with the option's value; empty if nothing is.
std::string set(pagepatrol::LoadOptions& options, const std::string& name,
                const std::string& value) {
    if (name == "--module") {
        options.module_path = value;
        return {};
    }
    if (name == "--limits")
        return {}; // read already: the command line overrides it
    const auto done = set_limit(name, value, options);
    return done ? std::string() : done.error().what;
}

/// From the file that --limits names, else from the one in /etc if there is one.
pagepatrol::Result<void> start_from_file(const Arguments& arguments,
                                         pagepatrol::LoadOptions& options) {
    const auto given = std::find(arguments.begin(), arguments.end(), "--limits");
    const bool named = given != arguments.end() && given + 1 != arguments.end();
    auto done = read_limits(named ? given[1] : limits_file, options);
    if (!done && !named && done.error().code == ENOENT)
        return {};
    return done;
}

int run(const Arguments& arguments) {
    pagepatrol::LoadOptions options;
    if (auto done = start_from_file(arguments, options); !done)
        return fail("load", done.error().text());
    for (size_t i = 0; i < arguments.size(); i += 2) {
        const std::string& name = arguments[i];
        if (!name.starts_with("--"))
            return misused(load_command, "unexpected argument " + name +
                                             "\n  HINT: the module is given with --module FILE");
        if (i + 1 == arguments.size())
            return misused(load_command, "unknown option, or no value after it: " + name);
        if (const std::string wrong = set(options, name, arguments[i + 1]); !wrong.empty())
            return misused(load_command, wrong);
    }
    if (auto done = pagepatrol::load(options); !done)
        return fail("load", done.error().text());
    return 0;
}

} // namespace

const Command load_command = {
    "load",
    "insert the module, load the BPF programs (root)",
    "[--module FILE] [--limits FILE] [--max-processes-per-user N]\n"
    "       [--max-kept-per-user SIZE] [--keep-percent N] [--margin-pages N] [--lag-pages N]\n"
    "       [--valve-questions N] [--valve-sweeps-activate N] [--valve-sweeps-pin N]",
    run,
};

} // namespace ppctl
