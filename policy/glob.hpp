// SPDX-License-Identifier: Apache-2.0
//
// Globs on absolute paths, and plain ones on any text. Everything that can be wrong
// with one is found by compile(), with its position; matches() neither allocates
// nor fails.
//
//   ?      one character, not '/'        [a-z] [!a-z]  one of (not of) these, never '/'
//   *      any run without '/'           {a,b}         alternatives, may be nested
//   **     any run, '/' included         **/           no folder or any number of them
//   ~      the home folder, in front     \x            x itself
//
// In a plain glob '/' is a character like any other, `*` matches any run, and `~`
// is itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagepatrol {

struct GlobError {
    std::size_t offset = 0; // bytes into the glob
    std::string what;
    std::string expected;
    std::string hint;
};

class Glob {
  public:
    static constexpr std::size_t max_length = 4096;
    static constexpr std::size_t max_alternatives = 256;
    static constexpr unsigned max_groups = 64;               // {...}
    static constexpr std::uint32_t max_steps = 16'000'000; // some 50 ms

    static std::optional<Glob> compile(std::string_view text, std::string_view home,
                                       GlobError& error);
    static std::optional<Glob> compile_plain(std::string_view text, GlobError& error);
    // `steps` is counted down; at 0 there is no match.
    bool matches(std::string_view path, std::uint32_t& steps) const noexcept;
    bool matches(std::string_view path) const noexcept {
        std::uint32_t steps = max_steps;
        return matches(path, steps);
    }
    std::size_t memory() const noexcept; // bytes
    const std::string& text() const noexcept { return text_; }

  private:
    std::string text_;
    std::vector<std::string> alternatives_; // braces and `~` are expanded here
    bool plain_ = false;
};

} // namespace pagepatrol
