// SPDX-License-Identifier: Apache-2.0
//
// Calls each function of pagepatrol.h on a mapping of a file and on bad arguments;
// prints result and errno. Linked with libpagepatrol-api.a by a C compiler alone.
#include <errno.h>
#include <fcntl.h>
#include <pagepatrol/pagepatrol.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void say(const char* what, int result) {
    printf("%s %d %s\n", what, result, result ? strerrorname_np(errno) : "-");
    errno = 0;
}

int main(int argc, char** argv) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = open(argc > 1 ? argv[1] : "", O_RDONLY);
    char* p = mmap(NULL, 4 * page, PROT_READ, MAP_SHARED, fd, 0);
    char* hole = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole, 4 * page);
    say("pin", pp_pin(p, 4 * page));
    say("activate", pp_activate(p, page));
    say("deactivate", pp_deactivate(p, page));
    say("unpin", pp_unpin(p, 4 * page));
    say("not aligned", pp_pin(p + 1, page));
    say("nothing", pp_pin(p, 0));
    say("wraps", pp_activate(p, (size_t)-1));
    say("not mapped", pp_pin(hole, page));
    return 0;
}
