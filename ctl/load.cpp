// SPDX-License-Identifier: Apache-2.0
// ppctl load: module and BPF programs into force.
#include <charconv>
#include <optional>

#include <loader.hpp>

#include "command.hpp"

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

int run(const Arguments& arguments) {
    pagepatrol::LoadOptions options;
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
        else if (name == "--keep-percent")
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
            return misused(load_command, "not a number in range for " + name + ": " + value);
    }
    if (auto done = pagepatrol::load(options); !done)
        return fail("load", done.error().text());
    return 0;
}

} // namespace

const Command load_command = {
    "load",
    "insert the module, load the BPF programs (root)",
    "[--module FILE] [--max-processes-per-user N] [--keep-percent N] [--margin-pages N]\n"
    "       [--lag-pages N] [--valve-questions N] [--valve-sweeps-activate N]\n"
    "       [--valve-sweeps-pin N]",
    run,
};

} // namespace ppctl
