// SPDX-License-Identifier: Apache-2.0
// Files to map, and which of their pages are in the page cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pagepatrol::test {

/// A path as a plain value, for the steps of a child.
struct Path {
    char text[64];
};

/// A file of these many bytes, each page with its number at its start; in `folder` for
/// as long as this lives. Anybody may write to it. It is on disk and not cached.
class TestFile {
  public:
    TestFile(const std::string& name, size_t size, const std::string& folder = "/scratch");
    TestFile(const TestFile&) = delete;
    TestFile& operator=(const TestFile&) = delete;
    ~TestFile();

    Path path() const { return path_; }
    size_t pages() const;
    /// Writes it out and drops what of it is cached and not mapped.
    void evict() const;
    /// Brings pages in, one by one, by read(2).
    void cache(size_t first, size_t nr) const;
    /// How many of these pages are cached.
    size_t cached(size_t first, size_t nr) const;
    size_t cached() const { return cached(0, pages()); }

  private:
    Path path_{};
    size_t size_;
    int fd_;
    unsigned char* view_; ///< a mapping that is never touched, for mincore(2)
};

/// Opens the file, maps all of it (at that place, if not null) and closes it; null on error.
char* map_file(const Path& path, int prot, int flags, void* place = nullptr);

/// Reads a byte of each page; 0.
int64_t touch(const char* data, size_t size);
/// Is each page what TestFile put there? The number of those that are not.
int64_t count_wrong(const char* data, size_t size);
int64_t count_wrong(const char* data, size_t size, size_t first, size_t nr);

/// Writes to a file of /proc or /sys; a failure of the test if it can't.
void write_file(const std::string& path, const std::string& text);
std::string read_file(const std::string& path);

} // namespace pagepatrol::test
