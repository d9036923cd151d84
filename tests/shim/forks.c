// SPDX-License-Identifier: Apache-2.0
//
// Threads allocate and free large blocks, which their allocator maps and unmaps, and
// map a file, while the main thread forks. A deadlock ends by SIGALRM. Prints the
// same text if all is well; with a second argument also how long the worst fork took.
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../slow.h"

enum { threads = 4, forks = 60 };

static atomic_int stop, wrong;
static int fd;

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *work(void *arg) {
    unsigned seed = (unsigned)(size_t)arg;
    while (!stop) {
        const size_t size = (256u << 10) + (size_t)(rand_r(&seed) % (12 << 20));
        char *block = malloc(size);
        block[0] = block[size - 1] = 1;
        char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
        wrong += p[4096] != 'x';
        munmap(p, 8192);
        free(block);
    }
    return NULL;
}

int main(int argc, char **argv) {
    fd = open(argc > 1 ? argv[1] : "", O_RDONLY);
    alarm(60U * (unsigned)slowness()); // ThreadSanitizer on a debugging kernel needs it
    pthread_t id[threads];
    for (size_t i = 0; i < threads; ++i)
        pthread_create(&id[i], NULL, work, (void *)i);
    long worst = 0;
    for (int i = 0; i < forks; ++i) {
        const long start = now_ms();
        const pid_t child = fork();
        if (child == 0) {
            alarm(20U * (unsigned)slowness());
            char *block = malloc(3 << 20);
            memset(block, 1, 3 << 20);
            free(block);
            _exit(0);
        }
        const long took = now_ms() - start;
        worst = took > worst ? took : worst;
        int status = 0;
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    stop = 1;
    for (int i = 0; i < threads; ++i)
        pthread_join(id[i], NULL);
    if (argc > 2)
        fprintf(stderr, "worst fork %ld ms\n", worst);
    printf("wrong %d\n", wrong);
    return wrong != 0;
}
