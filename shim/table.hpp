// SPDX-License-Identifier: Apache-2.0
//
// The ranges of this process: a sorted array without overlaps, in the form the
// kernel reads, and beside it what the kernel need not know. Plain data: no lock
// (the caller holds the Guard), no allocation, no system call.
#pragma once

#include <pagepatrol/abi.h>

#include <cstdint>

namespace pagepatrol {

// A range and the mapping it is a part of. [range.start, range.end) is what the file
// backs; the mapping may go on behind the end of the file, up to `map_end`.
struct Piece {
    struct pp_range range;
    std::uint64_t map_end; // one past the last byte of the mapping
    std::uint64_t limit;   // where the file ends if the mapping went on that far
};

class Table {
  public:
    std::uint32_t size() const noexcept { return count_; }
    const struct pp_range* ranges() const noexcept { return ranges_; }
    Piece at(std::uint32_t i) const noexcept {
        return {ranges_[i], side_[i].map_end, side_[i].limit};
    }

    // First range whose mapping ends above `addr`; size() if there is none.
    std::uint32_t lower(std::uint64_t addr) const noexcept;
    // Does any mapping, or the file-backed part of one, reach into [start, end)?
    bool touches(std::uint64_t start, std::uint64_t end) const noexcept;
    bool overlaps(std::uint64_t start, std::uint64_t end) const noexcept;

    // Takes [start, end) out: cuts, trims and splits. The lowest part left of a range keeps its
    // id, the others get new ones. What is taken is handed to `taken`, in order, while there is
    // room; a piece that is not a whole range has id 0. Returns the number of pieces handed out.
    // If a split finds the table full, the upper part is dropped and lost() counts it.
    std::uint32_t take_out(std::uint64_t start, std::uint64_t end, Piece* taken = nullptr,
                           std::uint32_t room = 0) noexcept;
    // Puts a piece in; id 0 asks for a new one. Nothing of the table may overlap it.
    // False (and counted in lost()) if the table is full.
    bool insert(Piece piece) noexcept;
    // Splits the range that covers `addr` there, if one does.
    void split(std::uint64_t addr) noexcept;
    void set_flags(std::uint32_t i, std::uint8_t flags) noexcept { ranges_[i].flags = flags; }

    std::uint32_t lost() const noexcept { return lost_; }
    std::uint32_t new_id() noexcept { return ++last_id_ ? last_id_ : ++last_id_; }

  private:
    struct Side {
        std::uint64_t map_end, limit;
    };
    void open_gap(std::uint32_t i) noexcept;
    void close_gap(std::uint32_t i) noexcept;
    void put(std::uint32_t i, const Piece& piece) noexcept;

    struct pp_range ranges_[PP_MAX_RANGES] = {};
    Side side_[PP_MAX_RANGES] = {};
    std::uint32_t count_ = 0;
    std::uint32_t last_id_ = 0;
    std::uint32_t lost_ = 0;
};

} // namespace pagepatrol
