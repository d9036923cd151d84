// SPDX-License-Identifier: Apache-2.0
//
// See maps.hpp. A line that does not look as expected is skipped, not guessed at.
#include "maps.hpp"

#include "decide.hpp"
#include "sys.hpp"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace pagepatrol::maps {
namespace {

char buffer[3 * 4096]; // a line is at most a path and 80 bytes

bool read_number(char*& p, unsigned base, char after, std::uint64_t& out) noexcept {
    out = 0;
    const char* first = p;
    for (;; ++p) {
        unsigned digit;
        if (*p >= '0' && *p <= '9')
            digit = static_cast<unsigned>(*p - '0');
        else if (base == 16 && *p >= 'a' && *p <= 'f')
            digit = static_cast<unsigned>(*p - 'a') + 10;
        else
            break;
        out = out * base + digit;
    }
    if (p == first || (after != 0 && *p != after))
        return false;
    p += after != 0;
    return true;
}

} // namespace

bool parse(char* line, Mapping& out) noexcept {
    std::uint64_t device;
    char* p = line;
    if (!read_number(p, 16, '-', out.start) || !read_number(p, 16, ' ', out.end))
        return false;
    if (std::strlen(p) < 5)
        return false;
    out.prot = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
               (p[2] == 'x' ? PROT_EXEC : 0);
    out.shared = p[3] == 's';
    p += 4;
    if (*p++ != ' ' || !read_number(p, 16, ' ', out.offset) || !read_number(p, 16, ':', device) ||
        !read_number(p, 16, ' ', device) || !read_number(p, 10, 0, out.inode))
        return false;
    while (*p == ' ')
        ++p;
    out.path = p;
    return true;
}

bool each(std::uint64_t end, void (*visit)(const Mapping&, void*) noexcept,
          void* context) noexcept {
    // not /proc/self: without its first thread a process has no maps there
    const long fd = sys::open("/proc/thread-self/maps");
    if (fd < 0)
        return false;
    std::size_t have = 0;
    bool whole = false, seen = false;
    for (bool more = true; more;) {
        const long got = sys::read(static_cast<int>(fd), buffer + have, sizeof buffer - have);
        if (got == -EINTR)
            continue;
        if (got <= 0) {
            whole = got == 0 && seen; // there is always one
            break;
        }
        have += static_cast<std::size_t>(got);
        char* line = buffer;
        while (char* newline = static_cast<char*>(
                   std::memchr(line, '\n', static_cast<std::size_t>(buffer + have - line)))) {
            *newline = 0;
            Mapping mapping;
            if (parse(line, mapping)) {
                seen = true;
                if (mapping.start >= end) {
                    whole = true;
                    more = false;
                    break;
                }
                visit(mapping, context);
            }
            line = newline + 1;
        }
        have = static_cast<std::size_t>(buffer + have - line);
        if (have == sizeof buffer)
            break;
        std::memmove(buffer, line, have);
    }
    sys::close(static_cast<int>(fd));
    return whole;
}

void leave_alone(std::uint64_t own, std::uint64_t loader) noexcept {
    std::uint64_t wanted[] = {own, loader};
    each(
        UINT64_MAX,
        [](const Mapping& mapping, void* context) noexcept {
            // by stat: on overlayfs and btrfs the device in the line is not the file's own
            struct ::stat st;
            for (unsigned i = 0; i < 2 && mapping.has_file(); ++i) {
                const std::uint64_t address = static_cast<std::uint64_t*>(context)[i];
                if (address >= mapping.start && address < mapping.end &&
                    sys::stat(mapping.path, &st) == 0)
                    decide::leave_alone(st);
            }
        },
        wanted);
}

} // namespace pagepatrol::maps
