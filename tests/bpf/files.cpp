// SPDX-License-Identifier: Apache-2.0
// See files.hpp.
#include "files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "door.hpp"

namespace pagepatrol::test {

TestFile::TestFile(const std::string& name, size_t size, const std::string& folder) : size_(size) {
    const std::string path = folder + "/" + name;
    path.copy(path_.text, sizeof(path_.text) - 1);
    fd_ = open(path_.text, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    std::vector<char> block(page);
    for (uint64_t i = 0; fd_ >= 0 && i < pages(); ++i) {
        std::memcpy(block.data(), &i, sizeof(i));
        if (write(fd_, block.data(), block.size()) != static_cast<ssize_t>(page))
            ADD_FAILURE() << "writing " << path << ": " << std::strerror(errno);
    }
    void* view = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (view == MAP_FAILED || fchmod(fd_, 0666) != 0)
        ADD_FAILURE() << "making " << path << ": " << std::strerror(errno);
    view_ = static_cast<unsigned char*>(view);
    evict();
}

TestFile::~TestFile() {
    munmap(view_, size_);
    close(fd_);
    unlink(path_.text);
}

size_t TestFile::pages() const {
    return size_ / page;
}

void TestFile::evict() const {
    fsync(fd_);
    posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
}

void TestFile::cache(size_t first, size_t nr) const {
    posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM); // no more than asked for
    std::vector<char> block(page);
    for (size_t i = first; i < first + nr; ++i)
        if (pread(fd_, block.data(), page, static_cast<off_t>(i * page)) < 0)
            ADD_FAILURE() << "reading " << path_.text << ": " << std::strerror(errno);
}

size_t TestFile::cached(size_t first, size_t nr) const {
    std::vector<unsigned char> present(nr);
    if (mincore(view_ + first * page, nr * page, present.data()) != 0)
        ADD_FAILURE() << "mincore: " << std::strerror(errno);
    return static_cast<size_t>(
        std::count_if(present.begin(), present.end(), [](unsigned char byte) { return byte & 1; }));
}

char* map_file(const Path& path, int prot, int flags, void* place) {
    const bool writes = (prot & PROT_WRITE) && (flags & MAP_SHARED);
    const int fd = open(path.text, writes ? O_RDWR : O_RDONLY);
    if (fd < 0)
        return nullptr;
    struct stat info{};
    fstat(fd, &info);
    void* data = mmap(place, static_cast<size_t>(info.st_size), prot,
                      flags | (place ? MAP_FIXED : 0), fd, 0);
    close(fd);
    return data == MAP_FAILED ? nullptr : static_cast<char*>(data);
}

int64_t touch(const char* data, size_t size) {
    for (size_t at = 0; at < size; at += page)
        (void)*static_cast<const volatile char*>(data + at);
    return 0;
}

int64_t count_wrong(const char* data, size_t size, size_t first, size_t nr) {
    int64_t wrong = 0;
    for (uint64_t i = first; i < std::min(size / page, first + nr); ++i)
        wrong += std::memcmp(data + i * page, &i, sizeof(i)) != 0;
    return wrong;
}

int64_t count_wrong(const char* data, size_t size) {
    return count_wrong(data, size, 0, size / page);
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    if (!(file << text << std::flush))
        ADD_FAILURE() << "writing " << text << " to " << path << ": " << std::strerror(errno);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

} // namespace pagepatrol::test
