// SPDX-License-Identifier: Apache-2.0
//
// See log.hpp. Writes to descriptor 2 alone, and only while that is the file it was
// when the program started: a daemon closes it, and the next file it opens, a
// database perhaps, gets the number. A message must neither hold the program up (a
// pipe that is full) nor end it (SIGPIPE of a pipe that nobody reads, SIGXFSZ of a
// file that is as large as it may be) nor stop it (SIGTTOU of a terminal in whose
// background it runs): then it is not written, but for the last. Ignores that writing
// may fail.
#include "log.hpp"

#include "sys.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <unistd.h>

namespace pagepatrol::log {

bool verbose = false;
bool quiet = false;

namespace {

enum class Stderr { unknown, there, closed };
Stderr at_start = Stderr::unknown;
struct ::stat stderr_file;

bool may_write() noexcept {
    struct ::stat now;
    return at_start == Stderr::unknown ||
           (at_start == Stderr::there && sys::fstat(STDERR_FILENO, &now) == 0 &&
            now.st_dev == stderr_file.st_dev && now.st_ino == stderr_file.st_ino);
}

constexpr std::uint64_t bit(int signal) noexcept {
    return std::uint64_t(1) << (signal - 1);
}

void write(const char* text, std::size_t size) noexcept {
    if (!may_write() || !sys::writable(STDERR_FILENO))
        return;
    // the reader may go between that look and the write
    constexpr std::uint64_t ends_us = bit(SIGPIPE) | bit(SIGXFSZ) | bit(SIGTTOU);
    const std::uint64_t blocked = sys::block_signals(ends_us);
    const std::uint64_t pending = blocked & ends_us ? sys::pending_signals() : 0;
    const long result = sys::write(STDERR_FILENO, text, size);
    const std::uint64_t ours = result == -EPIPE   ? bit(SIGPIPE)
                               : result == -EFBIG ? bit(SIGXFSZ)
                                                  : 0;
    if (ours & ~pending)
        sys::take_signal(ours);
    sys::set_blocked_signals(blocked);
}

} // namespace

void remember_stderr() noexcept {
    at_start = sys::fstat(STDERR_FILENO, &stderr_file) == 0 ? Stderr::there : Stderr::closed;
}

bool first(Kind kind) noexcept {
    static std::atomic<unsigned> said{0};
    const unsigned mark = 1u << kind;
    return !quiet && !(said.load(std::memory_order_relaxed) & mark) &&
           !(said.fetch_or(mark) & mark);
}

Line::Line() noexcept {
    *this << "pagepatrol: ";
}

Line::~Line() {
    text_[size_++] = '\n';
    write(text_, size_);
}

Line& Line::operator<<(std::string_view text) noexcept {
    const std::size_t n = std::min(text.size(), capacity - size_);
    std::memcpy(text_ + size_, text.data(), n);
    size_ += n;
    return *this;
}

void Line::number(std::uint64_t value, unsigned base) noexcept {
    char digits[20];
    std::size_t n = sizeof digits;
    do
        digits[--n] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    *this << std::string_view(digits + n, sizeof digits - n);
}

Line& Line::operator<<(std::uint64_t value) noexcept {
    number(value, 10);
    return *this;
}

Line& Line::hex(std::uint64_t value) noexcept {
    number(value, 16);
    return *this;
}

Line& Line::error(long negative_errno) noexcept {
    // strerrordesc_np() only reads a table; strerror() would allocate
    if (const char* words = strerrordesc_np(static_cast<int>(-negative_errno)))
        return *this << words;
    return *this << "errno " << static_cast<std::uint64_t>(-negative_errno);
}

} // namespace pagepatrol::log
