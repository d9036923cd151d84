// SPDX-License-Identifier: Apache-2.0
//
// The program's own advice, where a rule has an opinion on it. What the program
// is told is what the kernel says to the call; what is not handled here reaches
// the kernel as it came. MADV_DONTNEED on a private mapping always does: it throws
// away what was written there, which is not advice. (Whether a private mapping was
// ever writable can't be known: not every mprotect() passes by here.)
//
// RANDOM and SEQUENTIAL make the kernel stop counting that a page was used (Linux
// 6.3 and later), which would undo "pin" and "activate": there they are not passed
// on unless a rule says so; RANDOM's other half, no read-ahead, is asked for by a
// flag of the range.
#include "core.hpp"
#include "guard.hpp"
#include "push.hpp"
#include "state.hpp"
#include "sys.hpp"

#include <algorithm>
#include <cerrno>

namespace pagepatrol::core {
namespace {

bool known(int number, Advice& advice) noexcept {
    switch (number) {
    case MADV_NORMAL:
        advice = Advice::normal;
        return true;
    case MADV_RANDOM:
        advice = Advice::random;
        return true;
    case MADV_SEQUENTIAL:
        advice = Advice::sequential;
        return true;
    case MADV_WILLNEED:
        advice = Advice::willneed;
        return true;
    case MADV_DONTNEED:
        advice = Advice::dontneed;
        return true;
    case MADV_COLD:
        advice = Advice::cold;
        return true;
    case MADV_PAGEOUT:
        advice = Advice::pageout;
        return true;
    default:
        return false;
    }
}

// These set how a mapping is read, and do nothing by themselves.
bool is_hint(Advice advice) noexcept {
    return advice == Advice::normal || advice == Advice::random || advice == Advice::sequential;
}

OnAdvice what_becomes(std::uint32_t i, Advice advice) noexcept {
    const Backing& file = table.file(i);
    const OnAdvice on =
        file.rule ? file.rule->advice[static_cast<std::size_t>(advice)] : OnAdvice::by_action;
    if (advice == Advice::dontneed && !file.shared)
        return OnAdvice::pass;
    if (on != OnAdvice::by_action)
        return on;
    if (!is_hint(advice) || !keeps(table.ranges()[i]))
        return OnAdvice::pass;
    return advice == Advice::random ? OnAdvice::read_ahead_off : OnAdvice::read_ahead_default;
}

// What the kernel says to the advice on a part that it is kept from, and that is mapped if it
// has not been unmapped behind our back.
long verdict(std::uint64_t start, std::uint64_t end, Advice advice) noexcept {
    if (is_hint(advice) || advice == Advice::willneed)
        return sys::probe_mapped(start, end - start);
    const long result = sys::probe_unlocked(start, end - start); // locked pages can't be dropped
    return result == -EBUSY ? -EINVAL : result;
}

bool set_read_ahead(std::uint32_t& i, const Span& span, bool off) noexcept {
    if (((table.ranges()[i].flags & PP_RANGE_NO_READAHEAD) != 0) == off)
        return false;
    const std::uint32_t before = table.size();
    table.split(span.start);
    if (table.size() != before)
        ++i; // the part below stays as it was
    table.split(span.end);
    const std::uint8_t others = table.ranges()[i].flags & ~PP_RANGE_NO_READAHEAD;
    table.set_flags(i, others | (off ? PP_RANGE_NO_READAHEAD : 0));
    return true;
}

// The rest of a call: the advice as it came. What fails for a hole goes on behind it, as in the
// kernel; false if the kernel would stop here.
bool pass(std::uint64_t start, std::uint64_t end, int number, long& result) noexcept {
    if (start >= end)
        return true;
    const long error = sys::madvise(address(start), end - start, number);
    if (error != 0)
        result = error;
    return error == 0 || error == -ENOMEM;
}

std::uint32_t action_of(OnAdvice on) noexcept {
    switch (on) {
    case OnAdvice::activate:
        return PP_ACTION_ACTIVATE;
    case OnAdvice::deactivate:
        return PP_ACTION_DEACTIVATE;
    case OnAdvice::prefetch:
        return PP_ACTION_PREFETCH;
    case OnAdvice::evict:
        return PP_ACTION_EVICT;
    default:
        return PP_ACTION_NONE;
    }
}

} // namespace

long advise(void* addr, std::size_t len, int number) noexcept {
    const Span span(addr, len);
    Advice advice;
    if (!known(number, advice) || span.empty() || !table.used())
        return sys::madvise(addr, len, number);
    Guard guard;
    bool any = false;
    if (guard)
        for (std::uint32_t i = table.lower(span.start);
             i < table.size() && table.ranges()[i].start < span.end; ++i)
            any = any || what_becomes(i, advice) != OnAdvice::pass;
    if (!any) {
        guard.release();
        return sys::madvise(addr, len, number);
    }

    long result = 0;
    std::uint64_t rest = span.start; // up to here the advice is dealt with
    bool changed = false;
    for (std::uint32_t i = table.lower(span.start);
         i < table.size() && table.ranges()[i].start < span.end; ++i) {
        const OnAdvice on = what_becomes(i, advice);
        if (on == OnAdvice::pass)
            continue;
        const std::uint64_t start = std::max<std::uint64_t>(table.ranges()[i].start, span.start);
        const std::uint64_t end = std::min<std::uint64_t>(table.ranges()[i].end, span.end);
        if (!pass(rest, start, number, result))
            break;
        rest = end;
        const bool read_ahead =
            on == OnAdvice::read_ahead_off || on == OnAdvice::read_ahead_default;
        // a range whose read-ahead is ours must not carry the kernel's marks from before
        const long said = read_ahead && is_hint(advice)
                              ? sys::madvise(address(start), end - start, MADV_NORMAL)
                              : verdict(start, end, advice);
        if (said != 0)
            result = said;
        if (said != 0 && said != -ENOMEM)
            break;
        if (read_ahead)
            changed |= set_read_ahead(i, span, on == OnAdvice::read_ahead_off);
        else if (const std::uint32_t action = action_of(on); action != PP_ACTION_NONE)
            if (push::act(action, start, end) != 0 && !pass(start, end, number, result))
                break;
    }
    if (result == 0 || result == -ENOMEM)
        pass(rest, span.end, number, result);
    if (changed)
        push(span.start, span.end);
    return result;
}

} // namespace pagepatrol::core
