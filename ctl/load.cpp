// SPDX-License-Identifier: Apache-2.0
// ppctl load: module and BPF programs into force, under the administrator's limits.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include <loader.hpp>

#include "command.hpp"
#include "limits.hpp"

namespace ppctl {

namespace {

template <typename Number>
bool parse(const std::string& text, long long least, long long most, std::optional<Number>& to) {
    long long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
        return false;
    to = static_cast<Number>(value);
    return true;
}

/// From the file that --limits names, else from the one in /etc if there is one.
pagepatrol::Result<void> start_from_file(const Arguments& arguments, pagepatrol::LoadOptions& options) {
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
        const std::string& value = arguments[i + 1];
        bool good = true;
        if (name == "--module")
            options.module_path = value;
        else if (name == "--max-processes-per-user")
            good = parse(value, 0, 16384, options.tables_per_user);
        else if (name == "--limits")
            continue; // read already: the command line overrides it
        else if (name == "--max-kept-per-user") {
            uint64_t bytes = 0;
            good = parse_size(value, bytes);
            options.kept_pages_per_user = (bytes + 4095) / 4096;
        } else if (name == "--keep-percent")
            good = parse(value, 0, 100, options.keep_percent);
        else if (name == "--margin-pages")
            good = parse(value, 0, 1 << 20, options.margin_pages);
        else if (name == "--lag-pages")
            good = parse(value, 0, 1 << 20, options.lag_pages);
        else if (name == "--valve-questions")
            good = parse(value, 1, 1 << 20, options.valve_questions);
        else if (name == "--valve-sweeps-activate")
            good = parse(value, 0, 1 << 20, options.valve_sweeps_activate);
        else if (name == "--valve-sweeps-pin")
            good = parse(value, 0, 1 << 20, options.valve_sweeps_pin);
        else
            return misused(load_command, "unknown option " + name);
        if (!good)
            return misused(load_command, "no value in range for " + name + ": " + value);
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
