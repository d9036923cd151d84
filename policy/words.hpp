// SPDX-License-Identifier: Apache-2.0
//
// The words of the policy language, each table in one place: what is written,
// what it means. For reading, for messages, and for ppctl.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pagepatrol {

struct Word {
    std::string_view text;
    std::uint32_t value;
};
using Words = std::span<const Word>;

extern const Words action_words;     // Action
extern const Words prot_words;       // PROT_*
extern const Words mapping_words;    // 1: shared
extern const Words filesystem_words; // numbers as of statfs(2); several words may share one
extern const Words advice_words;     // Advice
extern const Words on_advice_words;  // OnAdvice
extern const Words read_ahead_words; // 0: off, 1: the kernel's

const Word* find_word(Words words, std::string_view text) noexcept;
// "a, b, c"
std::string list_words(Words words);
// "did you mean "b"?", or ""
std::string did_you_mean(std::string_view text, Words words);
// The first word for a value; if there is none, the value as 0x...
std::string word_for(Words words, std::uint32_t value);

} // namespace pagepatrol
