// SPDX-License-Identifier: Apache-2.0
//
// Runs a program whose stderr can't be written to: a pipe that nobody reads, one
// that is full, a file that is as large as it may be. Says how it ended.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// closed|full|limit COMMAND ARGUMENT...
int main(int argc, char** argv) {
    if (argc < 3)
        return 2;
    int ends[2];
    if (pipe(ends) != 0)
        return 2;
    if (strcmp(argv[1], "full") == 0) {
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        while (write(ends[1], argv[0], 1) == 1)
            ;
        fcntl(ends[1], F_SETFL, 0);
    } else {
        close(ends[0]);
    }
    const pid_t child = fork();
    if (child == 0) {
        if (strcmp(argv[1], "limit") == 0) {
            const struct rlimit none = {0, 0};
            FILE* file = tmpfile();
            if (!file || dup2(fileno(file), 2) != 2 || setrlimit(RLIMIT_FSIZE, &none) != 0)
                _exit(2);
        } else {
            dup2(ends[1], 2);
        }
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        setenv("LD_PRELOAD", getenv("SHIM"), 1);
        alarm(20);
        execv(argv[2], argv + 2);
        _exit(2);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        printf("%s: signal %d\n", argv[1], WTERMSIG(status));
    else
        printf("%s: ended %d\n", argv[1], WEXITSTATUS(status));
    return 0;
}
