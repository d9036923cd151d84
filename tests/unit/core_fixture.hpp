// SPDX-License-Identifier: Apache-2.0
//
// The core over a kernel made of tables (fake_sys.hpp), with four files and a
// policy; for the tests of each of its parts.
#pragma once

#include "core.hpp"
#include "fake_sys.hpp"
#include "policy.hpp"

#include <array>
#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>

namespace pagepatrol {

using fake::kernel;
using fake::page;

inline constexpr int pinned = 10, streamed = 11, other = 12, parted = 13;

inline void* at(std::uint64_t n) {
    return reinterpret_cast<void*>(n);
}

inline Rule rule(std::string_view path, Action action) {
    Rule r;
    GlobError error;
    r.path.push_back(*Glob::compile(path, "", error));
    r.action = action;
    return r;
}

inline Policy policy_of(std::vector<Rule> rules) {
    Policy p;
    for (Rule& r : rules) {
        r.number = static_cast<std::uint16_t>(p.rules.size() + 1);
        p.rules.push_back(std::move(r));
    }
    return p;
}

// A head that is kept, a tail that is read once, and nothing about what is between: of
// "/data/parts".
inline std::vector<Rule> parts() {
    Rule head = rule("/data/parts", Action::pin), tail = rule("/data/parts", Action::stream);
    head.length = Place{static_cast<std::int64_t>(2 * page + 100), 0};
    tail.offset = Place{-static_cast<std::int64_t>(3 * page), 0};
    return {head, tail};
}

inline const Policy& policy() {
    static const Policy p = [] {
        std::vector<Rule> rules = {
            rule("/data/hot*", Action::pin), rule("/data/scan*", Action::stream),
            rule("/data/none*", Action::none), rule("/{proc,dev,memfd:}**", Action::pin)};
        for (const Rule& r : parts())
            rules.push_back(r);
        return policy_of(rules);
    }();
    return p;
}

inline std::uint64_t next_inode = 1; // never used again: the shim remembers its answers

class Core : public testing::Test {
  protected:
    void SetUp() override {
        fake::reset();
        core::start(&policy(), page);
        add(pinned, "/data/hot", 8 * page, true);
        add(streamed, "/data/scan", 8 * page - 100, true);
        add(other, "/data/other", 8 * page, false);
        add(parted, "/data/parts", 12 * page, true);
        kernel.now += 10'000'000; // past every rate limit
    }
    void TearDown() override {
        for (const std::string& p : kernel.problems)
            ADD_FAILURE() << p;
        // the shim's table outlives a test
        kernel.results.clear();
        kernel.fail_mmap = kernel.fail_munmap = kernel.fail_mremap = 0;
        kernel.open_error = 0;
        while (!kernel.table.empty())
            core::unmap(at(kernel.table[0].start), kernel.table[0].end - kernel.table[0].start);
    }
    static void add(int fd, std::string path, std::uint64_t size, bool wanted) {
        fake::File f;
        f.path = std::move(path);
        f.size = size;
        f.inode = next_inode++;
        f.wanted = wanted;
        kernel.files[fd] = f;
    }
    static std::uint64_t map(int fd, std::uint64_t pages, std::uint64_t offset = 0) {
        return static_cast<std::uint64_t>(core::map(nullptr, pages * page, PROT_READ, MAP_SHARED,
                                                    fd, static_cast<std::int64_t>(offset * page)));
    }
    static std::string events() {
        std::string s;
        for (const std::string& e : kernel.events)
            s += e.substr(0, e.find(' ')) + " ";
        return s;
    }
};

} // namespace pagepatrol
