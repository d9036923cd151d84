// SPDX-License-Identifier: Apache-2.0
//
// sandbox HOW FILE: puts itself under a seccomp filter that kills for what it does not
// need itself, by prctl() or by syscall(SYS_seccomp), then maps and reads a file that
// it has open. "fail": the filter is refused by the kernel; "ask": whether there could be
// one; "threads": one that kills for futex(2), while other threads map and unmap the file.
// sandbox kill-bpf|kill-clone COMMAND...: runs the command under one that kills for that call.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(nr)                                                                                  \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##nr, 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int show(int fd, const char* when) {
    char* p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return 1;
    char line[64];
    const int n = snprintf(line, sizeof line, "%s %c\n", when, p[0]);
    return write(1, line, (size_t)n) != n || madvise(p, 4096, MADV_RANDOM) || munmap(p, 4096);
}

static int kill_for(unsigned call) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int run_without(unsigned call, char** command) {
    if (kill_for(call))
        return 3;
    execvp(command[0], command);
    return 4;
}

static void* map_and_unmap(void* fd) {
    for (;;)
        munmap(mmap(NULL, 4096, PROT_READ, MAP_SHARED, *(int*)fd, 0), 4096);
    return NULL;
}

static int with_threads(int fd) {
    pthread_t thread;
    for (int i = 0; i < 2; ++i)
        pthread_create(&thread, NULL, map_and_unmap, &fd);
    usleep(20000);
    if (kill_for(SYS_futex))
        return 3;
    for (int i = 0; i < 1000; ++i)
        munmap(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), 4096);
    _exit(0);
}

int main(int argc, char** argv) {
    if (argc > 2 && !strcmp(argv[1], "kill-bpf"))
        return run_without(SYS_bpf, argv + 2);
    if (argc > 2 && !strcmp(argv[1], "kill-clone"))
        return run_without(SYS_clone, argv + 2);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(mmap),
        ALLOW(munmap),
        ALLOW(madvise),
        ALLOW(write),
        ALLOW(exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog filter = {sizeof code / sizeof code[0], code};
    const int fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;
    if (fd >= 0 && !strcmp(argv[1], "threads"))
        return with_threads(fd);
    if (fd < 0 || show(fd, "before") || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return 2;
    int result;
    if (!strcmp(argv[1], "prctl")) {
        result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    } else if (!strcmp(argv[1], "syscall")) {
        result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
    } else if (!strcmp(argv[1], "ask")) {
        result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 && errno == EFAULT &&
                         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 &&
                         errno == EFAULT &&
                         syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL) == -1
                     ? 0
                     : -1;
    } else {
        filter.len = 0;
        result =
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == -1 && errno == EINVAL ? 0 : -1;
    }
    if (result)
        return 3;
    return show(fd, "after");
}
