// SPDX-License-Identifier: Apache-2.0
//
// pp-belady: how many pages must be read for a trace of page accesses if the cache knew
// the future (Belady's optimum: drop what is needed again last), and how many an exact LRU
// reads. It knows pages as numbers and nothing of files or time.
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <list>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

constexpr char usage[] =
    "usage: pp-belady CAPACITY... <TRACE\n"
    "  TRACE     the pages in the order of access: numbers of 64 bits, little-endian\n"
    "  CAPACITY  in pages; one line of JSON for each\n";

using Page = std::uint32_t; // renumbered from 0 in the order of their first access
constexpr std::uint32_t never = UINT32_MAX;

struct Trace {
    std::vector<Page> accesses;
    std::uint32_t pages = 0;
};

// false: an error, which has been told
bool read_trace(Trace& trace) {
    std::unordered_map<std::uint64_t, Page> numbers;
    std::vector<std::uint64_t> block(1 << 16);
    std::size_t bytes;
    do {
        bytes = fread(block.data(), 1, block.size() * sizeof block[0], stdin);
        if (ferror(stdin)) {
            std::cerr << "pp-belady: reading the trace: " << strerror(errno) << '\n';
            return false;
        }
        if (bytes % sizeof block[0]) {
            std::cerr << "pp-belady: the trace ends within a number of 8 bytes\n";
            return false;
        }
        for (std::size_t i = 0; i < bytes / sizeof block[0]; i++)
            trace.accesses.push_back(
                numbers.try_emplace(block[i], static_cast<Page>(numbers.size())).first->second);
        if (trace.accesses.size() >= never) {
            std::cerr << "pp-belady: the trace has more than " << never - 1 << " accesses\n";
            return false;
        }
    } while (bytes);
    trace.pages = static_cast<std::uint32_t>(numbers.size());
    return true;
}

// Of each access: when the same page is accessed next.
std::vector<std::uint32_t> next_uses(const Trace& trace) {
    std::vector<std::uint32_t> next(trace.accesses.size()), seen(trace.pages, never);
    for (std::size_t i = trace.accesses.size(); i-- > 0;) {
        next[i] = seen[trace.accesses[i]];
        seen[trace.accesses[i]] = static_cast<std::uint32_t>(i);
    }
    return next;
}

std::uint64_t optimal_misses(const Trace& trace, const std::vector<std::uint32_t>& next,
                             std::uint64_t capacity) {
    // the page that is needed last on top; entries whose page has been used since are
    // passed over: its next use is another by then
    std::priority_queue<std::pair<std::uint32_t, Page>> last;
    std::vector<std::uint32_t> due(trace.pages);
    std::vector<bool> cached(trace.pages);
    std::uint64_t misses = 0, used = 0;
    for (std::size_t i = 0; i < trace.accesses.size(); i++) {
        const Page page = trace.accesses[i];
        due[page] = next[i];
        if (!cached[page]) {
            misses++;
            while (used == capacity) {
                const auto [when, victim] = last.top();
                last.pop();
                if (cached[victim] && due[victim] == when) {
                    cached[victim] = false;
                    used--;
                }
            }
            cached[page] = true;
            used++;
        }
        last.emplace(next[i], page);
    }
    return misses;
}

std::uint64_t lru_misses(const Trace& trace, std::uint64_t capacity) {
    std::list<Page> order; // most recently used first
    std::vector<std::list<Page>::iterator> place(trace.pages, order.end());
    std::uint64_t misses = 0;
    for (const Page page : trace.accesses) {
        if (place[page] != order.end()) {
            order.splice(order.begin(), order, place[page]);
            continue;
        }
        misses++;
        if (order.size() == capacity) {
            place[order.back()] = order.end();
            order.pop_back();
        }
        place[page] = order.insert(order.begin(), page);
    }
    return misses;
}

bool parse_capacity(std::string_view text, std::uint64_t& capacity) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), capacity);
    return error == std::errc() && end == text.data() + text.size() && capacity > 0;
}

} // namespace

int main(int argc, char** argv) {
    std::vector<std::uint64_t> capacities;
    for (int i = 1; i < argc; i++) {
        if (argv[i] == std::string_view("--help")) {
            std::cout << usage;
            return 0;
        }
        if (!parse_capacity(argv[i], capacities.emplace_back())) {
            std::cerr << "pp-belady: '" << argv[i] << "' is not a number of pages\n" << usage;
            return 2;
        }
    }
    if (capacities.empty()) {
        std::cerr << usage;
        return 2;
    }
    Trace trace;
    if (!read_trace(trace))
        return 1;
    const std::vector<std::uint32_t> next = next_uses(trace);
    for (const std::uint64_t capacity : capacities)
        std::cout << "{\"capacity\": " << capacity << ", \"accesses\": " << trace.accesses.size()
                  << ", \"pages\": " << trace.pages
                  << ", \"optimal_misses\": " << optimal_misses(trace, next, capacity)
                  << ", \"lru_misses\": " << lru_misses(trace, capacity) << "}\n";
    return 0;
}
