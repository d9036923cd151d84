// SPDX-License-Identifier: Apache-2.0
//
// Tables of fixed size; see pages.hpp. System calls are made directly: the library's own
// wrappers touch errno.
#include "pages.hpp"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace pagepatrol::trace {

namespace {

constexpr std::size_t max_mappings = 4096, max_held = 64;

struct Open {
    std::uintptr_t page = 0; // 0: none
    int prot = 0;
};
struct Range {
    std::uintptr_t start = 0, end = 0;
};

std::atomic_flag lock = ATOMIC_FLAG_INIT; // all below
State* state = nullptr;
Part mappings[max_mappings];
std::size_t mapping_count = 0;
Open window[max_window]; // a ring: `oldest` is closed next
unsigned window_size = 0, oldest = 0;
Range held[max_held];
std::uintptr_t page_bytes = 4096;

// A direct call: no errno, and no cancellation point.
long call(long number, long a, long b, long c, long d = 0) {
#ifdef __x86_64__
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
#else
#error "the tracer makes its system calls directly: add this architecture's way"
#endif
}

void protect(std::uintptr_t start, std::size_t bytes, int prot) {
    call(SYS_mprotect, static_cast<long>(start), static_cast<long>(bytes), prot);
}

std::uintptr_t page_of(std::uintptr_t address) {
    return address & ~(page_bytes - 1);
}
std::uintptr_t end_of(const Part& part) {
    return part.start + part.bytes;
}

Part* mapping_at(std::uintptr_t address) {
    for (std::size_t i = 0; i < mapping_count; i++)
        if (address >= mappings[i].start && address < end_of(mappings[i]))
            return &mappings[i];
    return nullptr;
}

Open* open_at(std::uintptr_t page) {
    for (unsigned i = 0; i < window_size; i++)
        if (window[i].page == page)
            return &window[i];
    return nullptr;
}

bool is_held(std::uintptr_t page) {
    for (const Range& range : held)
        if (page >= range.start && page < range.end)
            return true;
    return false;
}

void record(const Part& part, std::uintptr_t page) {
    const std::uint64_t at = shared(state->count).fetch_add(1, std::memory_order_relaxed);
    if (at >= state->capacity)
        return;
    const std::uint64_t offset = part.offset + (page - part.start);
    reinterpret_cast<Record*>(state + 1)[at] = {part.file,
                                                static_cast<std::uint32_t>(offset / page_bytes)};
}

void open_page(const Part& part, std::uintptr_t page) {
    Open& slot = window[oldest];
    if (slot.page && !is_held(slot.page))
        protect(slot.page, page_bytes, PROT_NONE);
    slot = {page, part.prot};
    oldest = (oldest + 1) % window_size;
    protect(page, page_bytes, part.prot);
}

void forget_open(std::uintptr_t start, std::uintptr_t end) {
    for (unsigned i = 0; i < window_size; i++)
        if (window[i].page >= start && window[i].page < end)
            window[i].page = 0;
}

bool file_index(std::uint64_t device, std::uint64_t inode, const char* path, std::uint32_t* index) {
    // other processes write there, too; who holds it does not sleep
    while (shared(state->files_lock).exchange(1, std::memory_order_acquire))
        call(SYS_sched_yield, 0, 0, 0);
    std::uint32_t i = 0;
    while (i < state->file_count &&
           (state->files[i].device != device || state->files[i].inode != inode))
        i++;
    const bool room = i < max_files;
    if (i == state->file_count && room) {
        File& file = state->files[i];
        file.device = device;
        file.inode = inode;
        for (std::size_t at = 0; at + 1 < max_path && path[at]; at++)
            file.path[at] = path[at];
        state->file_count++;
    }
    shared(state->files_lock).store(0, std::memory_order_release);
    *index = i;
    return room;
}

void drop_mapping(std::size_t i) {
    mappings[i] = mappings[--mapping_count];
}

} // namespace

Guard::Guard() {
    const std::uint64_t all = ~std::uint64_t{0};
    call(SYS_rt_sigprocmask, SIG_BLOCK, reinterpret_cast<long>(&all),
         reinterpret_cast<long>(&signals_), sizeof all);
    while (lock.test_and_set(std::memory_order_acquire))
        call(SYS_sched_yield, 0, 0, 0);
}

