// SPDX-License-Identifier: Apache-2.0
//
// Prints what each mapping call gives over good and bad arguments: result and
// errno, but no address. The output has to be the same with and without the shim.
// errno is set to a number before each call that no call sets: success must leave it.
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
// With five levels of page tables a process has 2^56 bytes: what is shorter may be all
// that lies above it, the stack too.
static const size_t beyond = (size_t)1 << 57;

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

// Where is nothing mapped? For what has to fail there.
static char *hole(size_t size) {
    char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, size);
    return p;
}

// Moving, growing, shrinking, doubling, splitting; with what is at the places afterwards.
static void remappings(int rd, int wr) {
    char *space = mmap(NULL, 64 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p, *q;
    for (unsigned i = 0; i < 8; ++i)
        pwrite(wr, &(char){(char)('a' + i)}, 1, (off_t)(i * page));

    p = mmap(space, 8 * page, PROT_READ, MAP_SHARED | MAP_FIXED, wr, 0);
    MAP(mremap(p, 8 * page, 4 * page, 0)); // shrinks in place
    INT(madvise(p + 4 * page, 4 * page, MADV_NORMAL));
    MAP(mremap(p, 4 * page, 8 * page, 0)); // grows in place, into the hole
    printf("grown %c%c\n", p[3 * page], p[7 * page]);
    MAP(mremap(p, 8 * page, 9 * page, 0)); // something is in the way
    MAP(q = mremap(p + 2 * page, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, space + 20 * page));
    printf("middle %c%c\n", q[0], q[page]);
    INT(madvise(p, 8 * page, MADV_RANDOM)); // -ENOMEM, over the hole
    MAP(mremap(p, 8 * page, 8 * page, MREMAP_MAYMOVE | MREMAP_FIXED, space + 30 * page)); // over it
    MAP(mremap(q, 2 * page, page, MREMAP_MAYMOVE | MREMAP_FIXED, space + 40 * page)); // shrinks, too
    MAP(mremap(space + 40 * page, page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, space + 44 * page)); // grows
    printf("moved %c%c\n", space[44 * page], space[46 * page]);
    MAP(mremap(space + 44 * page, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, p)); // onto a mapping
    printf("replaced %c%c%c\n", p[0], p[page], p[2 * page]);
    MAP(mremap(p, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, p + page)); // onto itself

    // old length 0: once more, only of a shared mapping
    MAP(q = mremap(p, 0, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, space + 50 * page));
    printf("twice %c%c%c\n", p[0], q[0], q[page]);
    MAP(mremap(p, 0, page, 0));
    char *mine = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, rd, 0);
    MAP(mremap(mine, 0, page, MREMAP_MAYMOVE));
    MAP(mremap(hole(page), 0, page, MREMAP_MAYMOVE));

    // DONTUNMAP: the old place stays, empty or filled again from the file
    MAP(mremap(mine, 2 * page, 2 * page, MREMAP_DONTUNMAP));
    MAP(mremap(mine, 2 * page, page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
    mine[0] = 'm';
    MAP(q = mremap(mine, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
    if (q != MAP_FAILED)
        printf("left behind %c, moved %c\n", mine[0], q[0]);
    MAP(q = mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, space + 55 * page));
    if (q != MAP_FAILED)
        printf("left behind %c, moved %c\n", p[0], q[0]);

    // lengths that are huge or wrap
    MAP(mremap(mine, page, SIZE_MAX, MREMAP_MAYMOVE));
    MAP(mremap(mine, page, SIZE_MAX & ~(page - 1), MREMAP_MAYMOVE));
    MAP(mremap(mine, page, (size_t)1 << 60, MREMAP_MAYMOVE));
    MAP(mremap(mine, SIZE_MAX, page, MREMAP_MAYMOVE));
    MAP(mremap(mine, beyond, page, MREMAP_MAYMOVE));
    MAP(mremap((void *)(UINTPTR_MAX & ~(page - 1)), page, page, MREMAP_MAYMOVE));
    MAP(mremap(mine, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(UINTPTR_MAX & ~(page - 1))));
    MAP(mremap(mine, 1, 1, 0)); // lengths round up
    MAP(mremap(mine, page + 1, 2 * page, 0));
    MAP(mremap(mine, 2 * page, 1, 0));
    INT(munmap(mine, 2 * page));
    INT(munmap(space, 64 * page));
}

// MAP_FIXED and MAP_FIXED_NOREPLACE, and lengths and offsets at their limits.
static void placements(int rd, int wr) {
    char *p = hole(8 * page);
    MAP(mmap(p, 4 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, rd, 0));
    printf("content %c\n", p[page]);
    MAP(mmap(p + 3 * page, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, rd, 0));
    MAP(mmap(p + 3 * page, page, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0));
    MAP(mmap(p + 4 * page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_FIXED_NOREPLACE, rd, 0));
    MAP(mmap(p + 1, page, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, rd, 0));
    MAP(mmap(p, page, PROT_READ, MAP_SHARED | MAP_FIXED, 987, 0)); // fails: the old one stays
    printf("content %c\n", p[0]);
    MAP(mmap(p, 0, PROT_READ, MAP_SHARED | MAP_FIXED, rd, 0));
    MAP(mmap(p, SIZE_MAX, PROT_READ, MAP_SHARED | MAP_FIXED, rd, 0));
    MAP(mmap(p, beyond, PROT_READ, MAP_SHARED | MAP_FIXED, rd, 0));
    MAP(mmap(p, page, PROT_READ, MAP_SHARED | MAP_FIXED, rd, 1));
    MAP(mmap(p + 1, page, PROT_READ, MAP_SHARED, rd, 0)); // only a hint
    MAP(mmap(NULL, 1, PROT_READ, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, page + 1, PROT_NONE, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_SHARED, rd, INT64_MAX & ~((off_t)page - 1)));
    MAP(mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, rd, INT64_MAX & ~((off_t)page - 1)));
    MAP(mmap(NULL, (size_t)1 << 46, PROT_READ, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, (size_t)1 << 62, PROT_READ, MAP_SHARED, rd, 0));
    MAP(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, wr, 0));
    MAP(mmap(NULL, page, PROT_READ | 0x1000, MAP_PRIVATE, rd, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_POPULATE | MAP_NONBLOCK | MAP_NORESERVE, rd, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, rd, 0));
    MAP(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_HUGETLB, rd, 0));
    INT(munmap(p, 8 * page));
    INT(munmap(p, 8 * page)); // nothing left
    INT(munmap(p, beyond));
    INT(munmap(p + 8 * page, 0));
}

