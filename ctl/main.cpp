// SPDX-License-Identifier: Apache-2.0
// ppctl: brings the kernel side into force, takes it out, says what it does, and
// checks policies.
// The shim is harmless without it.
#include <cstdio>
#include <cstring>

#include "command.hpp"

namespace ppctl {

static const Command* const commands[] = {&load_command, &unload_command, &status_command,
                                          &check_command, &attach_command, &detach_command};

int fail(const char* name, const std::string& text) {
    std::fprintf(stderr, "ppctl %s: %s\n", name, text.c_str());
    return 1;
}

int misused(const Command& command, const std::string& text) {
    std::fprintf(stderr, "ppctl %s: %s\nUsage: ppctl %s %s\n", command.name, text.c_str(),
                 command.name, command.usage);
    return 2;
}

static void usage(FILE* to) {
    std::fputs("Usage: ppctl COMMAND [OPTION]...\n", to);
    for (const Command* command : commands)
        std::fprintf(to, "  %-8s %s\n", command->name, command->summary);
    std::fputs("ppctl COMMAND --help says more, ppctl(8) the rest; ppctl --version which it is.\n",
               to);
}

static int help(const Command& command) {
    std::printf("Usage: ppctl %s %s\n%s\n", command.name, command.usage, command.summary);
    return 0;
}

static bool asks_for_help(const Arguments& arguments) {
    for (const std::string& argument : arguments)
        if (argument == "--help")
            return true;
    return false;
}

} // namespace ppctl

int main(int argc, char** argv) {
    using namespace ppctl;
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (!std::strcmp(argv[1], "--help") || !std::strcmp(argv[1], "help")) {
        usage(stdout);
        return 0;
    }
    if (!std::strcmp(argv[1], "--version")) {
        std::puts("ppctl (PagePatrol) " PP_VERSION);
        return 0;
    }
    for (const Command* command : commands)
        if (!std::strcmp(argv[1], command->name)) {
            const Arguments arguments(argv + 2, argv + argc);
            return asks_for_help(arguments) ? help(*command) : command->run(arguments);
        }
    std::fprintf(stderr, "ppctl: unknown command '%s'\n", argv[1]);
    usage(stderr);
    return 2;
}
