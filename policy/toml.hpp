// SPDX-License-Identifier: Apache-2.0
//
// toml++ as the shim can bear it: no exceptions, assertions, streams or locale.
// Header only: its other form brings readers of files and streams along, used or not.
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_SHARED_LIB 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ASSERT(expr) static_cast<void>(0) // must not end the program it is loaded into
#define TOML_FLOAT_CHARCONV 1                  // no iostream, no locale
#define TOML_MAX_NESTED_VALUES 16              // what recurses must not run out of stack
#include <toml++/toml.h>
