// SPDX-License-Identifier: Apache-2.0
//
// hold FILE...: maps files, read-only and shared, and does what it is told on stdin,
// a word a line, with an answer each. Knows nothing of PagePatrol. It ends with its
// input.
//   touch   reads a byte of each page; answers: major faults it took
//   sip     reads a byte of each page of the first quarter; the same answer
//   roam N  reads a byte of each of N pages at random, of all files; the same answer
//   huge    touches it with the advice MADV_HUGEPAGE; answers: KiB mapped by huge pages
//   unmap   gives back all pages, by a raw madvise(MADV_DONTNEED); they stay in the cache
//   cached  answers: pages of all files that are in memory
//   first N answers: pages of the first N MiB of the first file that are in memory
//   fill N  has N MiB more of memory of its own, and uses it; the same answer
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/// KiB of page cache that this process maps by huge pages.
static long huge_kib() {
    std::ifstream smaps("/proc/self/smaps_rollup");
    const std::string_view key = "FilePmdMapped:";
    for (std::string line; std::getline(smaps, line);)
        if (line.starts_with(key))
            return std::stol(line.substr(key.size()));
    return 0;
}

static long major_faults() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_majflt;
}

using Files = std::vector<std::string_view>;

static void read_byte(std::string_view file, std::size_t at) {
    static_cast<void>(*static_cast<const volatile char*>(file.data() + at));
}

/// A byte of each page of the first 1/part.
static void touch(const Files& files, std::size_t part) {
    for (const std::string_view file : files)
        for (std::size_t at = 0; at < file.size() / part; at += 4096)
            read_byte(file, at);
}

static void roam(const Files& files, std::size_t pages) {
    static std::minstd_rand random; // the same in each run
    for (; pages > 0; --pages) {
        const std::string_view file = files[random() % files.size()];
        read_byte(file, random() % (file.size() / 4096) * 4096);
    }
}

static std::size_t cached(const Files& files) {
    std::size_t pages = 0;
    for (const std::string_view file : files) {
        std::vector<unsigned char> in_core((file.size() + 4095) / 4096);
        mincore(const_cast<char*>(file.data()), file.size(), in_core.data());
        for (const unsigned char each : in_core)
            pages += each & 1;
    }
    return pages;
}

/// By raw system calls, of which no shim knows. Ends the process if one is refused.
static void advise(const Files& files, int advice) {
    for (const std::string_view file : files)
        if (syscall(SYS_madvise, file.data(), file.size(), advice) != 0) {
            std::perror("madvise");
            std::exit(1);
        }
}

static void fill(std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        std::perror("fill");
        std::exit(1);
    }
    for (std::size_t at = 0; at < size; at += 4096)
        static_cast<volatile char*>(memory)[at] = 1;
}

int main(int argc, char** argv) {
    Files files;
    for (int i = 1; i < argc; ++i) {
        const int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
        struct stat st {};
        if (fd < 0 || fstat(fd, &st) != 0) {
            std::perror(argv[i]);
            return 1;
        }
        const auto size = static_cast<std::size_t>(st.st_size);
        const void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            std::perror(argv[i]);
            return 1;
        }
        close(fd);
        files.emplace_back(static_cast<const char*>(map), size);
    }
    for (std::string line; std::getline(std::cin, line);) {
        const long before = major_faults();
        const std::string word = line.substr(0, line.find(' '));
        const auto number = [&] { return std::stoul(line.substr(word.size())); };
        if (word == "cached") {
            std::cout << cached(files) << std::endl;
            continue;
        }
        if (word == "first") {
            std::cout << cached({files.front().substr(0, number() << 20)}) << std::endl;
            continue;
        }
        if (word == "huge") {
            advise(files, MADV_HUGEPAGE);
            touch(files, 1);
            std::cout << huge_kib() << std::endl;
            continue;
        }
        if (word == "touch") {
            touch(files, 1);
        } else if (word == "sip") {
            touch(files, 4);
        } else if (word == "roam") {
            roam(files, number());
        } else if (word == "unmap") {
            advise(files, MADV_DONTNEED);
        } else if (word == "fill") {
            fill(number() << 20);
        } else {
            std::cerr << "hold: unknown word: " << line << '\n';
            return 2;
        }
        std::cout << major_faults() - before << std::endl;
    }
    return 0;
}
