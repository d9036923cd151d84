// SPDX-License-Identifier: Apache-2.0
//
// A kernel made of tables, in place of shim/sys.cpp: an address space of pages
// that belong to files, descriptors, and an upload program that keeps the last
// table it was given. After every change of the address space it checks the
// promise the shim makes: no range the kernel side knows covers foreign memory.
#pragma once

#include "sandbox.hpp"

#include <pagepatrol/abi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace fake {

constexpr std::uint64_t page = 4096;

struct File {
    std::string path;
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    std::uint64_t device = 3;
    unsigned owner = 0;
    std::uint64_t links = 1;
    unsigned mode = 0100644;
    long ctime = 1;
    long mtime = 1;
    std::uint32_t filesystem = 0xef53;
    bool wanted = false; // a rule of the test's policy matches it
};

struct Page {
    int fd; // -1: anonymous
    std::uint64_t offset;
    int advice = 0;
    bool shared = true;
    int prot = 1;
    bool locked = false;
    bool operator==(const Page&) const = default;
};

struct Kernel {
    std::map<int, File> files;           // by descriptor
    std::map<std::uint64_t, Page> pages; // by address
    std::vector<struct pp_range> table;  // what the kernel side knows
    std::vector<std::string> events;     // "munmap", "push 0x1000-0x2000 [1]"
    std::vector<std::string> problems;   // broken promises
    std::string output;                  // what went to stderr
    std::string maps;                    // /proc/self/maps; empty: made from `pages`
    std::string maps_text;               // ... as it is being read
    std::size_t maps_read = 0;
    unsigned maps_opened = 0, filesystems_asked = 0, stats = 0;
    unsigned readlinks = 0, opens = 0, test_runs = 0, closes = 0;
    std::uint64_t now = 1'000'000; // ms

    std::uint64_t root = 2;          // inode of /

    long fail_mmap = 0, fail_munmap = 0, fail_mremap = 0; // errno to give once, negative
    long fail_open = 0, fail_read = 0;
    bool fail_mmap_unmaps = false;                        // ... having unmapped what was there
    std::function<void()> after_call;                     // once, within the next real call

    // the door
    long open_error = 0;
    std::uint32_t program_id = 7;
    std::map<int, std::uint32_t> programs; // descriptor -> program id
    std::vector<long> results;             // to give in turn, then 0
    bool foreign_program = false;          // runs, but answers nothing
    long run_error = 0;                    // of our own program
    pagepatrol::sandbox::Verdict sandbox = pagepatrol::sandbox::Verdict::none;
    struct pp_request request = {};        // the last that was answered
    std::uint64_t asked = 0, granted = 0;  // to answer
    std::uint32_t limited_by = 0;

    void check();
    unsigned count(const std::string& prefix) const;
};

extern Kernel kernel;
void reset();

} // namespace fake
