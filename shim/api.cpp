// SPDX-License-Identifier: Apache-2.0
//
// The program speaks for itself (pagepatrol.h). What it keeps are ranges of rule 0
// in the same table, in place of what the policy says there. Errors are returned,
// never said: it is the program's call. Not on any fast path: each of these walks
// /proc/thread-self/maps.
#include "core.hpp"
#include "guard.hpp"
#include "pages.hpp"
#include "push.hpp"
#include "state.hpp"
#include "sys.hpp"

#include <algorithm>
#include <cerrno>

namespace pagepatrol::core {
namespace {

bool valid(const void* addr, std::size_t len) noexcept {
    return len != 0 && !Span(addr, len).empty();
}

// From the kernel side's errno to the one that is documented.
long api_error(long error) noexcept {
    switch (error) {
    case -ENOENT: // no door, or nobody behind it
    case -ENOTDIR:
    case -ENOSYS:
    case -EBADF:
        return -ENODEV;
    case -EACCES:
        return -EPERM;
    default:
        return error;
    }
}

struct Walk {
    std::uint64_t start, end;
    std::uint64_t covered; // up to here everything is mapped
    const Piece* old;
    std::uint32_t count;
    bool insert;
    long error;
};

// A part of what is to be kept: is it a file's, does the policy let it be kept, and into the
// table with it.
void visit(const maps::Mapping& mapping, Walk& walk) noexcept {
    const std::uint64_t from = std::max(mapping.start, walk.start);
    const std::uint64_t to = std::min(mapping.end, walk.end);
    if (from >= to || walk.error != 0)
        return;
    if (from != walk.covered) {
        walk.error = -ENOMEM;
        return;
    }
    walk.covered = to;
    const decide::Answer* answer = mapping.has_file() && has_storage(mapping.path)
                                       ? answer_for(mapping, walk.old, walk.count)
                                       : nullptr;
    if (!answer || answer->inode != mapping.inode) {
        walk.error = -EOPNOTSUPP;
        return;
    }
    const std::uint64_t first = mapping.offset + (from - mapping.start);
    const std::uint64_t last = first + (to - from);
    for (unsigned i = 0; i < answer->count; ++i)
        if (answer->parts[i].rule->action == Action::unpin && answer->parts[i].start < last &&
            answer->parts[i].end > first) {
            walk.error = -EPERM;
            return;
        }
    if (!walk.insert)
        return;
    if (!keep(*answer, {from, to, first}))
        walk.error = -E2BIG;
}

long walk_over(const Span& span, bool insert, const Piece* old, std::uint32_t count) noexcept {
    Walk walk = {span.start, span.end, span.start, old, count, insert, 0};
    const bool read = maps::each(
        span.end,
        [](const maps::Mapping& mapping, void* p) noexcept {
            visit(mapping, *static_cast<Walk*>(p));
        },
        &walk);
    if (!read)
        return -ENODEV;
    return walk.error == 0 && walk.covered != span.end ? -ENOMEM : walk.error;
}

} // namespace

long pin(void* addr, std::size_t len) noexcept {
    if (!valid(addr, len))
        return -EINVAL;
    const Span span(addr, len);
    Guard guard;
    if (!guard)
        return -EAGAIN;
    push::Quiet quiet;
    const std::uint32_t count = table.take_out(span.start, span.end, taken, PP_MAX_RANGES);
    long error = walk_over(span, false, taken, count);
    if (error == 0)
        error = walk_over(span, true, taken, count);
    if (error == 0) {
        // the kernel's marks of RANDOM and SEQUENTIAL would undo it
        sys::madvise(address(span.start), span.end - span.start, MADV_NORMAL);
        error = api_error(push(span.start, span.end));
    }
    if (error != 0) {
        table.take_out(span.start, span.end);
        for (std::uint32_t i = 0; i < count; ++i)
            table.insert(taken[i]);
    }
    return error;
}

long unpin(void* addr, std::size_t len) noexcept {
    if (!valid(addr, len))
        return -EINVAL;
    const Span span(addr, len);
    Guard guard;
    if (!guard)
        return -EAGAIN;
    push::Quiet quiet;
    std::uint32_t count = 0;
    std::uint64_t at = span.start;
    for (std::uint32_t i; (i = table.lower(at)) < table.size();) {
        const struct pp_range range = table.ranges()[i];
        if (range.start >= span.end)
            break;
        const std::uint64_t from = std::max<std::uint64_t>(range.start, at);
        at = std::min<std::uint64_t>(range.end, span.end);
        if (range.rule == 0 && count < PP_MAX_RANGES)
            count += table.take_out(from, at, taken + count, 1);
        if (at == span.end)
            break;
    }
    long error = 0;
    if (count) {
        evaluate(span.start, span.end, taken, count);
        error = api_error(push(span.start, span.end));
    }
    // gone without us seeing it: no longer kept all the same
    if (sys::probe_mapped(span.start, span.end - span.start) != 0)
        return -ENOMEM;
    return error;
}

long act(void* addr, std::size_t len, std::uint32_t action) noexcept {
    if (!valid(addr, len))
        return -EINVAL;
    const Span span(addr, len);
    if (sys::probe_mapped(span.start, span.end - span.start) != 0)
        return -ENOMEM;
    Guard guard;
    if (!guard)
        return -EAGAIN;
    return api_error(push::act(action, span.start, span.end));
}

} // namespace pagepatrol::core
