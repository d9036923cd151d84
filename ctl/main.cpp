// SPDX-License-Identifier: Apache-2.0
// ppctl: brings the kernel side into force, takes it out, and says what it does.
// The shim is harmless without it.
#include <cstdio>
#include <cstring>

#include "command.hpp"

namespace ppctl {

static const Command* const commands[] = {&load_command, &unload_command, &status_command};

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
        std::fprintf(to, "  %-8s %s\n           ppctl %s %s\n", command->name, command->summary,
                     command->name, command->usage);
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
    for (const Command* command : commands)
        if (!std::strcmp(argv[1], command->name))
            return command->run(Arguments(argv + 2, argv + argc));
    std::fprintf(stderr, "ppctl: unknown command '%s'\n", argv[1]);
    usage(stderr);
    return 2;
}
