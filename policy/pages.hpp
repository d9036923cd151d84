// SPDX-License-Identifier: Apache-2.0
//
// From what a policy says of a file to pages, and to the numbers of abi.h: for all
// that make ranges of it, so that they make the same ones. Pure; never allocates.
#pragma once

#include "policy.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace pagepatrol {

// Segments -> whole pages, in place; returns how many are left. A boundary goes down to the page
// it is in, so that two rules never get the same page; but the last page of the file belongs to
// the part that holds the file's end.
inline std::size_t to_pages(Segment* parts, std::size_t count, std::uint64_t size,
                            std::uint64_t page) noexcept {
    std::size_t kept = 0;
    std::uint64_t done = 0; // up to here pages are given out
    for (std::size_t i = 0; i < count; ++i) {
        Segment part = parts[i];
        part.start = std::max(part.start & ~(page - 1), done);
        if (part.end > UINT64_MAX - page)
            part.end = UINT64_MAX;
        else
            part.end = (part.end + (part.end >= size ? page - 1 : 0)) & ~(page - 1);
        if (part.start < part.end) {
            done = part.end;
            parts[kept++] = part;
        }
    }
    return kept;
}

// Is what is dropped of the file there to be read again?
inline bool has_storage(std::string_view path) noexcept {
    for (const std::string_view head : {"/memfd:", "/dev/", "/SYSV", "/proc/", "/sys/"})
        if (path.substr(0, head.size()) == head)
            return false;
    return true;
}

// A file without a name is matched by the one it had.
inline std::string_view without_deleted(std::string_view path) noexcept {
    constexpr std::string_view deleted = " (deleted)";
    if (path.size() > deleted.size() && path.substr(path.size() - deleted.size()) == deleted)
        path.remove_suffix(deleted.size());
    return path;
}

// PP_BUDGET_*
inline std::uint32_t budget_of(const Amount& amount, std::uint64_t page) noexcept {
    if (amount.share != 0)
        return PP_BUDGET_SHARE | std::min<std::uint32_t>(amount.share, PP_BUDGET_WHOLE);
    if (amount.bytes == 0)
        return 0;
    const std::uint64_t pages = std::max<std::uint64_t>(amount.bytes / page, 1);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(pages, PP_BUDGET_SHARE - 1));
}

// pp_range.read_ahead
inline std::uint16_t read_ahead_of(const Rule& rule, std::uint64_t page) noexcept {
    if (rule.read_ahead == kernels_read_ahead)
        return PP_READ_AHEAD_DEFAULT;
    const std::uint64_t pages =
        rule.read_ahead / page + (rule.read_ahead != 0 && rule.read_ahead < page);
    return static_cast<std::uint16_t>(std::min<std::uint64_t>(pages, PP_READ_AHEAD_DEFAULT - 1));
}

} // namespace pagepatrol
