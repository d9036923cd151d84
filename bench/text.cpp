// SPDX-License-Identifier: Apache-2.0
//
// Texts of the command lines and of JSON; see text.hpp.
#include "text.hpp"

#include <sys/utsname.h>

#include <charconv>
#include <cstdio>

#include "error.hpp"

namespace pagepatrol::bench {

std::string hex(std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", c);
            out += escape;
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::uint64_t number(std::string_view text, std::string_view what, std::uint64_t max,
                     bool with_unit) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    int shift = 0;
    if (with_unit && !unit.empty() && (unit.size() == 1 || unit.substr(1) == "iB")) {
        const std::size_t at = std::string_view("KMGT").find(unit.front());
        shift = at == std::string_view::npos ? 0 : 10 * (static_cast<int>(at) + 1);
        if (shift)
            unit = {};
    }
    if (error != std::errc() || !unit.empty() || value == 0 || value > (max >> shift))
        throw Error(std::string(what) + ": expected a number from 1 to " + std::to_string(max) +
                    (with_unit ? ", with K, M, G, KiB, MiB or GiB if you like" : "") + ", found '" +
                    std::string(text) + "'");
    return value << shift;
}

std::string kernel_release() {
    struct utsname system;
    uname(&system);
    return system.release;
}

} // namespace pagepatrol::bench
