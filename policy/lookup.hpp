// SPDX-License-Identifier: Apache-2.0
//
// Where the policy of a program is looked for: the one place that knows the
// order. The shim takes the first that exists; ppctl check --for tells it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pagepatrol {

inline constexpr std::size_t nr_policy_places = 3;

// `name` is the file name of the program, `xdg` and `home` XDG_CONFIG_HOME and HOME; where these
// are no absolute paths their place is "".
inline void policy_places(std::string_view name, std::string_view xdg, std::string_view home,
                          std::string (&out)[nr_policy_places]) {
    const std::string file = "pagepatrol/" + std::string(name) + ".toml";
    if (!xdg.empty() && xdg[0] == '/')
        out[0] = std::string(xdg) + "/" + file;
    if (!home.empty() && home[0] == '/')
        out[1] = std::string(home) + "/.config/" + file;
    out[2] = "/etc/pagepatrol/policies/" + std::string(name) + ".toml";
}

} // namespace pagepatrol
