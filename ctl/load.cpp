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

/// An option with a whole number.
struct Number {
    const char* name;
    uint32_t least, most;
    std::optional<uint32_t> pagepatrol::LoadOptions::*place;
};

constexpr Number numbers[] = {
    {"--max-processes-per-user", 0, 16384, &pagepatrol::LoadOptions::tables_per_user},
    {"--keep-percent", 0, 100, &pagepatrol::LoadOptions::keep_percent},
    {"--margin-pages", 0, 1 << 20, &pagepatrol::LoadOptions::margin_pages},
    {"--lag-pages", 0, 1 << 20, &pagepatrol::LoadOptions::lag_pages},
    {"--valve-questions", 1, 1 << 20, &pagepatrol::LoadOptions::valve_questions},
    {"--valve-sweeps-activate", 0, 1 << 20, &pagepatrol::LoadOptions::valve_sweeps_activate},
    {"--valve-sweeps-pin", 0, 1 << 20, &pagepatrol::LoadOptions::valve_sweeps_pin},
};

/// What is wrong with the option's value; empty if nothing is.
std::string set(pagepatrol::LoadOptions& options, const std::string& name,
                const std::string& value) {
    const auto bad = [&](const std::string& expected) {
        return name + ": '" + value + "' is not " + expected + "; nothing was loaded";
    };
    if (name == "--module") {
        options.module_path = value;
        return {};
    }
    if (name == "--limits")
        return {}; // read already: the command line overrides it
    if (name == "--max-kept-per-user") {
        uint64_t bytes = 0;
        if (!parse_size(value, bytes))
            return bad("a size such as 512MiB, or a number of bytes");
        options.kept_pages_per_user = bytes / 4096 + (bytes % 4096 != 0);
        return {};
    }
    const auto number = std::find_if(std::begin(numbers), std::end(numbers),
                                     [&](const Number& known) { return name == known.name; });
    if (number == std::end(numbers))
        return "unknown option " + name;
    uint32_t parsed = 0;
    const char* const last = value.data() + value.size();
    const auto [end, error] = std::from_chars(value.data(), last, parsed);
    if (error != std::errc() || end != last || parsed < number->least || parsed > number->most)
        return bad("a number from " + std::to_string(number->least) + " to " +
                   std::to_string(number->most));
    options.*number->place = parsed;
    return {};
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
