// SPDX-License-Identifier: Apache-2.0
// ppctl unload: back to the kernel's default; running programs go on.
#include <loader.hpp>

#include "command.hpp"

namespace ppctl {

static int run(const Arguments& arguments) {
    if (!arguments.empty())
        return misused(unload_command, "takes no argument");
    if (auto done = pagepatrol::unload(); !done)
        return fail("unload", done.error().text());
    return 0;
}

const Command unload_command = {
    "unload", "back to the kernel's default at once (root)", "", run,
};

} // namespace ppctl
