// SPDX-License-Identifier: Apache-2.0
//
// The ranges of this process: a sorted array without overlaps, in the form the
// kernel reads, and beside it what the kernel need not know. Plain data: no lock
// (the caller holds the Guard), no allocation, no system call.
#pragma once

#include <pagepatrol/abi.h>

#include <atomic>
#include <cstdint>

namespace pagepatrol {

struct Rule;

// What a range is a part of.
struct Backing {
    std::uint64_t origin = 0;   // address that byte 0 of the file would have here; may wrap
    std::uint64_t size = 0;     // bytes of the file when it was last looked at
    std::uint64_t part_end = 0; // offset in the file where the rule's part ends
    std::uint64_t device = 0, inode = 0;
    const Rule* rule = nullptr; // none: the program's own call
    bool shared = false;        // MAP_SHARED: dropping its pages never changes what is read
};

struct Piece {
    struct pp_range range;
    Backing file;
};

class Table {
  public:
    // Before anything else.
    void set_page_size(std::uint64_t bytes) noexcept { page_ = bytes; }
    std::uint32_t size() const noexcept { return count_; }
    const struct pp_range* ranges() const noexcept { return ranges_; }
    const Backing& file(std::uint32_t i) const noexcept { return files_[i]; }
    Piece at(std::uint32_t i) const noexcept { return {ranges_[i], files_[i]}; }
    // Was there ever a range? Never false again once it was true: may be asked without the lock.
    bool used() const noexcept { return last_id_.load(std::memory_order_relaxed) != 0; }

    // First range that ends above `addr`; size() if there is none.
    std::uint32_t lower(std::uint64_t addr) const noexcept;
    bool touches(std::uint64_t start, std::uint64_t end) const noexcept;

    // Takes [start, end) out: cuts, trims and splits. The lowest part left of a range keeps its
    // id, the others get new ones. What is taken is handed to `taken`, in order, while there is
    // room; a piece that is not a whole range has id 0. Returns the number of pieces handed out.
    // If a split finds the table full, the upper part is dropped and lost() counts it.
    std::uint32_t take_out(std::uint64_t start, std::uint64_t end, Piece* taken = nullptr,
                           std::uint32_t room = 0) noexcept;
    // Puts a piece in; id 0 asks for a new one; `pages` is set here. Nothing of the table may
    // overlap it. False (and counted in lost()) if the table is full.
    bool insert(Piece piece) noexcept;
    // Splits the range that covers `addr` there, if one does.
    void split(std::uint64_t addr) noexcept;
    void set_flags(std::uint32_t i, std::uint8_t flags) noexcept { ranges_[i].flags = flags; }
    // The range goes on being what it was in an earlier table.
    void adopt(std::uint32_t i, const struct pp_range& before) noexcept {
        ranges_[i].id = before.id;
        ranges_[i].flags = before.flags;
    }
    // The file is of another size now. True if that changes what it backs of a range.
    bool resize(std::uint64_t device, std::uint64_t inode, std::uint64_t size) noexcept;

    std::uint32_t lost() const noexcept { return lost_; }

  private:
    std::uint32_t new_id() noexcept;
    std::uint32_t backed(const struct pp_range& range, const Backing& file) const noexcept;
    void open_gap(std::uint32_t i) noexcept;
    void close_gap(std::uint32_t i) noexcept;
    void put(std::uint32_t i, const Piece& piece) noexcept;
    // What the program itself keeps is not counted: its call fails.
    void lose(const struct pp_range& range) noexcept { lost_ += range.rule != 0; }

    struct pp_range ranges_[PP_MAX_RANGES] = {};
    Backing files_[PP_MAX_RANGES] = {};
    std::uint64_t page_ = 0; // bytes; not 0 would have all of this in the library's file
    std::uint32_t count_ = 0;
    std::uint32_t lost_ = 0;
    std::atomic<std::uint32_t> last_id_{0}; // changed under the lock alone
};

} // namespace pagepatrol
