// SPDX-License-Identifier: Apache-2.0
// Steps of a child that maps a file with a rule on all of it and reads it.
#pragma once

#include <cerrno>

#include <sched.h>
#include <sys/mman.h>

#include "child.hpp"
#include "door.hpp"
#include "files.hpp"

namespace pagepatrol::test {

/// Stays on one processor: a page that is still in another one's batch for the LRU can't be
/// dropped, and some would be left behind at each move.
inline void stay() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

/// The mapping of this process.
struct Mapping {
    char* data = nullptr;
    size_t size = 0;
    uint64_t start() const { return reinterpret_cast<uint64_t>(data); }
    uint64_t end() const { return start() + size; }
};
inline Mapping mapping;

struct Reader : Child {
    /// Maps the file; with an action, also uploads that for all of it.
    Reader(const TestFile& file, uint8_t action, uint8_t flags = 0, int prot = PROT_READ,
           int mapped = MAP_SHARED, uid_t uid = nobody)
        : Child(uid), size_(file.pages() * page) {
        start_error = run([path = file.path(), size = size_, prot, mapped] {
            stay();
            mapping = {map_file(path, prot, mapped), size};
            return mapping.data ? 0 : -ENOENT;
        });
        if (!start_error && action != PP_ACTION_NONE)
            start_error = rule(action, flags);
    }

    int64_t rule(uint8_t action, uint8_t flags = 0) {
        return run([=] { return upload_one(mapping.start(), mapping.size, action, flags); });
    }
    /// Reads these pages one after the other; the number of those with wrong content.
    int64_t read(size_t first, size_t nr) {
        return run([=] { return count_wrong(mapping.data, mapping.size, first, nr); });
    }
    int64_t read_all() { return read(0, size_ / page); }

    int64_t start_error = 0;

  private:
    size_t size_;
};

} // namespace pagepatrol::test
