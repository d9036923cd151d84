// SPDX-License-Identifier: Apache-2.0
//
// See decide.hpp. An answer is keyed by device, inode, size and ctime, and by how
// the file is mapped: a renamed, replaced or grown file, and a new file with an old
// inode number, are asked about again. Accepted: renaming a folder above a file
// does not change the file's ctime, so the answer stays until the file changes.
//
// Files without storage (memfd, /dev/shm, System V memory) have no rule: what is
// dropped of them goes to swap, or can't go at all. hugetlbfs has no page cache
// that reclaim would look at, device files have none at all (the caller sees to it).
#include "decide.hpp"

#include "log.hpp"
#include "pages.hpp"
#include "sys.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <linux/magic.h>

namespace pagepatrol::decide {
namespace {

constexpr std::uint32_t cache_slots = 256; // direct-mapped; a power of two
constexpr unsigned max_left_alone = 4;

const Policy* policy = nullptr;
std::uint64_t page = 4096;       // bytes
bool filesystems_matter = false; // to some rule
Answer cache[cache_slots];
Answer unremembered;
std::atomic<bool> splits_{false};
struct File {
    std::uint64_t device, inode;
};
File ours[max_left_alone]; // inode 0 is none
char path_buffer[4096 + 16];

Answer& slot(const struct ::stat& st, How how) noexcept {
    const std::uint64_t key = st.st_ino ^ (st.st_dev << 32) ^
                              (static_cast<std::uint64_t>(how.prot & 7) << 60) ^
                              (static_cast<std::uint64_t>(how.shared) << 59);
    return cache[key * 0x9e3779b97f4a7c15ull >> 56 & (cache_slots - 1)];
}

// The file system is asked about only for files that a rule wants. `find` gives its number.
template <class Find> void ask(Answer& answer, std::string_view path, How how, Find find) noexcept {
    if (!policy || path.empty() || path[0] != '/' || !has_storage(path))
        return;
    MappedFile file;
    file.path = path;
    file.size = answer.size;
    file.prot = how.prot;
    file.shared = how.shared;
    file.filesystem = 0; // matches any
    bool too_slow = false;
    std::size_t count = match(*policy, file, answer.parts, &too_slow);
    if (too_slow && log::first(log::glob_too_slow))
        log::Line() << "the policy's globs take too long for " << path
                    << "; no rule applies to it. HINT: fewer '*' and '**' in one glob";
    if (count == 0)
        return;
    file.filesystem = find();
    if (file.filesystem == HUGETLBFS_MAGIC)
        return;
    if (filesystems_matter)
        count = match(*policy, file, answer.parts);
    for (std::size_t i = 0; i < count; ++i)
        if (answer.parts[i].start != 0 || answer.parts[i].end != UINT64_MAX)
            splits_.store(true, std::memory_order_relaxed);
    answer.count = static_cast<std::uint8_t>(to_pages(answer.parts, count, answer.size, page));
}

std::string_view descriptor_path(int fd, const struct ::stat& st) noexcept {
    // the thread's own descriptors; and the process's first thread may be gone, with its /proc/self
    char link[40] = "/proc/thread-self/fd/";
    char digits[12];
    std::size_t n = sizeof digits, at = std::strlen(link);
    do
        digits[--n] = static_cast<char>('0' + fd % 10);
    while ((fd /= 10) != 0);
    std::memcpy(link + at, digits + n, sizeof digits - n); // the rest of link is 0
    const long size = sys::readlink(link, path_buffer, sizeof path_buffer);
    if (size <= 0 || size == static_cast<long>(sizeof path_buffer)) {
        if (size <= 0 && log::first(log::no_proc))
            log::Line() << "can't tell which files are mapped: " << std::string_view(link)
                        << " can't be read; no rule applies. HINT: /proc has to be mounted";
        return {};
    }
    const std::string_view path(path_buffer, static_cast<std::size_t>(size));
    // an unlinked file is what it was: matched by the name it had
    return st.st_nlink == 0 ? without_deleted(path) : path;
}

bool same(const Answer& answer, const struct ::stat& st, How how) noexcept {
    return answer.valid && answer.inode == st.st_ino && answer.device == st.st_dev &&
           answer.size == static_cast<std::uint64_t>(st.st_size) &&
           answer.seconds == st.st_ctim.tv_sec && answer.nanoseconds == st.st_ctim.tv_nsec &&
           answer.prot == (how.prot & 7) && answer.shared == how.shared;
}

// A file with several names may come by another one next time: not remembered.
Answer& begin(const struct ::stat& st, How how) noexcept {
    Answer& answer = st.st_nlink <= 1 ? slot(st, how) : unremembered;
    answer.device = st.st_dev;
    answer.inode = st.st_ino;
    answer.size = static_cast<std::uint64_t>(st.st_size);
    answer.seconds = st.st_ctim.tv_sec;
    answer.nanoseconds = st.st_ctim.tv_nsec;
    answer.prot = static_cast<std::uint8_t>(how.prot & 7);
    answer.shared = how.shared;
    answer.valid = st.st_nlink <= 1;
    answer.count = 0;
    return answer;
}

} // namespace

void set_policy(const Policy* p, std::uint64_t page_size) noexcept {
    policy = p;
    page = page_size;
    filesystems_matter = false;
    if (policy)
        for (const Rule& rule : policy->rules)
            filesystems_matter = filesystems_matter || !rule.filesystems.empty();
    for (Answer& answer : cache)
        if (answer.valid) // untouched pages stay untouched
            answer.valid = false;
}

void leave_alone(const struct ::stat& st) noexcept {
    for (File& file : ours)
        if (file.inode == 0) {
            file = {st.st_dev, st.st_ino};
            return;
        }
}

bool left_alone(const struct ::stat& st) noexcept {
    for (const File& file : ours)
        if (file.inode != 0 && file.inode == st.st_ino && file.device == st.st_dev)
            return true;
    return false;
}

bool splits() noexcept {
    return splits_.load(std::memory_order_relaxed);
}

const Answer& by_descriptor(int fd, const struct ::stat& st, How how, bool& fresh) noexcept {
    Answer& known = slot(st, how);
    fresh = !same(known, st, how);
    if (!fresh)
        return known;
    Answer& answer = begin(st, how);
    if (policy && !left_alone(st))
        ask(answer, descriptor_path(fd, st), how, [fd] { return sys::filesystem(fd); });
    return answer;
}

const Answer& by_path(const char* path, const struct ::stat& st, How how) noexcept {
    Answer& known = slot(st, how);
    if (same(known, st, how))
        return known;
    Answer& answer = begin(st, how);
    if (policy && !left_alone(st))
        ask(answer, path, how, [path] { return sys::filesystem(path); });
    return answer;
}

const Answer& by_old_name(std::string_view path, std::uint64_t device, std::uint64_t inode,
                          std::uint64_t size, How how) noexcept {
    struct ::stat st = {};
    st.st_dev = device;
    st.st_ino = inode;
    st.st_size = static_cast<off_t>(size);
    st.st_nlink = 2; // not to be remembered
    Answer& answer = begin(st, how);
    ask(answer, without_deleted(path), how, [] { return 0u; });
    return answer;
}

} // namespace pagepatrol::decide
