// SPDX-License-Identifier: Apache-2.0
//
// What pp-overhead and pp-growth share: clocks, the file that they map, pairs of mmap and
// munmap, arms. They know the shim only as a preloaded library: "bare" is the system call
// itself, "libc" the libc name, which a shim may have taken over.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pagepatrol::bench {

/// Of this thread alone: what others do on the processor does not count. Under QEMU's icount
/// a nanosecond is an instruction of the guest.
double thread_ns();
double process_ns(); ///< the same of this process
double wall_ns();
double median(std::vector<double> values);
std::size_t page_bytes();

struct Arm {
    std::string name;
    std::vector<double> samples; // nanoseconds for one
};

/// As one line of JSON; ratios and differences are those of each sample to the first arm's.
void print(std::string_view item, const std::vector<Arm>& arms);

/// A regular file that is not empty, open; throws Error.
class CostFile {
  public:
    explicit CostFile(const char* path, bool write = false);
    CostFile(const CostFile&) = delete;
    CostFile& operator=(const CostFile&) = delete;
    ~CostFile();
    int fd() const { return fd_; }
    std::size_t bytes() const { return bytes_; }
    void into_cache() const;
    void out_of_cache() const; ///< as far as nobody maps it

  private:
    int fd_;
    std::size_t bytes_;
};

void* bare_mmap(std::size_t bytes, int fd, int prot = PROT_READ);
void* libc_mmap(std::size_t bytes, int fd, int prot = PROT_READ, off_t offset = 0);

/// One page mapped and unmapped `count` times; nanoseconds of the thread for a pair.
double bare_pairs(const CostFile& file, unsigned count);
double libc_pairs(const CostFile& file, unsigned count);

/// Every second page of a file's first 2 * `count`, each in a mapping of its own by libc name:
/// as many ranges under a policy that matches. They stay until the process ends.
class Pieces {
  public:
    Pieces(const CostFile& file, unsigned count);
    /// At most `most` of them, from the first to the last at equal distances.
    std::vector<volatile char*> spread(std::size_t most) const;

  private:
    std::vector<volatile char*> at_;
};

/// From 1 to 1000000; throws Error.
unsigned number(const char* option, const char* text);

/// A long option of a tool, without the dashes: of a number, or a flag.
struct Option {
    const char* name;
    unsigned* number;
    bool* flag = nullptr;
};
/// By getopt, which leaves the other arguments from optind on. False if one is not among
/// these (getopt has said so); throws Error.
bool parse(int argc, char** argv, const std::vector<Option>& options);

/// The tool's exit status: what run() returns, or 1 with a message if it throws Error.
int run_tool(const char* name, int (*run)(int, char**), int argc, char** argv);

} // namespace pagepatrol::bench
