// SPDX-License-Identifier: Apache-2.0
//
// Threads map, move, advise and unmap one file while the main thread forks, and a
// timer's signal handler maps too. Each mapping is read and has to hold the file's
// bytes. A deadlock ends by SIGALRM. A debugging kernel does fewer rounds.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../slow.h"

enum { threads = 6, forks = 150, pages = 16, page = 4096 };

static int fd, rounds = 3000;
static atomic_int wrong, running;

static int round_trip(unsigned *seed) {
    char *p = mmap(NULL, pages * page, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return 1;
    int bad = p[(rand_r(seed) % pages) * page] != 'x';
    madvise(p, pages * page, rand_r(seed) % 3);
    if (rand_r(seed) % 2) {
        char *q = mremap(p, pages * page, 20 * page, MREMAP_MAYMOVE);
        bad |= q == MAP_FAILED || q[0] != 'x' || munmap(q, 20 * page) != 0;
    } else {
        bad |= munmap(p + page, page) != 0 || p[2 * page] != 'x' || munmap(p, pages * page) != 0;
    }
    return bad;
}

static void *work(void *arg) {
    unsigned seed = (unsigned)(size_t)arg;
    for (int i = 0; i < rounds; ++i)
        wrong += round_trip(&seed);
    --running;
    return NULL;
}

static void on_timer(int signal) {
    (void)signal;
    static unsigned seed = 77;
    wrong += round_trip(&seed);
}

int main(int argc, char **argv) {
    // in a VM, most often an emulated one: see scripts/test
    const int slow = (getenv("PAGEPATROL_TEST_KERNEL") ? 10 : 1) * slowness();
    // microseconds; fork() begins anew when a signal comes: it must be done in less, to be
    // done at all
    const int every = debugging_kernel() ? 100000 : 2000;
    if (debugging_kernel())
        rounds /= 5;
    fd = open(argc > 1 ? argv[1] : "", O_RDONLY);
    alarm(50U * slow);
    // before anything forks: what the shim has to say is said by now, once
    unsigned seed = 1;
    wrong += round_trip(&seed);
    signal(SIGPROF, on_timer);
    setitimer(ITIMER_PROF, &(struct itimerval){{0, every}, {0, every}}, NULL);
    pthread_t id[threads];
    running = threads;
    for (size_t i = 0; i < threads; ++i)
        pthread_create(&id[i], NULL, work, (void *)i);
    for (int i = 0; i < forks || running > 0; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            seed = (unsigned)i;
            alarm(20U * slow); // not inherited
            for (int j = 0; j < 5; ++j)
                if (round_trip(&seed))
                    _exit(1);
            _exit(0);
        }
        int status = 0;
        while (waitpid(child, &status, 0) < 0)
            ;
        wrong += status != 0;
        usleep(1000);
    }
    for (int i = 0; i < threads; ++i)
        pthread_join(id[i], NULL);
    printf("wrong %d\n", wrong);
    return wrong != 0;
}
