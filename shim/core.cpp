// SPDX-License-Identifier: Apache-2.0
//
// See core.hpp: mappings come and go. The order that matters: a range is taken out
// of the table, and the kernel told, before the real call gives its addresses away;
// it is put in after the real call and pushed before that returns to the program.
// All under the Guard. Must never act on what it can't account for: it passes
// through instead.
#include "core.hpp"

#include "guard.hpp"
#include "log.hpp"
#include "push.hpp"
#include "state.hpp"
#include "sys.hpp"

namespace pagepatrol::core {

constinit std::atomic<bool> active{false};

namespace {
constinit std::atomic<bool> aside{false};
}
constinit Table table;
constinit Piece taken[PP_MAX_RANGES];
constinit std::uint64_t page = 4096;

long push(std::uint64_t start, std::uint64_t end) noexcept {
    const long error = push::table(table.ranges(), table.size(), start, end);
    if (table.lost() && log::first(log::too_many_ranges))
        log::Line() << "more than " << PP_MAX_RANGES
                    << " ranges match the policy; further ones are left to the kernel. HINT: "
                       "narrow the rules (min_size, exclude)";
    return error;
}

namespace {

// Whether the kernel side has to do something the moment a range of [start, end) is put in. Of a
// mapping that was just made nothing is in the page tables yet, so there is nothing to deactivate.
bool starts_with_work(std::uint64_t start, std::uint64_t end) noexcept {
    for (std::uint32_t i = table.lower(start); i < table.size(); ++i) {
        const struct pp_range& range = table.ranges()[i];
        if (range.start >= end)
            return false;
        const bool idle = range.action == PP_ACTION_NONE || range.action == PP_ACTION_EVICT ||
                          range.action == PP_ACTION_DEACTIVATE;
        if (!idle || range.flags != 0 || range.read_ahead != PP_READ_AHEAD_DEFAULT)
            return true;
    }
    return false;
}

void map_file(const Span& span, int prot, int flags, int fd, std::int64_t off) noexcept {
    struct ::stat st;
    // real call first: the descriptor is good; if another thread closed it meanwhile, no rule
    if (Guard::closed() || sys::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    Guard guard(Guard::of_a_file);
    if (!guard) {
        if (Guard::stuck() && has_policy() && log::first(log::lock_taken))
            log::Line() << "another thread has been in a call of this library, or in a fork, for "
                           "long: files that are mapped meanwhile have no rule. HINT: a large "
                           "`prefetch` or `evict` may take that long";
        return;
    }
    reload_if_changed();
    bool fresh = false;
    const decide::Answer& answer =
        decide::by_descriptor(fd, st, {prot, (flags & MAP_SHARED) != 0}, fresh);
    // a range still here was unmapped behind our back (raw system call, signal handler)
    const bool stale = table.touches(span.start, span.end);
    if (stale)
        table.take_out(span.start, span.end);
    const bool grown = fresh && table.resize(answer.device, answer.inode, answer.size);
    const unsigned placed = place(answer, {span.start, span.end, static_cast<std::uint64_t>(off)});
    const bool populated = (flags & (MAP_POPULATE | MAP_LOCKED)) != 0;
    if (stale || populated || starts_with_work(span.start, span.end))
        push(span.start, span.end);
    else if (placed || grown)
        push(span.start, span.start);
}

// MAP_FIXED replaces what is there: the kernel must not apply a range to the new mapping.
long map_over(void* addr, std::size_t len, int prot, int flags, int fd, std::int64_t off) noexcept {
    const Span span(addr, len);
    if (span.empty() || !table.used())
        return sys::mmap(addr, len, prot, flags, fd, off);
    Guard guard;
    if (!guard || !table.touches(span.start, span.end)) {
        guard.release();
        return sys::mmap(addr, len, prot, flags, fd, off);
    }
    const std::uint32_t count = table.take_out(span.start, span.end, taken, PP_MAX_RANGES);
    push(span.start, span.end);
    const long result = sys::mmap(addr, len, prot, flags, fd, off);
    if (sys::failed(result)) {
        put_back(count);
        push(span.start, span.end);
    }
    return result;
}

} // namespace

void catch_up(const void* own, const void* loader) noexcept {
    Guard guard;
    if (!guard)
        return;
    maps::leave_alone(number(own), number(loader));
    evaluate(0, UINT64_MAX);
    if (const std::uint32_t n = table.size())
        push(table.ranges()[0].start, table.ranges()[n - 1].end);
}

void step_aside() noexcept {
    aside.store(true, std::memory_order_release);
    Guard::close();
    active.store(false, std::memory_order_release);
    if ((has_policy() || table.size()) && log::first(log::aside))
        log::Line() << "the program installs a seccomp filter: what it maps from now on has no "
                       "rule, and its advice is passed on. HINT: a policy can't be had together "
                       "with a filter that the program makes itself";
}

void step_back() noexcept {
    active.store(true, std::memory_order_release);
    aside.store(false, std::memory_order_release);
    Guard::open();
}

bool is_aside() noexcept {
    return aside.load(std::memory_order_acquire);
}

void finish() noexcept {
    Guard guard;
    const std::uint32_t n = table.size();
    if (!guard || n == 0)
        return;
    for (std::uint32_t i = 0; i < n; ++i)
        if (const unsigned action = table.ranges()[i].action;
            action == PP_ACTION_STREAM || action == PP_ACTION_EVICT) {
            push::table(nullptr, 0, table.ranges()[0].start, table.ranges()[n - 1].end);
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
        map_file(span, prot, flags, fd, off);
    } else if (table.used() && !replaces) {
        Guard guard;
        if (guard && table.touches(span.start, span.end)) {
            table.take_out(span.start, span.end);
            push(span.start, span.end);
        }
    }
    return result;
}

// Without the lock if there never was a range: one that this call is about was put in before
// the program learned the address.
long unmap(void* addr, std::size_t len) noexcept {
    const Span span(addr, len);
    if (span.empty() || !table.used())
        return sys::munmap(addr, len);
    Guard guard;
    if (!guard || !table.touches(span.start, span.end)) {
        guard.release();
        return sys::munmap(addr, len);
    }
    const std::uint32_t count = table.take_out(span.start, span.end, taken, PP_MAX_RANGES);
    push(span.start, span.end);
    const long result = sys::munmap(addr, len);
    if (result != 0) {
        put_back(count);
        push(span.start, span.end);
    }
    return result;
}

} // namespace pagepatrol::core
