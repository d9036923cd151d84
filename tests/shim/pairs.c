// SPDX-License-Identifier: Apache-2.0
//
// Says MARK, then maps and unmaps a file a few times: for the comparison of system
// calls under strace.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int fd = open(argc > 1 ? argv[1] : "", O_RDONLY);
    if (write(1, "MARK\n", 5) != 5)
        return 1;
    for (int i = 0; i < 5; ++i) {
        char *p = mmap(NULL, 16384, PROT_READ, MAP_SHARED, fd, 0);
        madvise(p, 16384, MADV_RANDOM);
        posix_madvise(p, 16384, POSIX_MADV_NORMAL);
        munmap(p + 4096, 4096);
        munmap(p, 16384);
    }
    return 0;
}
