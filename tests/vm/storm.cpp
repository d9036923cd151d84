// SPDX-License-Identifier: Apache-2.0
//
// storm FOLDER FORKS THREADS REST SEED: threads map, read, move and unmap the folder's files
// while children are forked, do the same and are killed wherever they are, a few at a
// time. A thread rests for REST milliseconds in between, a child for a hundredth of it at
// most. Says how many were killed, and how many bytes were wrong. Knows nothing of
// PagePatrol. Must be bounded: a thread stops when the last child is gone.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::size_t page = 4096, most_children = 8;

struct File {
    int fd;
    std::size_t size;
};
std::vector<File> files;
std::atomic<bool> over{false};
std::atomic<long> wrong{0};

/// One file mapped, read here and there, moved or cut, unmapped.
void round_trip(unsigned& seed) {
    const File& file = files[rand_r(&seed) % files.size()];
    void* map = mmap(nullptr, file.size, PROT_READ, MAP_SHARED, file.fd, 0);
    if (map == MAP_FAILED) {
        ++wrong;
        return;
    }
    std::size_t size = file.size;
    if (rand_r(&seed) % 4 == 0) {
        map = mremap(map, size, size / 2, MREMAP_MAYMOVE);
        size /= 2;
    }
    for (int i = 0; i < 16; ++i) {
        const std::size_t at = rand_r(&seed) % (size / page) * page;
        volatile const char* byte = static_cast<const char*>(map) + at;
        static_cast<void>(*byte);
    }
    if (rand_r(&seed) % 4 == 0)
        wrong += munmap(static_cast<char*>(map) + size / 2, page) != 0;
    wrong += munmap(map, size) != 0;
}

/// Works and pauses, so that it is killed in either, and the next fork gets its turn.
[[noreturn]] void child(unsigned seed, unsigned rest) {
    for (;;) {
        round_trip(seed);
        usleep(rand_r(&seed) % (rest * 10));
    }
}

} // namespace

int main(int argc, char** argv) {
    const unsigned rest = argc == 6 ? static_cast<unsigned>(std::atoi(argv[4])) : 0; // ms
    if (rest == 0)
        return 2;
    // Of threads and children each has one of its own: many are killed before they have done much.
    auto seed = static_cast<unsigned>(std::atoi(argv[5])) << 16U;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
        const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
        struct stat st {};
        if (fd < 0 || fstat(fd, &st) != 0)
            return 1;
        files.push_back({fd, static_cast<std::size_t>(st.st_size)});
    }
    const int forks = std::atoi(argv[2]);
    std::vector<std::thread> threads;
    for (int i = 0; i < std::atoi(argv[3]); ++i)
        threads.emplace_back([seed = seed++, rest]() mutable {
            while (!over) {
                round_trip(seed);
                usleep(rest * 1000); // 64 of them leave some processor to the children
            }
        });
    std::deque<pid_t> children;
    int killed = 0;
    const auto kill_oldest = [&] {
        int status = 0;
        kill(children.front(), SIGKILL);
        if (waitpid(children.front(), &status, 0) == children.front() && WIFSIGNALED(status) &&
            WTERMSIG(status) == SIGKILL)
            ++killed;
        children.pop_front();
    };
    for (int i = 0; i < forks; ++i) {
        const pid_t pid = fork();
        if (pid == 0)
            child(seed + static_cast<unsigned>(i), rest);
        if (pid > 0)
            children.push_back(pid);
        if (children.size() >= most_children)
            kill_oldest();
    }
    while (!children.empty())
        kill_oldest();
    over = true;
    for (std::thread& thread : threads)
        thread.join();
    std::printf("killed %d wrong %ld\n", killed, wrong.load());
    return 0;
}
