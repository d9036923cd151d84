// SPDX-License-Identifier: Apache-2.0
//
// Maps a file before the shim's constructor ran (preinit_array), in a constructor,
// in main, and again behind the shim's back; reads from each.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *early, *later;

static const char *map(const char *path) {
    int fd = open(path, O_RDONLY);
    const char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? "?" : p;
}

static void before_all(int argc, char **argv, char **environment) {
    (void)environment;
    early = argc > 1 ? map(argv[1]) : "?";
}
__attribute__((section(".preinit_array"), used)) static void (*entry)(int, char **,
                                                                      char **) = before_all;

__attribute__((constructor)) static void constructor(int argc, char **argv) {
    later = argc > 1 ? map(argv[1]) : "?";
}

int main(int argc, char **argv) {
    const char *now = argc > 1 ? map(argv[1]) : "?";
    printf("%c%c%c\n", *early, *later, *now);
    munmap((void *)early, 8192);
    syscall(SYS_munmap, later, 8192);
    munmap((void *)now, 8192);
    return 0;
}
