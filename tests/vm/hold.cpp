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
//   fill N  has N MiB more of memory of its own, and uses it; the same answer
#include <cstdio>
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

int main(int argc, char** argv) {
    std::vector<std::string_view> files;
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
    std::minstd_rand random; // the same in each run
    for (std::string word; std::getline(std::cin, word);) {
        const long before = major_faults();
        if (word.starts_with("fill ")) {
            const std::size_t size = std::stoul(word.substr(5)) << 20;
            void* memory =
                mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory == MAP_FAILED) {
                std::perror("fill");
                return 1;
            }
            for (std::size_t at = 0; at < size; at += 4096)
                static_cast<volatile char*>(memory)[at] = 1;
            std::cout << major_faults() - before << std::endl;
            continue;
        }
        if (word.starts_with("roam ")) {
            volatile char sink = 0;
            for (std::size_t left = std::stoul(word.substr(5)); left > 0; --left) {
                const std::string_view file = files[random() % files.size()];
                sink = file[random() % (file.size() / 4096) * 4096];
            }
            static_cast<void>(sink);
            std::cout << major_faults() - before << std::endl;
            continue;
        }
        if (word == "unmap") {
            for (const std::string_view file : files)
                if (syscall(SYS_madvise, file.data(), file.size(), MADV_DONTNEED) != 0) {
                    std::perror("unmap");
                    return 1;
                }
            std::cout << major_faults() - before << std::endl;
            continue;
        }
        if (word == "cached") {
            std::size_t pages = 0;
            for (const std::string_view file : files) {
                std::vector<unsigned char> in_core((file.size() + 4095) / 4096);
                mincore(const_cast<char*>(file.data()), file.size(), in_core.data());
                for (const unsigned char each : in_core)
                    pages += each & 1;
            }
            std::cout << pages << std::endl;
            continue;
        }
        if (word == "huge")
            for (const std::string_view file : files)
                if (syscall(SYS_madvise, file.data(), file.size(), MADV_HUGEPAGE) != 0) {
                    std::perror("huge");
                    return 1;
                }
        if (word != "touch" && word != "sip" && word != "huge") {
            std::cerr << "hold: unknown word: " << word << '\n';
            return 2;
        }
        const std::size_t part = word == "sip" ? 4 : 1;
        volatile char sink = 0;
        for (const std::string_view file : files)
            for (std::size_t at = 0; at < file.size() / part; at += 4096)
                sink = file[at];
        static_cast<void>(sink);
        std::cout << (word == "huge" ? huge_kib() : major_faults() - before) << std::endl;
    }
    return 0;
}