Guard::~Guard() {
    lock.clear(std::memory_order_release);
    call(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<long>(&signals_), 0, sizeof signals_);
}

void start(State* new_state, unsigned window_pages) {
    const Guard guard;
    page_bytes = new_state->page_size;
    window_size = window_pages < min_window   ? min_window
                  : window_pages > max_window ? max_window
                                              : window_pages;
    shared(new_state->processes).fetch_add(1, std::memory_order_relaxed);
    state = new_state;
}

bool started() {
    return state;
}

void add_part(const Part& part) {
    if (mapping_count == max_mappings) {
        shared(state->untraced).fetch_add(1, std::memory_order_relaxed);
        return;
    }
    mappings[mapping_count++] = part;
    protect(part.start, part.bytes, PROT_NONE);
}

void add(std::uintptr_t start, std::size_t bytes, std::uint64_t device, std::uint64_t inode,
         const char* path, std::uint64_t offset, int prot) {
    Part part{start, (bytes + page_bytes - 1) & ~(page_bytes - 1), 0, offset, prot};
    if (!file_index(device, inode, path, &part.file)) {
        shared(state->untraced).fetch_add(1, std::memory_order_relaxed);
        return;
    }
    add_part(part);
}

void remove(std::uintptr_t start, std::size_t bytes, bool open) {
    const std::uintptr_t end = (start + bytes + page_bytes - 1) & ~(page_bytes - 1);
    for (std::size_t i = 0; i < mapping_count;) {
        Part& part = mappings[i];
        const Part whole = part;
        const std::uintptr_t from = start > whole.start ? start : whole.start;
        const std::uintptr_t to = end < end_of(whole) ? end : end_of(whole);
        if (from >= to) {
            i++;
            continue;
        }
        if (open)
            protect(from, to - from, whole.prot);
        // what is left on either side; its protection is as it was
        const Part before{whole.start, from - whole.start, whole.file, whole.offset, whole.prot};
        const Part after{to, end_of(whole) - to, whole.file, whole.offset + (to - whole.start),
                         whole.prot};
        if (before.bytes && after.bytes) {
            part = before;
            i++;
            if (mapping_count < max_mappings)
                mappings[mapping_count++] = after;
            else
                protect(after.start, after.bytes, after.prot);
        } else if (before.bytes || after.bytes) {
            part = before.bytes ? before : after;
            i++;
        } else {
            drop_mapping(i);
        }
    }
    forget_open(start, end);
}

bool find(std::uintptr_t start, std::size_t bytes, Part* found) {
    for (std::size_t i = 0; i < mapping_count; i++)
        if (mappings[i].start < start + bytes && end_of(mappings[i]) > start) {
            *found = mappings[i];
            return true;
        }
    return false;
}

bool touched(std::uintptr_t address, bool write) {
    const Part* part = mapping_at(address);
    if (!part || (write && !(part->prot & PROT_WRITE)))
        return false;
    const std::uintptr_t page = page_of(address);
    // another thread was faster, or a system call of one has it open: try again
    if (open_at(page) || is_held(page)) {
        protect(page, page_bytes, part->prot);
        return true;
    }
    record(*part, page);
    open_page(*part, page);
    return true;
}

bool hold(std::uintptr_t start, std::size_t bytes) {
    Part part;
    if (bytes == 0 || !find(start, bytes, &part))
        return false;
    const std::uintptr_t end = start + bytes;
    for (std::uintptr_t page = page_of(start); page < end; page += page_bytes)
        if (const Part* mapping = mapping_at(page)) {
            if (!open_at(page))
                record(*mapping, page);
            protect(page, page_bytes, mapping->prot);
        }
    for (Range& range : held)
        if (range.end == 0) {
            range = {page_of(start), end};
            return true;
        }
    return true; // more than max_held at once: they may be closed too early
}

void release(std::uintptr_t start, std::size_t bytes) {
    const std::uintptr_t from = page_of(start), end = start + bytes;
    for (Range& range : held)
        if (range.start == from && range.end == end) {
            range = {};
            break;
        }
    for (std::uintptr_t page = from; page < end; page += page_bytes)
        if (mapping_at(page) && !open_at(page) && !is_held(page))
            protect(page, page_bytes, PROT_NONE);
}

} // namespace pagepatrol::trace
