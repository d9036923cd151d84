// SPDX-License-Identifier: Apache-2.0
//
// "Did you mean": the closest of a few known words. For messages only.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace pagepatrol {

// Edits (insert, remove, replace, swap neighbours) that turn `a` into `b`; case is ignored.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; };
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + !same});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a.size()][b.size()];
}

// The nearest of `words`, or "" if none is close enough to be meant.
inline std::string_view nearest(std::string_view word, const std::vector<std::string_view>& words) {
    std::string_view best;
    std::size_t least = std::max<std::size_t>(1, std::min<std::size_t>(3, word.size() / 2)) + 1;
    if (word.size() > 64)
        return best;
    for (std::string_view candidate : words)
        if (const std::size_t n = edit_distance(word, candidate); n < least) {
            least = n;
            best = candidate;
        }
    return best;
}

} // namespace pagepatrol
