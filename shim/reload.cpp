// SPDX-License-Identifier: Apache-2.0
//
// The policy file changes while the program runs: seen at the next mapping of a
// file, looked at once a second at most. The new policy replaces the old one for
// everything that is mapped, in one push; a range that stays what it was keeps its
// id. If the new file is broken the old policy stays. Knows nothing of how a policy
// is read (core::Source).
//
// A program that has changed its root or its mount namespace would look the path up
// in what may be somebody else's folders: it keeps the policy it has. The file must
// be the same user's, on the same file system, as at the start.
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
struct ::stat first_seen, root; // at the start: the policy's file, and "/"
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

bool another_ones(const struct ::stat& st) noexcept {
    return st.st_uid != first_seen.st_uid || st.st_dev != first_seen.st_dev;
}

bool root_changed() noexcept {
    struct ::stat now;
    return sys::stat("/", &now) != 0 || now.st_dev != root.st_dev || now.st_ino != root.st_ino;
}

// All ranges anew. What the program itself keeps stays, unless the new policy says "unpin".
// False: what is mapped can't be told, and the table is what it was.
bool rebuild() noexcept {
    const std::uint32_t count = table.take_out(0, UINT64_MAX, taken, PP_MAX_RANGES);
    for (std::uint32_t i = 0; i < count; ++i)
        if (taken[i].range.rule == 0)
            table.insert(taken[i]);
    if (!read_maps(0, UINT64_MAX, taken, count)) {
        table.take_out(0, UINT64_MAX);
        for (std::uint32_t i = 0; i < count; ++i)
            table.insert(taken[i]);
        return false;
    }
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
    return true;
}

} // namespace

void start(const Policy* first, std::uint64_t page_size, const Source* where) noexcept {
    page = page_size;
    table.set_page_size(page_size);
    source = where ? *where : Source{};
    first_seen = source.seen;
    if (source.read && sys::stat("/", &root) != 0)
        source.read = nullptr;
    next_look = sys::milliseconds() + look_every;
    apply(first);
    active.store(true, std::memory_order_release);
}

bool has_policy() noexcept {
    return policy != nullptr;
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
    if (root_changed())
        return;
    const Policy* fresh = nullptr;
    struct ::stat seen = st;
    bool later = false;
    bool foreign = another_ones(st);
    if (!foreign && (fresh = source.read(seen, later)) && (foreign = another_ones(seen))) {
        source.release(fresh);
        fresh = nullptr;
    }
    if (foreign && log::first(log::policy_of_another))
        log::Line() << "policy " << source.file
                    << " is another user's, or on another file system, than when the program "
                       "started: not read; the policy from before stays";
    if (fresh) {
        const Policy* old = policy;
        apply(fresh);
        if (rebuild()) {
            source.release(old); // from here on nothing points into it
        } else {
            apply(old);
            source.release(fresh);
            later = true;
            if (log::first(log::no_proc))
                log::Line()
                    << "can't tell what is mapped: /proc/thread-self/maps can't be read; the "
                       "policy from before stays";
        }
    }
    if (!later)
        source.seen = seen; // whatever it is, it is read once
}

} // namespace pagepatrol::core
