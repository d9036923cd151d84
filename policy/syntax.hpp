// SPDX-License-Identifier: Apache-2.0
//
// What is said about a text that is not TOML. Looks at the text and at toml++'s
// sentence, not at toml++ itself: a sentence it does not know is passed on.
#pragma once

#include "policy.hpp"

namespace pagepatrol {

// `line`, `column` (in characters, from 1) and `detail` as toml++ has them.
Error syntax_error(std::string_view text, std::string_view file, unsigned line, unsigned column,
                   std::string_view detail);

// An error if keys are nested so deeply (`a.a.a.a...`) that reading them would run out of stack.
std::optional<Error> nesting_error(std::string_view text, std::string_view file);

} // namespace pagepatrol
