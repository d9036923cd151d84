// SPDX-License-Identifier: Apache-2.0
//
// What a careful author writes into his scan (--advise behind): what it has passed is
// taken out of its mapping and of the page cache, 1 MiB at a time. Pages that another
// mapping has mapped stay; whether they were cached before, he can't know.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>

namespace pagepatrol::bench::kv {

class DropBehind {
  public:
    DropBehind() = default;
    DropBehind(char* data, std::uint64_t bytes, int fd) : data_(data), bytes_(bytes), fd_(fd) {}

    // The reader is at this address. Going back, as cursors do in a tree, drops nothing.
    void at(const char* position) {
        if (!data_)
            return;
        const auto offset = static_cast<std::uint64_t>(position - data_);
        if (offset < dropped_ + 2 * chunk || offset >= bytes_)
            return;
        const std::uint64_t end = (offset - chunk) / chunk * chunk;
        drop(end);
    }
    void end() {
        if (data_)
            drop(bytes_);
    }

  private:
    static constexpr std::uint64_t chunk = 1 << 20;

    void drop(std::uint64_t end) {
        // advice: a failure changes nothing for the reader
        (void)madvise(data_ + dropped_, end - dropped_, MADV_DONTNEED);
        (void)posix_fadvise(fd_, static_cast<off_t>(dropped_), static_cast<off_t>(end - dropped_),
                            POSIX_FADV_DONTNEED);
        dropped_ = end;
    }

    char* data_ = nullptr;
    std::uint64_t bytes_ = 0, dropped_ = 0;
    int fd_ = -1;
};

} // namespace pagepatrol::bench::kv
