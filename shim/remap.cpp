// SPDX-License-Identifier: Apache-2.0
//
// Mappings that move, shrink and grow. What moves keeps its ranges, with their
// ids; what grows is asked about anew where a file falls under several rules. The
// order is core.cpp's: out of the table before the real call, in after it.
#include "core.hpp"
#include "guard.hpp"
#include "state.hpp"
#include "sys.hpp"

#include <algorithm>

namespace pagepatrol::core {
namespace {

// Will the kernel refuse it without having done anything?
bool refused(const void* addr, std::size_t new_len, int flags) noexcept {
    constexpr int known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    return (flags & ~known) || new_len == 0 || !aligned(number(addr)) ||
           ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE));
}

// The ranges of [first, end) as they will be in a second mapping of the same.
std::uint32_t copy(std::uint64_t first, std::uint64_t end, Piece* out,
                   std::uint32_t room) noexcept {
    std::uint32_t count = 0;
    for (std::uint32_t i = table.lower(first);
         i < table.size() && table.ranges()[i].start < end && count < room; ++i) {
        Piece piece = table.at(i);
        piece.range.start = std::max<std::uint64_t>(piece.range.start, first);
        piece.range.end = std::min<std::uint64_t>(piece.range.end, end);
        piece.range.id = 0;
        out[count++] = piece;
    }
    return count;
}

} // namespace

long remap(void* addr, std::size_t old_len, std::size_t new_len, int flags, void* to) noexcept {
    const Span from(addr, old_len), target(to, new_len);
    const bool splits = decide::splits();
    if ((!table.used() && !splits) || refused(addr, new_len, flags))
        return sys::mremap(addr, old_len, new_len, flags, to);
    Guard guard;
    const bool fixed = (flags & MREMAP_FIXED) && !target.empty();
    const std::uint64_t first = number(addr);
    // old_len 0 maps a shared mapping a second time: the source stays
    const bool copies = old_len == 0 || (flags & MREMAP_DONTUNMAP);
    const std::uint64_t source_end = old_len == 0 ? first + page : from.end;
    const bool grows = old_len == 0 || round_up(new_len) > from.end - from.start;
    if (!guard || !(table.touches(first, source_end) || (splits && grows) ||
                    (fixed && table.touches(target.start, target.end)))) {
        guard.release();
        return sys::mremap(addr, old_len, new_len, flags, to);
    }

    std::uint32_t replaced = 0;
    if (fixed) {
        replaced = table.take_out(target.start, target.end, taken, PP_MAX_RANGES);
        if (replaced)
            push(target.start, target.end);
    }
    // What is in the way at the target is gone; now the source. A copy's source stays in place.
    Piece* moved = taken + replaced;
    std::uint32_t count = 0;
    if (copies) {
        count = copy(first, source_end, moved, PP_MAX_RANGES - replaced);
    } else {
        count = table.take_out(from.start, from.end, moved, PP_MAX_RANGES - replaced);
        if (count)
            push(from.start, from.end);
    }
    const long result = sys::mremap(addr, old_len, new_len, flags, to);
    if (sys::failed(result)) {
        const std::uint32_t back = replaced + (copies ? 0 : count);
        put_back(back);
        if (back) {
            push(from.start, from.end);
            if (replaced)
                push(target.start, target.end);
        }
        return result;
    }
    const std::uint64_t new_start = static_cast<std::uint64_t>(result);
    const std::uint64_t new_end = new_start + round_up(new_len), delta = new_start - first;
    const bool stale = table.touches(new_start, new_end);
    if (stale)
        table.take_out(new_start, new_end);
    const std::uint32_t before = table.size();
    bool ask = splits;
    for (std::uint32_t i = 0; i < count; ++i) {
        Piece& piece = moved[i];
        const bool last = piece.range.end == source_end;
        piece.range.start += delta;
        piece.range.end += delta;
        piece.file.origin += delta;
        if (last) { // goes on to where the mapping or the rule's part of the file ends
            const std::uint64_t left =
                piece.file.part_end - (piece.range.start - piece.file.origin);
            ask = ask || piece.range.rule == 0; // a rule may come behind what the program keeps
            piece.range.end =
                left < new_end - piece.range.start ? piece.range.start + left : new_end;
        }
        piece.range.end = std::min<std::uint64_t>(piece.range.end, new_end);
        if (piece.range.start < piece.range.end && table.insert(piece))
            announce(piece);
    }
    if (ask && grows)
        evaluate(new_start, new_end, moved, count);
    if (count || stale || table.size() != before)
        push(new_start, new_end);
    return result;
}

} // namespace pagepatrol::core
