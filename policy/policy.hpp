// SPDX-License-Identifier: Apache-2.0
//
// What a policy file says, as plain structs, and how it is read and asked.
// Knows nothing of preloading, BPF or address ranges. Reading allocates;
// match() does not, takes no lock and may be called from anywhere.
#pragma once

#include "glob.hpp"
#include <pagepatrol/abi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagepatrol {

enum class Action : std::uint8_t {
    none = PP_ACTION_NONE,
    pin = PP_ACTION_PIN,
    activate = PP_ACTION_ACTIVATE,
    deactivate = PP_ACTION_DEACTIVATE,
    stream = PP_ACTION_STREAM,
};

std::string_view to_string(Action action) noexcept;

struct Rule {
    std::string name;           // for people; may be empty
    std::vector<Glob> path;     // one of these has to match
    std::vector<Glob> exclude;  // and none of these
    std::uint64_t min_size = 0; // bytes, inclusive
    std::uint64_t max_size = UINT64_MAX;
    Action action = Action::none;
    std::uint16_t number = 0; // place in the file, from 1
    unsigned line = 0;
};

struct Policy {
    std::string file;
    std::vector<Rule> rules; // in the order of the file; the first match wins
};

// Limits on a file, so that a wrong path (a database, a device) does no harm.
inline constexpr std::size_t max_policy_bytes = 1024 * 1024;
inline constexpr std::size_t max_policy_rules = 256;

enum class ErrorKind {
    unreadable,
    too_large,
    syntax,
    unknown_key,
    missing_key,
    wrong_type,
    bad_value
};

struct Error {
    ErrorKind kind;
    std::string file;
    unsigned line = 0; // from 1; 0 if the error is about the file as a whole
    unsigned column = 0;
    std::string key;      // "rule[2].path"; empty for syntax errors
    std::string what;     // what was wrong
    std::string expected; // what would have been right
    std::string hint;     // may be empty
};

// FILE:LINE:COLUMN: KEY: WHAT; expected EXPECTED. HINT: HINT
std::string to_string(const Error& error);

// A value, or at least one error.
template <class T> struct Result {
    std::optional<T> value;
    std::vector<Error> errors;
    explicit operator bool() const noexcept { return value.has_value(); }
};

// `file` is only for messages; `home` stands in for a leading `~` (may be empty: then `~` is an
// error).
Result<Policy> parse_policy(std::string_view text, std::string_view file, std::string_view home);
Result<Policy> load_policy(const std::string& file, std::string_view home);

// What rules are matched against; to be extended, not overloaded.
struct MappedFile {
    std::string_view path; // absolute
    std::uint64_t size;    // bytes
};

// The first rule that matches, or nullptr.
const Rule* match(const Policy& policy, const MappedFile& file) noexcept;

} // namespace pagepatrol
