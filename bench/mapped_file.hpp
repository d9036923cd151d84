// SPDX-License-Identifier: Apache-2.0
//
// A file mapped for reading, the way an ordinary program does it: open, mmap,
// close, munmap at the end. Must stay ordinary: a preloaded policy is to see
// what it would see of any program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pagepatrol::bench {

enum class Sharing { shared, privately };
enum class Advice { none, normal, random, sequential };
enum class Call { libc, raw };

struct FileSpec {
    std::string name; // in the config
    std::string path;
    Sharing sharing = Sharing::shared;
    Advice advice = Advice::none; // none: no madvise call at all
    Call advice_call = Call::libc; // raw: by syscall(2), which no preloaded library sees
    std::uint64_t lock_pages = 0; // locked from the start of the file, as they are touched
};

std::size_t page_size();

class MappedFile {
  public:
    explicit MappedFile(const FileSpec& spec); // throws Error
    MappedFile(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    const volatile std::uint8_t* page(std::uint64_t number) const {
        return data_ + number * page_size_;
    }
    const std::uint8_t* data() const { return data_; }
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t pages() const { return (bytes_ + page_size_ - 1) / page_size_; }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
    std::uint8_t* data_ = nullptr;
    std::uint64_t bytes_ = 0;
    std::size_t page_size_;
};

} // namespace pagepatrol::bench
