// SPDX-License-Identifier: Apache-2.0
//
// hold FILE...: maps files, read-only and shared, and does what it is told on stdin,
// a word a line, with an answer each. Knows nothing of PagePatrol. It ends with its
// input.
//   touch   reads a byte of each page; answers: major faults it took
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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
    for (std::string word; std::getline(std::cin, word);) {
        if (word != "touch") {
            std::cerr << "hold: unknown word: " << word << '\n';
            return 2;
        }
        const long before = major_faults();
        volatile char sink = 0;
        for (const std::string_view file : files)
            for (std::size_t at = 0; at < file.size(); at += 4096)
                sink = file[at];
        static_cast<void>(sink);
        std::cout << major_faults() - before << std::endl;
    }
    return 0;
}
