// SPDX-License-Identifier: Apache-2.0
//
// See core.hpp. The order that matters: a range is taken out of the table, and
// the kernel told, before the real call gives its addresses away; it is put in
// after the real call and pushed before that returns to the program. All under the
// Guard. Must never act on what it can't account for: it passes through instead.
#include "core.hpp"

#include "decide.hpp"
#include "guard.hpp"
#include "log.hpp"
#include "maps.hpp"
#include "policy.hpp"
#include "push.hpp"
#include "sys.hpp"
#include "table.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>

namespace pagepatrol::core {

constinit std::atomic<bool> active{false};

namespace {

constinit Table table_;
constinit Piece taken_[PP_MAX_RANGES]; // what the call in progress took out; under the Guard
constinit std::uint64_t page_ = 4096;  // bytes

std::uint64_t number(const void* p) noexcept {
    return reinterpret_cast<std::uint64_t>(p);
}
void* address(std::uint64_t n) noexcept {
    return reinterpret_cast<void*>(n);
}
std::uint64_t round_up(std::uint64_t n) noexcept {
    return (n + page_ - 1) & ~(page_ - 1);
}
bool aligned(std::uint64_t n) noexcept {
    return (n & (page_ - 1)) == 0;
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

void push(std::uint64_t start, std::uint64_t end) noexcept {
    push::table(table_.ranges(), table_.size(), start, end);
    if (table_.lost() && log::first(log::too_many_ranges))
        log::Line() << "more than " << PP_MAX_RANGES
                    << " ranges match the policy; further ones are left to the kernel. HINT: "
                       "narrow the rules (min_size, exclude)";
}

void announce(const Piece& piece, const Rule* rule) noexcept {
    if (!log::verbose)
        return;
    log::Line line;
    line << "range ";
    line.hex(piece.range.start) << "-";
    line.hex(piece.range.end) << " (" << (piece.range.end - piece.range.start) / 1024
                              << " KiB): rule " << piece.range.rule;
    if (rule && !rule->name.empty())
        line << " \"" << rule->name << "\"";
    line << ", " << to_string(static_cast<Action>(piece.range.action));
}

// The part of a mapping that the file backs; false if there is none.
bool make_piece(const Rule& rule, std::uint64_t start, std::uint64_t end, std::uint64_t offset,
                std::uint64_t file_size, Piece& piece) noexcept {
    if (offset >= file_size)
        return false;
    const std::uint64_t backed = round_up(file_size - offset);
    const std::uint64_t limit = start + backed < start ? UINT64_MAX & ~(page_ - 1) : start + backed;
    piece.range = {};
    piece.range.start = start;
    piece.range.end = std::min<std::uint64_t>(end, limit);
    piece.range.pages = static_cast<std::uint32_t>((piece.range.end - start) / page_);
    piece.range.rule = rule.number;
    piece.range.read_ahead = PP_READ_AHEAD_DEFAULT;
    piece.range.action = static_cast<std::uint8_t>(rule.action);
    piece.map_end = end;
    piece.limit = limit;
    return true;
}

// Puts back what a real call that failed has left in place.
void put_back(std::uint32_t count) noexcept {
    for (std::uint32_t i = 0; i < count; ++i) {
        const struct pp_range& r = taken_[i].range;
        if (sys::probe_mapped(r.start, r.end - r.start) == 0)
            table_.insert(taken_[i]);
    }
}

void map_file(const Span& span, int fd, std::int64_t off) noexcept {
    struct ::stat st;
    // real call first: the descriptor is good; if another thread closed it meanwhile, no rule
    if (sys::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    Guard guard;
    if (!guard)
        return;
    const Rule* rule = decide::by_descriptor(fd, st);
    Piece piece;
    const bool wanted =
        rule && make_piece(*rule, span.start, span.end, static_cast<std::uint64_t>(off),
                           static_cast<std::uint64_t>(st.st_size), piece);
    // a range still here was unmapped behind our back (raw system call, signal handler)
    const bool stale = table_.touches(span.start, span.end);
    if (stale)
        table_.take_out(span.start, span.end);
    if (wanted && table_.insert(piece))
        announce(piece, rule);
    if (wanted || stale)
        push(span.start, span.end);
}

// MAP_FIXED replaces what is there: the kernel must not apply a range to the new mapping.
long map_over(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept {
    const Span span(addr, len);
    Guard guard;
    if (!guard || span.empty() || !table_.touches(span.start, span.end)) {
        guard.release();
        return sys::mmap(addr, len, prot, flags, fd, off);
    }
    const std::uint32_t count = table_.take_out(span.start, span.end, taken_, PP_MAX_RANGES);
    if (count)
        push(span.start, span.end);
    const long result = sys::mmap(addr, len, prot, flags, fd, off);
    if (sys::failed(result) && count) {
        put_back(count);
        push(span.start, span.end);
    }
    return result;
}

} // namespace

void start(const Policy& policy, std::uint64_t page_size) noexcept {
    page_ = page_size;
    decide::set_policy(&policy);
    active.store(true, std::memory_order_release);
}

void catch_up(const void* own, const void* loader) noexcept {
    Guard guard;
    if (!guard)
        return;
    maps::leave_alone(number(own), number(loader));
    maps::each([](const maps::Mapping& mapping) noexcept {
        struct ::stat st;
        if (sys::stat(mapping.path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_ino != mapping.inode)
            return;
        const Rule* rule = decide::by_path(mapping.path, st);
        Piece piece;
        if (rule && !table_.touches(mapping.start, mapping.end) &&
            make_piece(*rule, mapping.start, mapping.end, mapping.offset,
                       static_cast<std::uint64_t>(st.st_size), piece) &&
            table_.insert(piece))
            announce(piece, rule);
    });
    if (const std::uint32_t n = table_.size())
        push(table_.ranges()[0].start, table_.ranges()[n - 1].end);
}

void finish() noexcept {
    Guard guard;
    const std::uint32_t n = table_.size();
    if (!guard || n == 0)
        return;
    for (std::uint32_t i = 0; i < n; ++i)
        if (table_.ranges()[i].action == PP_ACTION_STREAM) {
            push::table(nullptr, 0, table_.ranges()[0].start, table_.ranges()[n - 1].end);
            return;
        }
}

long map(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept {
    const bool replaces =
        (flags & MAP_FIXED) && !((flags & MAP_FIXED_NOREPLACE) == MAP_FIXED_NOREPLACE);
    const long result = replaces ? map_over(addr, len, prot, flags, fd, off)
                                 : sys::mmap(addr, len, prot, flags, fd, off);
    if (sys::failed(result))
        return result;
    const Span span(address(static_cast<std::uint64_t>(result)), len);
    if (span.empty())
        return result;
    if (!(flags & MAP_ANONYMOUS)) {
        map_file(span, fd, off);
    } else if (table_.size() && !replaces) { // unlocked peek: only a hint
        Guard guard;
        if (guard && table_.touches(span.start, span.end)) {
            table_.take_out(span.start, span.end);
            push(span.start, span.end);
        }
    }
    return result;
}

long unmap(void* addr, std::size_t len) noexcept {
    const Span span(addr, len);
    if (span.empty())
        return sys::munmap(addr, len);
    Guard guard;
    if (!guard || !table_.touches(span.start, span.end)) {
        guard.release();
        return sys::munmap(addr, len);
    }
    const std::uint32_t count = table_.take_out(span.start, span.end, taken_, PP_MAX_RANGES);
    if (count)
        push(span.start, span.end);
    const long result = sys::munmap(addr, len);
    if (result != 0 && count) {
        put_back(count);
        push(span.start, span.end);
    }
    return result;
}

long remap(void* addr, std::size_t old_len, std::size_t new_len, int flags, void* to) noexcept {
    const Span from(addr, old_len), target(to, new_len);
    constexpr int known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    const bool refused = (flags & ~known) || new_len == 0 || !aligned(number(addr)) ||
                         ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE));
    if (refused)
        return sys::mremap(addr, old_len, new_len, flags, to);
    Guard guard;
    const bool fixed = (flags & MREMAP_FIXED) && !target.empty();
    const std::uint64_t first = number(addr);
    // old_len 0 maps a shared mapping a second time: the source stays
    const bool copies = old_len == 0 || (flags & MREMAP_DONTUNMAP);
    const std::uint64_t source_end = old_len == 0 ? first + page_ : from.end;
    if (!guard || !(table_.touches(first, source_end) ||
                    (fixed && table_.touches(target.start, target.end)))) {
        guard.release();
        return sys::mremap(addr, old_len, new_len, flags, to);
    }

    std::uint32_t replaced = 0;
    if (fixed) {
        replaced = table_.take_out(target.start, target.end, taken_, PP_MAX_RANGES);
        if (replaced)
            push(target.start, target.end);
    }
    // What is in the way at the target is gone; now the source. A copy's source stays in place.
    Piece* moved = taken_ + replaced;
    std::uint32_t count = 0;
    if (!copies) {
        count = table_.take_out(from.start, from.end, moved, PP_MAX_RANGES - replaced);
        if (count)
            push(from.start, from.end);
    } else {
        for (std::uint32_t i = table_.lower(first);
             i < table_.size() && replaced + count < PP_MAX_RANGES; ++i) {
            Piece piece = table_.at(i);
            if (piece.range.start >= source_end)
                break;
            piece.range.start = std::max<std::uint64_t>(piece.range.start, first);
            if (old_len != 0)
                piece.map_end = std::min<std::uint64_t>(piece.map_end, from.end);
            piece.range.end = std::min<std::uint64_t>(piece.range.end, piece.map_end);
            piece.range.id = 0;
            if (piece.range.end > piece.range.start)
                moved[count++] = piece;
            if (old_len == 0)
                break;
        }
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
    const bool stale = table_.touches(new_start, new_end);
    if (stale)
        table_.take_out(new_start, new_end);
    for (std::uint32_t i = 0; i < count; ++i) {
        Piece piece = moved[i];
        const bool grows = old_len == 0 || piece.map_end == from.end;
        piece.range.start += delta;
        piece.limit += delta;
        piece.map_end = grows ? new_end : std::min<std::uint64_t>(piece.map_end + delta, new_end);
        piece.range.end = std::min<std::uint64_t>(piece.map_end, piece.limit);
        if (piece.range.start < piece.range.end && table_.insert(piece))
            announce(piece, nullptr);
    }
    if (count || stale)
        push(new_start, new_end);
    return result;
}

// RANDOM and SEQUENTIAL make the kernel stop counting that a page was used (Linux 6.3 and later),
// which would undo "pin" and "activate": there they are not passed on; RANDOM's other half, no
// read-ahead, is asked for by a flag of the range.
long advise(void* addr, std::size_t len, int advice) noexcept {
    const Span span(addr, len);
    if ((advice != MADV_NORMAL && advice != MADV_RANDOM && advice != MADV_SEQUENTIAL) ||
        span.empty())
        return sys::madvise(addr, len, advice);
    auto kept = [](const struct pp_range& r) noexcept {
        return r.action == PP_ACTION_PIN || r.action == PP_ACTION_ACTIVATE;
    };
    Guard guard;
    bool any = false;
    if (guard)
        for (std::uint32_t i = table_.lower(span.start);
             i < table_.size() && table_.ranges()[i].start < span.end; ++i)
            any = any || (kept(table_.ranges()[i]) && table_.ranges()[i].end > span.start);
    if (!any) {
        guard.release();
        return sys::madvise(addr, len, advice);
    }

    // The kernel's verdict on the call, by advice that is harmless to a kept range.
    const long result = sys::madvise(addr, len, MADV_NORMAL);
    if (result != 0 && result != -ENOMEM) // -ENOMEM: holes, but done for what is mapped
        return result;
    const std::uint8_t flag = advice == MADV_RANDOM ? PP_RANGE_NO_READAHEAD : 0;
    std::uint64_t rest = span.start; // up to here the advice is given
    bool changed = false;
    for (std::uint32_t i = table_.lower(span.start);
         i < table_.size() && table_.ranges()[i].start < span.end; ++i) {
        if (!kept(table_.ranges()[i]))
            continue;
        if ((table_.ranges()[i].flags & PP_RANGE_NO_READAHEAD) != flag) {
            const std::uint32_t before = table_.size();
            table_.split(span.start);
            if (table_.size() != before)
                ++i; // the part below stays as it was
            table_.split(span.end);
            table_.set_flags(i, (table_.ranges()[i].flags & ~PP_RANGE_NO_READAHEAD) | flag);
            changed = true;
        }
        const struct pp_range& r = table_.ranges()[i];
        if (r.start > rest && advice != MADV_NORMAL)
            sys::madvise(address(rest), r.start - rest, advice);
        rest = std::max<std::uint64_t>(rest, r.end);
    }
    if (rest < span.end && advice != MADV_NORMAL)
        sys::madvise(address(rest), span.end - rest, advice);
    if (changed)
        push(span.start, span.end);
    return result;
}

} // namespace pagepatrol::core
