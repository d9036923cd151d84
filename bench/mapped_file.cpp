// SPDX-License-Identifier: Apache-2.0
//
// Maps the benchmark's files; see mapped_file.hpp.
#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "error.hpp"

namespace pagepatrol::bench {

std::size_t page_size() {
    static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

static int madvise_value(Advice advice) {
    switch (advice) {
    case Advice::random:
        return MADV_RANDOM;
    case Advice::sequential:
        return MADV_SEQUENTIAL;
    case Advice::none:
    case Advice::normal:
        break;
    }
    return MADV_NORMAL;
}

static long advise(const FileSpec& spec, void* data, std::uint64_t bytes) {
    const int value = madvise_value(spec.advice);
    return spec.advice_call == Call::raw ? syscall(SYS_madvise, data, bytes, value)
                                         : madvise(data, bytes, value);
}

MappedFile::MappedFile(const FileSpec& spec) : path_(spec.path), page_size_(page_size()) {
    const std::string who = "file '" + spec.name + "' (" + spec.path + ")";
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        throw Error::of_errno(who + ": cannot open" +
                              (errno == ENOENT ? " (HINT: make-file SIZE PATH makes it)" : ""));
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        close(fd);
        throw Error(who + ": expected a regular file that is not empty");
    }
    bytes_ = static_cast<std::uint64_t>(st.st_size);
    const int flags = spec.sharing == Sharing::shared ? MAP_SHARED : MAP_PRIVATE;
    void* data = mmap(nullptr, bytes_, PROT_READ, flags, fd, 0);
    const int saved = errno;
    close(fd);
    if (data == MAP_FAILED) {
        errno = saved;
        throw Error::of_errno(who + ": cannot map " + std::to_string(bytes_) + " bytes");
    }
    data_ = static_cast<std::uint8_t*>(data);
    if (spec.advice != Advice::none && advise(spec, data_, bytes_) < 0) {
        Error error = Error::of_errno(who + ": madvise");
        munmap(data_, bytes_);
        throw error;
    }
    const std::uint64_t locked = std::min(bytes_, spec.lock_pages * page_size_);
    if (locked && mlock2(data_, locked, MLOCK_ONFAULT) < 0) {
        Error error = Error::of_errno(who + ": mlock2 of " + std::to_string(locked) +
                                      " bytes (HINT: ulimit -l)");
        munmap(data_, bytes_);
        throw error;
    }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)),
      bytes_(other.bytes_), page_size_(other.page_size_) {}

MappedFile::~MappedFile() {
    if (data_)
        munmap(data_, bytes_);
}

} // namespace pagepatrol::bench
