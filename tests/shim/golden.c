// SPDX-License-Identifier: Apache-2.0
//
// Prints what each mapping call gives over good and bad arguments: result and
// errno, but no address. The output has to be the same with and without the shim.
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNTOUCHED 9999

static char *base; // pages that belong to us, for fixed mappings
static size_t page;

static void say(const char *what, int ok, long value) {
    printf("%-50s %s %ld errno %d\n", what, ok ? "ok" : "failed", value, errno);
    errno = UNTOUCHED;
}

static void *mapped(const char *what, void *p) {
    say(what, p != MAP_FAILED, 0);
    return p;
}

#define INT(call)                                                                                 \
    do {                                                                                          \
        errno = UNTOUCHED;                                                                        \
        long v_ = (call);                                                                         \
        say(#call, v_ == 0, v_);                                                                  \
    } while (0)
#define MAP(call) (errno = UNTOUCHED, mapped(#call, (call)))

int main(int argc, char **argv) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t all = 64 * page;
    int rd = open(argc > 1 ? argv[1] : "", O_RDONLY), wr = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    int folder = open("/", O_RDONLY), null = open("/dev/null", O_RDWR), bad = 987;
    if (rd < 0 || wr < 0 || ftruncate(wr, (off_t)(8 * page)) != 0)
        return 1;
    base = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    MAP(mmap(NULL, 0, PROT_READ, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, page, PROT_READ, 0, rd, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED, rd, 1));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED, rd, -(off_t)page));
    MAP(mmap64(NULL, page, PROT_READ, MAP_SHARED, rd, 17));
    MAP(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 5));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED, bad, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED, -1, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED, folder, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED, null, 0));
    MAP(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, SIZE_MAX, PROT_READ, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, SIZE_MAX - 2 * page, PROT_READ, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED_VALIDATE | (1 << 30), rd, 0));
    MAP(mmap(base + 1, page, PROT_READ, MAP_SHARED | MAP_FIXED, rd, 0));
    MAP(mmap(base, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, rd, 0));
    MAP(mmap((void *)(UINTPTR_MAX & ~(page - 1)), page, PROT_READ, MAP_SHARED | MAP_FIXED, rd, 0));

    char *p = MAP(mmap(base, 8 * page, PROT_READ, MAP_SHARED | MAP_FIXED, rd, 0));
    printf("content %c %d\n", p[0], p == base);
    MAP(mmap(base, 8 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, rd, 0));
    printf("content %c\n", base[5 * page]);
    p = MAP(mmap64(base, 8 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, wr, 0));
    p[0] = 'w';

    static const int advice[] = {0, 1, 2, 3, 4, 8, 14, 16, 18, 20, 21, 77, -1};
    for (unsigned i = 0; i < sizeof advice / sizeof advice[0]; ++i) {
        printf("advice %d\n", advice[i]);
        INT(madvise(p, page, advice[i]));
        INT(madvise(p + 1, page, advice[i]));
        INT(madvise(p, 0, advice[i]));
        INT(madvise(p, page - 1, advice[i]));
        INT(madvise(p, SIZE_MAX, advice[i]));
        INT(madvise(NULL, page, advice[i]));
        if (advice[i] != 4)
            INT(posix_madvise(p, page, advice[i]));
        INT(posix_madvise(p + 1, page, advice[i]));
        INT(posix_madvise(NULL, page, advice[i]));
    }
    INT(munmap(base + 4 * page, page));
    INT(madvise(p, 8 * page, MADV_RANDOM)); // a hole in it
    INT(madvise(p, 8 * page, MADV_NORMAL));
    INT(posix_madvise(p, 8 * page, POSIX_MADV_RANDOM));
    INT(posix_madvise(p, 8 * page, POSIX_MADV_DONTNEED));

    INT(munmap(p + 1, page));
    INT(munmap(p, 0));
    INT(munmap(p, SIZE_MAX));
    INT(munmap((void *)(UINTPTR_MAX & ~(page - 1)), page));
    INT(munmap(base + 4 * page, page)); // nothing there
    INT(munmap(base + page, 1));

    MAP(mremap(p + 1, page, page, 0));
    MAP(mremap(p, page, 0, 0));
    MAP(mremap(p, page, page, 64));
    MAP(mremap(p, page, 2 * page, 0)); // may not move, hole behind, or not
    MAP(mremap(p, page, page, MREMAP_FIXED, base + 10 * page));
    MAP(mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, base + 10 * page + 1));
    MAP(mremap(base + 4 * page, page, page, MREMAP_MAYMOVE)); // nothing there
    MAP(mremap(base + 5 * page, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, base + 6 * page));
    char *q = MAP(mremap(base + 5 * page, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
                         base + 20 * page));
    printf("moved %d\n", q == base + 20 * page);
    q = MAP(mremap(q, 3 * page, page, 0));
    q = MAP(mremap(q, 0, page, MREMAP_MAYMOVE)); // a second mapping of the same
    printf("content %d\n", q[0]);
    q = MAP(mremap(q, page, 600 * page, MREMAP_MAYMOVE));
    INT(munmap(q, 600 * page));

    p = MAP(mmap(NULL, 64 * page, PROT_READ, MAP_PRIVATE, rd, 0)); // past the end
    printf("content %c\n", p[99999]);
    INT(munmap(p + 60 * page, 4 * page));
    INT(munmap(p, 60 * page));
    p = MAP(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    INT(madvise(p, page, MADV_DONTNEED));
    INT(munmap(p, page));
    return 0;
}