// Advice over holes, in pieces of pages, over lengths that wrap; each of it for what is left.
static void advices(int rd) {
    static const int advice[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED};
    char *p = mmap(NULL, 16 * page, PROT_READ, MAP_SHARED, rd, 0);
    INT(munmap(p, page));
    INT(munmap(p + 5 * page, 3 * page));
    INT(munmap(p + 15 * page, page));
    for (unsigned i = 0; i < sizeof advice / sizeof advice[0]; ++i) {
        printf("advice %d over holes\n", advice[i]);
        INT(madvise(p, 16 * page, advice[i]));
        INT(madvise(p + page, 14 * page, advice[i]));
        INT(madvise(p + page, 4 * page, advice[i]));
        INT(madvise(p + 6 * page, page, advice[i]));
        INT(madvise(p + 2 * page, 1, advice[i]));
        INT(madvise(p + 2 * page, page + 1, advice[i]));
        INT(madvise(p + 2 * page + 1, page, advice[i]));
        INT(madvise(p + 2 * page, SIZE_MAX - page, advice[i]));
        if (advice[i] != MADV_DONTNEED) // libc's memory, too
            INT(madvise(p + 2 * page, (size_t)1 << 46, advice[i]));
        INT(madvise(p + 2 * page, -(size_t)(p + 2 * page), advice[i])); // to the very end
        INT(madvise((void *)(UINTPTR_MAX & ~(page - 1)), page, advice[i]));
        INT(madvise((void *)(UINTPTR_MAX & ~(page - 1)), 2 * page, advice[i]));
        INT(posix_madvise(p, 16 * page, advice[i]));
        INT(posix_madvise(p + page, 4 * page, advice[i]));
        INT(posix_madvise(p + page, SIZE_MAX, advice[i]));
        INT(posix_madvise(p + page + 1, 0, advice[i]));
    }
    for (unsigned i = 1; i < 15; ++i)
        putchar(i >= 5 && i < 8 ? '-' : p[i * page]);
    putchar('\n');
    INT(munmap(p, 16 * page));
}

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
    remappings(rd, wr);
    placements(rd, wr);
    advices(rd);
    return 0;
}
