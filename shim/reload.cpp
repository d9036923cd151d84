// SPDX-License-Identifier: Apache-2.0
//
// The policy file changes while the program runs: seen at the next mapping of a
// file, looked at once a second at most. The new policy replaces the old one for
// everything that is mapped, in one push; a range that stays what it was keeps its
// id. If the new file is broken the old policy stays. Knows nothing of how a policy
// is read (core::Source).
#include "core.hpp"
#include "guard.hpp"
#include "log.hpp"
#include "pages.hpp"
#include "push.hpp"
#include "state.hpp"
#include "sys.hpp"

#include <algorithm>

namespace pagepatrol::core {
namespace {

constexpr std::uint64_t look_every = 1000; // ms

Source source;
const Policy* policy = nullptr;
std::uint64_t next_look = 0; // ms

bool same(const struct ::stat& a, const struct ::stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
           a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

void apply(const Policy* now) noexcept {
    policy = now;
    decide::set_policy(now, page);
    push::set_budget(now ? budget_of(now->budget, page) : 0, page);
}

bool same_range(const struct pp_range& a, const struct pp_range& b) noexcept {
    return a.start == b.start && a.end == b.end && a.action == b.action && a.rule == b.rule;
}

// All ranges anew. What the program itself keeps stays, unless the new policy says "unpin".
void rebuild() noexcept {
    const std::uint32_t count = table.take_out(0, UINT64_MAX, taken, PP_MAX_RANGES);
    for (std::uint32_t i = 0; i < count; ++i)
        if (taken[i].range.rule == 0)
            table.insert(taken[i]);
    evaluate(0, UINT64_MAX, taken, count);
    std::uint64_t start = count ? taken[0].range.start : UINT64_MAX;
    std::uint64_t end = count ? taken[count - 1].range.end : 0;
    if (const std::uint32_t n = table.size()) {
        start = std::min<std::uint64_t>(start, table.ranges()[0].start);
        end = std::max<std::uint64_t>(end, table.ranges()[n - 1].end);
    }
    std::uint32_t old = 0;
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        const struct pp_range& range = table.ranges()[i];
        while (old < count && taken[old].range.start < range.start)
            ++old;
        if (old < count && same_range(taken[old].range, range))
            table.adopt(i, taken[old].range);
        else if (keeps(range)) // marks of RANDOM and SEQUENTIAL, passed on until now
            sys::madvise(address(range.start), range.end - range.start, MADV_NORMAL);
    }
    if (start < end)
        push(start, end);
}

} // namespace

void start(const Policy* first, std::uint64_t page_size, const Source* where) noexcept {
    page = page_size;
    table.set_page_size(page_size);
    source = where ? *where : Source{};
    next_look = sys::milliseconds() + look_every;
    apply(first);
    active.store(true, std::memory_order_release);
}

void reload_if_changed() noexcept {
    if (!source.read)
        return;
    const std::uint64_t now = sys::milliseconds();
    if (now < next_look)
        return;
    next_look = now + look_every;
    struct ::stat st;
    // gone: an editor is in the middle of replacing it
    if (sys::stat(source.file, &st) != 0 || same(st, source.seen))
        return;
    source.seen = st; // whatever it is, it is read once
    const Policy* fresh = source.read(source.seen);
    if (!fresh)
        return;
    const Policy* old = policy;
    apply(fresh);
    rebuild(); // from here on nothing points into the old one
    source.release(old);
}

} // namespace pagepatrol::core
