// SPDX-License-Identifier: Apache-2.0
// Structured garbage at the door, always the same: each answer has to be the one that
// abi.h promises, as told by a second, plain implementation of its rules.
#include "child.hpp"
#include "door.hpp"
#include "kernel_side.hpp"

#include <algorithm>
#include <random>

namespace pagepatrol::test {
namespace {

constexpr int64_t mismatch = 1'000'000; // + number of the request
constexpr uint32_t most = 80;           // crosses the size classes

class Garbage {
  public:
    explicit Garbage(uint32_t seed) : random_(seed) {}

    bool one_in(unsigned n) { return random_() % n == 0; }
    uint32_t below(uint32_t n) { return random_() % n; }

    uint64_t number() {
        static const uint64_t edges[] = {0,
                                         1,
                                         page,
                                         nowhere,
                                         top() - page,
                                         top(),
                                         top() + page,
                                         1ull << 32,
                                         1ull << 47,
                                         1ull << 63,
                                         ~0ull,
                                         -page,
                                         0xffff'8880'0000'0000};
        return one_in(4) ? random_() * uint64_t(random_()) : edges[below(std::size(edges))];
    }

    pp_request request(pp_range* ranges) {
        const uint32_t nr = one_in(3) ? below(most) : below(4);
        uint64_t at = nowhere;
        for (uint32_t i = 0; i < nr; ++i) {
            const uint64_t start = at + below(3) * page, end = start + (1 + below(4)) * page;
            ranges[i] = make_range(start, end, i + 1, uint8_t(below(PP_NR_ACTIONS)),
                                   uint8_t(below(2)), uint16_t(below(4)));
            ranges[i].read_ahead = one_in(4) ? uint16_t(below(65536)) : PP_READ_AHEAD_DEFAULT;
            ranges[i].budget = one_in(4) ? budget() : 0;
            ranges[i].pages = one_in(4) ? uint32_t(number()) : ranges[i].pages;
            at = end;
        }
        pp_request request = request_for(ranges, nr);
        if (one_in(2))
            request.start = nowhere, request.end = nowhere + below(64) * page;
        if (one_in(4))
            request.budget = budget();
        if (one_in(8))
            request = request_to_act(PP_ACTION_ACTIVATE + below(6), nowhere + below(2) * page,
                                     nowhere + below(8) * page);
        for (unsigned faults = below(3); faults; --faults)
            spoil(request, ranges, nr);
        return request;
    }

  private:
    uint32_t budget() {
        return one_in(2) ? below(8) : PP_BUDGET_SHARE | below(PP_BUDGET_WHOLE + 2);
    }

    void spoil(pp_request& request, pp_range* ranges, uint32_t nr) {
        pp_range& range = ranges[nr ? below(nr) : 0];
        switch (below(15)) {
        case 0:
            request.version = uint32_t(number());
            break;
        case 1:
            request.op = uint32_t(number());
            break;
        case 2:
            request.action = uint32_t(number());
            break;
        case 3:
            request.start = number();
            break;
        case 4:
            request.end = number() & -page;
            break;
        case 5:
            request.nr_ranges = one_in(2) ? uint32_t(number()) : below(most);
            break;
        case 6:
            request.ranges = one_in(2) ? 0xffff'8880'0000'0000 : nowhere;
            break;
        case 7:
            range.start = number();
            break;
        case 8:
            range.end = number();
            break;
        case 9:
            range.action = uint8_t(below(256));
            break;
        case 10:
            range.flags = uint8_t(below(256));
            break;
        case 11:
            range.id = uint32_t(number());
            break;
        case 12:
            request.budget = uint32_t(number());
            break;
        case 13:
            range.budget = uint32_t(number());
            break;
        case 14:
            range.reserved[below(6)] = uint8_t(below(3));
            break;
        }
    }

    std::mt19937 random_;
};

bool wrong_budget(uint32_t budget) {
    return (budget & PP_BUDGET_SHARE) && (budget & ~PP_BUDGET_SHARE) > PP_BUDGET_WHOLE;
}

int64_t promised_to_act(const pp_request& request) {
    switch (request.action) {
    case PP_ACTION_ACTIVATE:
    case PP_ACTION_DEACTIVATE:
    case PP_ACTION_EVICT:
    case PP_ACTION_PREFETCH:
        break;
    default:
        return -EINVAL;
    }
    if (request.nr_ranges || request.ranges || request.budget ||
        (request.start | request.end) % page || request.start >= request.end)
        return -EINVAL;
    return request.end > top() ? -ERANGE : 0;
}

int64_t promised(const pp_request& request, const pp_range* ranges) {
    if (request.version != PP_ABI_VERSION)
        return -EPROTO;
    if (request.op == PP_OP_ACT)
        return promised_to_act(request);
    if (request.op != PP_OP_SET || request.action || (request.start | request.end) % page ||
        request.start > request.end || wrong_budget(request.budget))
        return -EINVAL;
    if (request.nr_ranges > PP_MAX_RANGES)
        return -E2BIG;
    if (request.nr_ranges && request.ranges != reinterpret_cast<uint64_t>(ranges))
        return -EFAULT;
    uint64_t from = 0;
    for (uint32_t i = 0; i < request.nr_ranges; ++i) {
        const pp_range& r = ranges[i];
        if ((r.start | r.end) % page || r.start >= r.end || r.start < from || !r.id ||
            r.action >= PP_NR_ACTIONS || r.flags & ~PP_RANGE_FLAGS || wrong_budget(r.budget) ||
            std::any_of(std::begin(r.reserved), std::end(r.reserved), [](auto b) { return b; }))
            return -EINVAL;
        if (r.end > top())
            return -ERANGE;
        from = r.end;
    }
    return 0;
}

/// The number of accepted requests, or which one got another answer than promised.
int64_t fuzz(uint32_t seed, int requests) {
    static pp_range ranges[PP_MAX_RANGES];
    Garbage garbage(seed);
    int64_t accepted = 0;
    for (int i = 0; i < requests; ++i) {
        pp_request request = garbage.request(ranges);
        const int64_t want = promised(request, ranges);
        const int64_t got = ask(request);
        if (got != want) {
            fprintf(stderr, "seed %u, request %d: %ld, promised %ld\n", seed, i, long(got),
                    long(want));
            return mismatch + i;
        }
        accepted += got == 0;
    }
    return accepted;
}

class Fuzz : public Loaded {};

TEST_F(Fuzz, GarbageGetsTheAnswerThatIsPromised) {
    KernelLog log;
    Child child(nobody);
    // at a time: of how many a child answers soon enough under the slowest kernel
    const int at_once = 20000, requests = full() ? 10 * at_once : at_once;
    int64_t accepted = 0;
    for (int done = 0; done < requests; done += at_once) {
        const int64_t more = child.run([=] { return fuzz(20251123 + done, at_once); });
        ASSERT_GE(more, 0);
        ASSERT_LT(more, mismatch);
        accepted += more;
    }
    EXPECT_GT(accepted, requests / 10) << "nearly all refused tests little";
    EXPECT_EQ(grown(PP_STAT_UPLOADS) + grown(PP_STAT_ACTS), uint64_t(accepted));
    EXPECT_GT(grown(PP_STAT_ACTS), 0u);
    EXPECT_EQ(grown(PP_STAT_REFUSED), uint64_t(requests - accepted));
    child.end();
    EXPECT_TRUE(look().processes.empty());
    EXPECT_EQ(log.complaints(), "");
}

} // namespace
} // namespace pagepatrol::test
