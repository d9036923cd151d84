// SPDX-License-Identifier: Apache-2.0
//
// See maps.hpp. A line that does not look as expected is skipped, not guessed at.
#include "maps.hpp"

#include "decide.hpp"
#include "sys.hpp"

#include <cerrno>
#include <cstring>

namespace pagepatrol::maps {
namespace {

char buffer[3 * 4096]; // a line is at most a path and 80 bytes
std::uint64_t wanted[2];

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
    return p != first && *p++ == after;
}

} // namespace

bool parse(char* line, Mapping& out) noexcept {
    std::uint64_t device;
    char* p = line;
    if (!read_number(p, 16, '-', out.start) || !read_number(p, 16, ' ', out.end))
        return false;
    for (int i = 0; i < 4; ++i) // permissions
        if (*p++ == 0)
            return false;
    if (*p++ != ' ' || !read_number(p, 16, ' ', out.offset) || !read_number(p, 16, ':', device) ||
        !read_number(p, 16, ' ', device) || !read_number(p, 10, ' ', out.inode))
        return false;
    while (*p == ' ')
        ++p;
    out.path = p;
    return *p == '/';
}

void each(void (*visit)(const Mapping&) noexcept) noexcept {
    const long fd = sys::open("/proc/self/maps");
    if (fd < 0)
        return;
    std::size_t have = 0;
    for (;;) {
        const long got = sys::read(static_cast<int>(fd), buffer + have, sizeof buffer - have);
        if (got == -EINTR)
            continue;
        if (got <= 0)
            break;
        have += static_cast<std::size_t>(got);
        char* line = buffer;
        while (char* end = static_cast<char*>(
                   std::memchr(line, '\n', static_cast<std::size_t>(buffer + have - line)))) {
            *end = 0;
            Mapping mapping;
            if (parse(line, mapping))
                visit(mapping);
            line = end + 1;
        }
        have = static_cast<std::size_t>(buffer + have - line);
        if (have == sizeof buffer)
            break;
        std::memmove(buffer, line, have);
    }
    sys::close(static_cast<int>(fd));
}

void leave_alone(std::uint64_t own, std::uint64_t loader) noexcept {
    wanted[0] = own;
    wanted[1] = loader;
    each([](const Mapping& mapping) noexcept {
        // by stat: on overlayfs and btrfs the device in the line is not the file's own
        struct ::stat st;
        for (const std::uint64_t address : wanted)
            if (address >= mapping.start && address < mapping.end &&
                sys::stat(mapping.path, &st) == 0)
                decide::leave_alone(st);
    });
}

} // namespace pagepatrol::maps
