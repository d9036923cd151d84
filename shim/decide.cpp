// SPDX-License-Identifier: Apache-2.0
//
// See decide.hpp. An answer is keyed by device, inode, size and ctime: a renamed,
// replaced or grown file, and a new file with an old inode number, are asked about
// again. Accepted: renaming a folder above a file does not change the file's
// ctime, so the answer stays until the file changes.
#include "decide.hpp"

#include "log.hpp"
#include "policy.hpp"
#include "sys.hpp"

#include <cstring>
#include <linux/magic.h>

namespace pagepatrol::decide {
namespace {

constexpr std::uint32_t cache_slots = 256; // direct-mapped; a power of two
constexpr unsigned max_left_alone = 4;

struct Answer {
    std::uint64_t device, inode, size;
    std::int64_t seconds, nanoseconds; // ctime
    const Rule* rule;
    bool valid;
};

const Policy* policy = nullptr;
Answer cache[cache_slots];
struct File {
    std::uint64_t device, inode;
};
File left_alone[max_left_alone]; // inode 0 is none
char path_buffer[4096 + 16];

Answer& slot(const struct ::stat& st) noexcept {
    std::uint64_t h = (st.st_ino ^ (st.st_dev << 32)) * 0x9e3779b97f4a7c15ull;
    return cache[h >> 56 & (cache_slots - 1)];
}

bool starts_with(std::string_view s, std::string_view head) noexcept {
    return s.substr(0, head.size()) == head;
}

// Files without storage behind them: what is dropped of them goes to swap, or can't go at all.
bool has_storage(std::string_view path) noexcept {
    return !starts_with(path, "/memfd:") && !starts_with(path, "/dev/") &&
           !starts_with(path, "/SYSV") && !starts_with(path, "/proc/") &&
           !starts_with(path, "/sys/");
}

const Rule* ask(std::string_view path, const struct ::stat& st) noexcept {
    for (const File& file : left_alone)
        if (file.inode != 0 && file.inode == st.st_ino && file.device == st.st_dev)
            return nullptr;
    if (path.empty() || path[0] != '/' || !has_storage(path))
        return nullptr;
    Segment segments[max_segments];
    const std::size_t n = match(*policy, {path, static_cast<std::uint64_t>(st.st_size)}, segments);
    const Rule* rule = n ? segments[0].rule : nullptr;
    return rule && rule->action != Action::none ? rule : nullptr;
}

std::string_view descriptor_path(int fd, const struct ::stat& st) noexcept {
    char link[32] = "/proc/self/fd/";
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
    std::string_view path(path_buffer, static_cast<std::size_t>(size));
    // an unlinked file is what it was: matched by the name it had
    constexpr std::string_view deleted = " (deleted)";
    if (st.st_nlink == 0 && path.size() > deleted.size() &&
        path.substr(path.size() - deleted.size()) == deleted)
        path.remove_suffix(deleted.size());
    return path;
}

} // namespace

void set_policy(const Policy* p) noexcept {
    policy = p;
}

void leave_alone(const struct ::stat& st) noexcept {
    for (File& file : left_alone)
        if (file.inode == 0) {
            file = {st.st_dev, st.st_ino};
            return;
        }
}

const Rule* by_descriptor(int fd, const struct ::stat& st) noexcept {
    const auto size = static_cast<std::uint64_t>(st.st_size);
    Answer& answer = slot(st);
    if (answer.valid && answer.inode == st.st_ino && answer.device == st.st_dev &&
        answer.size == size && answer.seconds == st.st_ctim.tv_sec &&
        answer.nanoseconds == st.st_ctim.tv_nsec)
        return answer.rule;
    const Rule* rule =
        sys::filesystem_magic(fd) == HUGETLBFS_MAGIC ? nullptr : ask(descriptor_path(fd, st), st);
    // a file with several names may come by another one next time
    if (st.st_nlink <= 1)
        answer = {st.st_dev, st.st_ino, size, st.st_ctim.tv_sec, st.st_ctim.tv_nsec, rule, true};
    return rule;
}

const Rule* by_path(const char* path, const struct ::stat& st) noexcept {
    return ask(path, st);
}

} // namespace pagepatrol::decide
