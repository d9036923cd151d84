// SPDX-License-Identifier: Apache-2.0
//
// What the files of the core share: the table, the address arithmetic, and how the
// policy's answer about a mapping becomes ranges. All of it under the Guard but
// where it says otherwise. Not for anybody outside the core.
#pragma once

#include "decide.hpp"
#include "maps.hpp"
#include "table.hpp"

#include <sys/mman.h>

namespace pagepatrol::core {

extern Table table;
extern Piece taken[PP_MAX_RANGES]; // what the call in progress took out
extern std::uint64_t page;         // bytes

inline std::uint64_t number(const void* p) noexcept {
    return reinterpret_cast<std::uint64_t>(p);
}
inline void* address(std::uint64_t n) noexcept {
    return reinterpret_cast<void*>(n);
}
inline std::uint64_t round_up(std::uint64_t n) noexcept {
    return (n + page - 1) & ~(page - 1);
}
inline bool aligned(std::uint64_t n) noexcept {
    return (n & (page - 1)) == 0;
}
inline bool keeps(const struct pp_range& r) noexcept {
    return r.action == PP_ACTION_PIN || r.action == PP_ACTION_ACTIVATE;
}

// [start, end) of a call; empty if the kernel is going to refuse it or there is nothing in it.
struct Span {
    std::uint64_t start = 0, end = 0;
    Span(const void* addr, std::uint64_t len) noexcept {
        const std::uint64_t first = number(addr), size = round_up(len);
        if (aligned(first) && size >= len && first + size > first) {
            start = first;
            end = first + size;
        }
    }
    bool empty() const noexcept { return start == end; }
};

// A mapping of a file, or a piece of one.
struct Mapped {
    std::uint64_t start, end; // addresses
    std::uint64_t offset;     // in the file, at `start`
};

// Hands the table over; [start, end) is what changes. 0 or a negative errno.
long push(std::uint64_t start, std::uint64_t end) noexcept;

// The ranges that the answer asks for in a mapping, into the table, where there is none yet.
// Returns how many.
unsigned place(const decide::Answer& answer, const Mapped& mapped) noexcept;
// The same for everything mapped in [start, end), as /proc/thread-self/maps has it. A file without
// a name is known by the `count` pieces at `old`, sorted, that were ranges until now.
void evaluate(std::uint64_t start, std::uint64_t end, const Piece* old = nullptr,
              std::uint32_t count = 0) noexcept;
// The same, silent. False: /proc/thread-self/maps can't be read; the table holds what was seen of
// it.
bool read_maps(std::uint64_t start, std::uint64_t end, const Piece* old,
               std::uint32_t count) noexcept;
// What the program itself keeps, of the file that the answer is about. False: the table is full.
bool keep(const decide::Answer& answer, const Mapped& mapped) noexcept;
// The answer for a mapping out of /proc/thread-self/maps; nullptr if the file can't be told any
// more.
const decide::Answer* answer_for(const maps::Mapping& mapping, const Piece* old,
                                 std::uint32_t count) noexcept;
// Puts back what a real call that failed has left in place.
void put_back(std::uint32_t count) noexcept;
void announce(const Piece& piece) noexcept;

bool has_policy() noexcept;
// The policy file may have changed: looks, at most once a second; if so, makes the table anew.
void reload_if_changed() noexcept;

} // namespace pagepatrol::core
