// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of ranges: see table.hpp. Everything is O(log n) to find and
// one memmove to change.
#include "table.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace pagepatrol {

static_assert(std::is_trivially_copyable_v<Piece>, "moved by memmove");

std::uint32_t Table::new_id() noexcept {
    std::uint32_t id = last_id_.load(std::memory_order_relaxed) + 1;
    id += id == 0;
    last_id_.store(id, std::memory_order_relaxed);
    return id;
}

std::uint32_t Table::lower(std::uint64_t addr) const noexcept {
    std::uint32_t low = 0, high = count_;
    while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (ranges_[middle].end <= addr)
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

void Table::open_gap(std::uint32_t i) noexcept {
    std::memmove(&ranges_[i + 1], &ranges_[i], (count_ - i) * sizeof ranges_[0]);
    std::memmove(static_cast<void*>(&files_[i + 1]), &files_[i], (count_ - i) * sizeof files_[0]);
    ++count_;
}

void Table::close_gap(std::uint32_t i) noexcept {
    --count_;
    std::memmove(&ranges_[i], &ranges_[i + 1], (count_ - i) * sizeof ranges_[0]);
    std::memmove(static_cast<void*>(&files_[i]), &files_[i + 1], (count_ - i) * sizeof files_[0]);
}

// File offsets are below 2^63, so nothing here wraps but `origin`, which cancels out.
std::uint32_t Table::backed(const struct pp_range& range, const Backing& file) const noexcept {
    const std::uint64_t at = range.start - file.origin;
    const std::uint64_t end_of_file = (file.size + page_ - 1) / page_ * page_;
    if (at >= end_of_file)
        return 0;
    const std::uint64_t pages =
        std::min<std::uint64_t>(range.end - range.start, end_of_file - at) / page_;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(pages, UINT32_MAX));
}

void Table::put(std::uint32_t i, const Piece& piece) noexcept {
    ranges_[i] = piece.range;
    files_[i] = piece.file;
    ranges_[i].pages = backed(piece.range, piece.file);
}

std::uint32_t Table::take_out(std::uint64_t start, std::uint64_t end, Piece* taken,
                              std::uint32_t room) noexcept {
    std::uint32_t handed = 0;
    for (std::uint32_t i = lower(start); i < count_ && ranges_[i].start < end;) {
        const Piece whole = at(i);
        Piece gone = whole;
        gone.range.start = std::max<std::uint64_t>(whole.range.start, start);
        gone.range.end = std::min<std::uint64_t>(whole.range.end, end);
        const bool left = whole.range.start < gone.range.start;
        const bool right = whole.range.end > gone.range.end;
        if (left || right)
            gone.range.id = 0;
        if (handed < room)
            taken[handed++] = gone;

        Piece rest = whole;
        if (left) {
            rest.range.end = gone.range.start;
            put(i++, rest);
        }
        if (right) {
            rest = whole;
            rest.range.start = gone.range.end;
            if (!left) {
                put(i++, rest);
            } else if (count_ < PP_MAX_RANGES) {
                rest.range.id = new_id();
                open_gap(i);
                put(i++, rest);
            } else {
                lose(whole.range);
            }
        } else if (!left) {
            close_gap(i);
        }
    }
    return handed;
}

bool Table::insert(Piece piece) noexcept {
    if (count_ == PP_MAX_RANGES) {
        lose(piece.range);
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
    if (i == count_ || ranges_[i].start >= addr)
        return;
    if (count_ == PP_MAX_RANGES) {
        lose(ranges_[i]);
        return;
    }
    Piece low = at(i), high = low;
    low.range.end = addr;
    high.range.start = addr;
    high.range.id = new_id();
    open_gap(i);
    put(i, low);
    put(i + 1, high);
}

bool Table::resize(std::uint64_t device, std::uint64_t inode, std::uint64_t size) noexcept {
    bool changed = false;
    for (std::uint32_t i = 0; i < count_; ++i) {
        Backing& file = files_[i];
        if (file.inode != inode || file.device != device || file.size == size)
            continue;
        file.size = size;
        const std::uint32_t before = ranges_[i].pages;
        ranges_[i].pages = backed(ranges_[i], file);
        changed = changed || ranges_[i].pages != before;
    }
    return changed;
}

} // namespace pagepatrol
