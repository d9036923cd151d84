// SPDX-License-Identifier: Apache-2.0
//
// An allocator in small: a lock that its fork handlers take, too, and under which a
// thread unmaps memory. Its handlers are registered before any library's, so they
// run when the shim's has run. Prints whether the quickest of some forks, each with
// the thread inside, was held up. With a second argument the thread gets a signal every
// few milliseconds, more often than anybody's patience.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { rounds = 4, slow_ms = 700, tick_ms = 5 }; // the shim's patience is 1000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t start, end;
static int fd;

static void take(void) {
    pthread_mutex_lock(&lock);
}
static void give(void) {
    pthread_mutex_unlock(&lock);
}
static void before_all(void) {
    pthread_atfork(take, give, give);
}
__attribute__((section(".preinit_array"), used)) static void (*entry)(void) = before_all;

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tick(int number) {
    (void)number;
    static atomic_int ticks;
    if (++ticks > 30000 / tick_ms)
        _exit(9);
}

static void start_ticking(void) {
    const struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    const struct timeval often = {0, tick_ms * 1000};
    setitimer(ITIMER_REAL, &(struct itimerval){often, often}, NULL);
}

static void* work(void* arg) {
    if (arg)
        start_ticking();
    for (int i = 0; i < rounds; ++i) {
        char* p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
        take();
        pthread_barrier_wait(&start);
        usleep(100000); // the fork waits for the lock now
        munmap(p, 8192);
        give();
        pthread_barrier_wait(&end); // the fork is to have the lock next
    }
    return NULL;
}

int main(int argc, char** argv) {
    fd = open(argc > 1 ? argv[1] : "", O_RDONLY);
    alarm(30);
    pthread_barrier_init(&start, NULL, 2);
    pthread_barrier_init(&end, NULL, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, work, argc > 2 ? argv : NULL);
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    if (argc > 2) // for the thread alone
        pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    long best = slow_ms;
    int wrong = 0;
    for (int i = 0; i < rounds; ++i) {
        pthread_barrier_wait(&start);
        const long begin = now_ms();
        const pid_t child = fork();
        if (child == 0)
            _exit(7);
        const long took = now_ms() - begin;
        best = took < best ? took : best;
        pthread_barrier_wait(&end);
        int status = 0;
        waitpid(child, &status, 0);
        wrong += WEXITSTATUS(status) != 7;
    }
    pthread_join(thread, NULL);
    printf("wrong %d, %s\n", wrong, best < slow_ms ? "in time" : "held up");
    return 0;
}
