// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of ranges: see table.hpp. Everything is O(log n) to find and
// one memmove to change.
#include "table.hpp"

#include <algorithm>
#include <cstring>

namespace pagepatrol {

std::uint32_t Table::lower(std::uint64_t addr) const noexcept {
    std::uint32_t low = 0, high = count_;
    while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (side_[middle].map_end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool Table::touches(std::uint64_t start, std::uint64_t end) const noexcept {
    const std::uint32_t i = lower(start);
    return i < count_ && ranges_[i].start < end;
}

bool Table::overlaps(std::uint64_t start, std::uint64_t end) const noexcept {
    for (std::uint32_t i = lower(start); i < count_ && ranges_[i].start < end; ++i)
        if (ranges_[i].end > start)
            return true;
    return false;
}

void Table::open_gap(std::uint32_t i) noexcept {
    std::memmove(&ranges_[i + 1], &ranges_[i], (count_ - i) * sizeof ranges_[0]);
    std::memmove(&side_[i + 1], &side_[i], (count_ - i) * sizeof side_[0]);
    ++count_;
}

void Table::close_gap(std::uint32_t i) noexcept {
    --count_;
    std::memmove(&ranges_[i], &ranges_[i + 1], (count_ - i) * sizeof ranges_[0]);
    std::memmove(&side_[i], &side_[i + 1], (count_ - i) * sizeof side_[0]);
}

void Table::put(std::uint32_t i, const Piece& piece) noexcept {
    ranges_[i] = piece.range;
    side_[i] = {piece.map_end, piece.limit};
}

std::uint32_t Table::take_out(std::uint64_t start, std::uint64_t end, Piece* taken,
                              std::uint32_t room) noexcept {
    std::uint32_t handed = 0;
    for (std::uint32_t i = lower(start); i < count_ && ranges_[i].start < end;) {
        const Piece whole = at(i);
        Piece gone = whole;
        gone.range.start = std::max<std::uint64_t>(whole.range.start, start);
        gone.map_end = std::min<std::uint64_t>(whole.map_end, end);
        gone.range.end = std::min<std::uint64_t>(whole.range.end, gone.map_end);
        const bool left = whole.range.start < gone.range.start;
        const bool right = whole.range.end > gone.map_end;
        if (left || right)
            gone.range.id = 0;
        if (gone.range.end > gone.range.start && handed < room)
            taken[handed++] = gone;

        Piece rest = whole;
        if (left) {
            rest.map_end = gone.range.start;
            rest.range.end = std::min<std::uint64_t>(whole.range.end, rest.map_end);
            put(i++, rest);
        }
        if (right) {
            rest = whole;
            rest.range.start = gone.map_end;
            if (!left) {
                put(i++, rest);
            } else if (count_ < PP_MAX_RANGES) {
                rest.range.id = new_id();
                open_gap(i);
                put(i++, rest);
            } else {
                ++lost_;
            }
        } else if (!left) {
            close_gap(i);
        }
    }
    return handed;
}

bool Table::insert(Piece piece) noexcept {
    if (count_ == PP_MAX_RANGES) {
        ++lost_;
        return false;
    }
    if (piece.range.id == 0)
        piece.range.id = new_id();
    const std::uint32_t i = lower(piece.range.start);
    open_gap(i);
    put(i, piece);
    return true;
}

void Table::split(std::uint64_t addr) noexcept {
    const std::uint32_t i = lower(addr);
    if (i == count_ || ranges_[i].start >= addr || ranges_[i].end <= addr)
        return;
    if (count_ == PP_MAX_RANGES) {
        ++lost_;
        return;
    }
    Piece low = at(i), high = low;
    low.range.end = low.map_end = addr;
    high.range.start = addr;
    high.range.id = new_id();
    open_gap(i);
    put(i, low);
    put(i + 1, high);
}

} // namespace pagepatrol
