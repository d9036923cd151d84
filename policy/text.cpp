// SPDX-License-Identifier: Apache-2.0
//
// The words of the policy language and the form of its errors.
#include "policy.hpp"

namespace pagepatrol {

std::string_view to_string(Action action) noexcept {
    switch (action) {
    case Action::none:
        return "none";
    case Action::pin:
        return "pin";
    case Action::activate:
        return "activate";
    case Action::deactivate:
        return "deactivate";
    case Action::stream:
        return "stream";
    case Action::evict:
        return "evict";
    case Action::prefetch:
        return "prefetch";
    case Action::unpin:
        return "unpin";
    }
    return "?";
}

std::string to_string(const Error& error) {
    std::string out = error.file;
    if (error.line)
        out += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
    out += ": ";
    if (!error.key.empty())
        out += error.key + ": ";
    out += error.what + "; expected " + error.expected;
    if (!error.hint.empty())
        out += ". HINT: " + error.hint;
    return out;
}

} // namespace pagepatrol
