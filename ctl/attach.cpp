// SPDX-License-Identifier: Apache-2.0
// ppctl attach, ppctl detach: a policy for a process that is running already, which
// may be static, in Go, or started without the shim. What it maps later is not seen.
#include "attach.hpp"

#include <charconv>
#include <cstdio>

#include <loader.hpp>

#include "command.hpp"

namespace ppctl {

namespace {

bool parse_pid(const std::string& text, uint32_t& pid) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    return error == std::errc() && end == text.data() + text.size() && pid && pid <= INT32_MAX;
}

const char* limit_name(uint32_t limited_by) {
    return limited_by == PP_LIMITED_RULE      ? "the rule's budget"
           : limited_by == PP_LIMITED_PROCESS ? "the budget of the process"
                                              : "what its user may keep";
}

struct Options {
    uint32_t pid = 0;
    std::string policy;
    bool force = false;
};

/// 0, or the exit status.
int read_options(const Command& command, const Arguments& arguments, Options& options) {
    for (size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "--force")
            options.force = true;
        else if (argument == "--policy" && &command == &attach_command) {
            if (++i == arguments.size())
                return misused(command, "--policy needs a FILE");
            options.policy = arguments[i];
        } else if (options.pid || argument.starts_with("-"))
            return misused(command, "unexpected argument " + argument);
        else if (!parse_pid(argument, options.pid))
            return misused(command, "'" + argument + "' is no PID");
    }
    if (!options.pid)
        return misused(command, "no PID");
    if (&command == &attach_command && options.policy.empty())
        return misused(command, "no --policy FILE");
    return 0;
}

int run_attach(const Arguments& arguments) {
    Options options;
    if (const int status = read_options(attach_command, arguments, options))
        return status;
    // the name of the address space before its mappings are read: it may execute another program
    const auto mm = pagepatrol::address_space_of(options.pid);
    if (!mm)
        return fail("attach", mm.error().text());
    const Table table = table_for("/proc/" + std::to_string(options.pid), options.policy);
    if (!table.error.empty())
        return fail("attach", table.error);
    if (table.ranges.empty())
        return fail("attach", "no rule of " + options.policy + " matches what process " +
                                  std::to_string(options.pid) + " has mapped\n  HINT: /proc/" +
                                  std::to_string(options.pid) + "/maps lists that; ppctl check " +
                                  options.policy +
                                  " --explain PATH says why a rule does not match");
    const auto granted =
        pagepatrol::attach(options.pid, mm.value(), table.ranges, table.budget, options.force);
    if (!granted)
        return fail("attach", granted.error().text());
    std::printf("%zu ranges", table.ranges.size());
    if (granted.value().asked)
        std::printf(", keeps %.1f MiB", static_cast<double>(granted.value().granted) / 256);
    if (granted.value().granted < granted.value().asked)
        std::printf(" of %.1f MiB: limited by %s", static_cast<double>(granted.value().asked) / 256,
                    limit_name(granted.value().limited_by));
    std::printf("\n");
    return 0;
}

int run_detach(const Arguments& arguments) {
    Options options;
    if (const int status = read_options(detach_command, arguments, options))
        return status;
    if (auto done = pagepatrol::detach(options.pid, options.force); !done)
        return fail("detach", done.error().text());
    return 0;
}

} // namespace

const Command attach_command = {
    "attach",
    "a policy for a process that is running already (root)",
    "PID --policy FILE [--force]",
    run_attach,
};

const Command detach_command = {
    "detach",
    "take that policy off it again (root)",
    "PID [--force]",
    run_detach,
};

} // namespace ppctl
