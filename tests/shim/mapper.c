// SPDX-License-Identifier: Apache-2.0
//
// A library for dlopen(): maps the file named by MAPPER_FILE when it comes in, and
// the one it is asked for; unmaps the first when it goes.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char *first;

char *map_file(const char *path) {
    int fd = open(path, O_RDONLY);
    char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

__attribute__((constructor)) static void come(void) {
    const char *path = getenv("MAPPER_FILE");
    first = path ? map_file(path) : NULL;
}

__attribute__((destructor)) static void go(void) {
    if (first)
        munmap(first, 8192);
}

int first_byte(void) {
    return first ? *first : -1;
}
