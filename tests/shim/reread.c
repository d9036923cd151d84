// SPDX-License-Identifier: Apache-2.0
//
// The policy is replaced under a running program, and noticed inside mmap() of a
// thread with the smallest stack there is, whose malloc must not be called: an
// allocator may be what calls mmap(), under its own locks.
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread int inside;
static int bad;

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void*, size_t);
extern void __libc_free(void*);
void* malloc(size_t n) {
    bad += inside;
    return __libc_malloc(n);
}
void* calloc(size_t m, size_t n) {
    bad += inside;
    return __libc_calloc(m, n);
}
void* realloc(void* p, size_t n) {
    bad += inside;
    return __libc_realloc(p, n);
}
void free(void* p) {
    bad += inside;
    __libc_free(p);
}

static void* map(void* file) {
    const int fd = open(file, O_RDONLY);
    inside = 1;
    const char* p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    inside = 0;
    bad += p == MAP_FAILED || *p != 'x';
    close(fd);
    return NULL;
}

// FILE POLICY NEW...: each NEW takes POLICY's place
int main(int argc, char** argv) {
    map(argv[1]);
    for (int i = 3; i < argc; ++i) {
        if (rename(argv[i], argv[2]) != 0)
            return 1;
        usleep(1100 * 1000);
        pthread_attr_t small;
        pthread_t thread;
        pthread_attr_init(&small);
        if (pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN) != 0 ||
            pthread_create(&thread, &small, map, argv[1]) != 0)
            return 1;
        pthread_join(thread, NULL);
        fprintf(stderr, "--\n");
    }
    printf("%s bad %d\n", getenv("PAGEPATROL_POLICY") ? "policy" : "no policy", bad);
    return 0;
}
