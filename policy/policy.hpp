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

// What is to become of the pages of a file, or of a part of one.
enum class Action : std::uint8_t {
    none = PP_ACTION_NONE,
    pin = PP_ACTION_PIN,
    activate = PP_ACTION_ACTIVATE,
    deactivate = PP_ACTION_DEACTIVATE,
    stream = PP_ACTION_STREAM,
    evict = PP_ACTION_EVICT,
    prefetch = PP_ACTION_PREFETCH,
    unpin, // as none, and the program's own pp_pin() is refused there
};

std::string_view to_string(Action action) noexcept;

inline bool keeps(Action action) noexcept {
    return action == Action::pin || action == Action::activate;
}

// The kinds of advice that a rule may have an opinion on; each stands for the MADV_ of its name.
enum class Advice : std::uint8_t { normal, random, sequential, willneed, dontneed, cold, pageout };
inline constexpr std::size_t nr_advices = 7;

// What becomes of it.
enum class OnAdvice : std::uint8_t {
    by_action, // kept ranges: random -> read_ahead_off, sequential and normal ->
               // read_ahead_default; everything else passes
    pass,
    ignore,
    activate,
    deactivate,
    prefetch,
    evict,
    read_ahead_off,
    read_ahead_default,
};

// An amount of memory: bytes, or a share of the memory limit. All 0: no limit of its own.
struct Amount {
    std::uint64_t bytes = 0;
    std::uint32_t share = 0; // in 1/10000; if not 0 it is what counts
    bool given() const noexcept { return bytes != 0 || share != 0; }
};

// A place in a file, or a length: bytes, or a share of its size. Negative: from the end.
struct Place {
    std::int64_t bytes = 0;
    std::int32_t share = 0; // in 1/10000; if not 0 it is what counts
};

inline constexpr std::uint64_t kernels_read_ahead = UINT64_MAX;

struct Rule {
    std::string name;           // for people; may be empty
    std::vector<Glob> path;     // one of these has to match
    std::vector<Glob> exclude;  // and none of these
    std::uint64_t min_size = 0; // bytes, inclusive
    std::uint64_t max_size = UINT64_MAX;
    std::uint8_t prot_with = 0;             // PROT_* bits that the mapping has to have
    std::uint8_t prot_without = 0;          // ... and must not have
    std::optional<bool> shared;             // MAP_SHARED, or MAP_PRIVATE
    std::vector<std::uint32_t> filesystems; // numbers as of statfs(2); empty: any
    Place offset;                           // which part of the file: from here
    std::optional<Place> length;            // so much; none: to its end, wherever that moves
    Action action = Action::none;
    std::uint64_t read_ahead = kernels_read_ahead; // bytes; 0: off
    Amount budget;                                 // most that this rule may keep in one process
    OnAdvice advice[nr_advices] = {};
    std::uint16_t number = 0; // place in the file, from 1
    unsigned line = 0;
};

// [app]: which programs the policy is for.
struct App {
    std::vector<Glob> program;   // on the full path; this and `name` empty: any
    std::vector<Glob> name;      // program globs without a slash: on the file name
    std::vector<Glob> arguments; // plain ones; each has to match one of the arguments
    bool inherit = true;         // programs that it starts are under the policy, too
};

struct Policy {
    std::string file;
    App app;
    Amount budget;           // most that a process may keep
    std::vector<Rule> rules; // in the order of the file; the first match wins
};

// Limits on a file, so that a wrong path (a database, a device) does no harm.
inline constexpr std::size_t max_policy_bytes = 1024 * 1024;
inline constexpr std::size_t max_policy_rules = 256;
inline constexpr std::size_t max_glob_bytes = 4 * 1024 * 1024; // of all, braces multiplied out

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
    std::string_view path;        // absolute
    std::uint64_t size;           // bytes
    int prot = 1;                 // PROT_* of the mapping
    bool shared = true;           // MAP_SHARED
    std::uint32_t filesystem = 0; // number as of statfs(2); 0: not known, matches any
};

// A part of a file and the rule that it falls under.
struct Segment {
    const Rule* rule;
    std::uint64_t start, end; // bytes, [start, end); end is UINT64_MAX: wherever the file ends
};

inline constexpr std::size_t max_segments = 8;

// Splits the file among the rules: each byte falls under the first rule that matches the file
// and whose part of it holds that byte. Sorted, without overlaps; bytes that no rule wants are in
// no segment. Returns how many, at most max_segments: what comes after that has no rule. None, and
// `too_slow`, if the globs take more than Glob::max_steps for this path.
std::size_t match(const Policy& policy, const MappedFile& file, Segment (&out)[max_segments],
                  bool* too_slow = nullptr) noexcept;

// Does the rule match the file, whatever part of it?
bool matches(const Rule& rule, const MappedFile& file) noexcept;
// The part of a file of `size` bytes that the rule is about; false if it is empty.
bool part_of(const Rule& rule, std::uint64_t size, std::uint64_t& start,
             std::uint64_t& end) noexcept;

// Is the policy for this program? `arguments` without argv[0].
bool is_for(const Policy& policy, std::string_view program_path, const char* const* arguments,
            std::size_t count) noexcept;

} // namespace pagepatrol
