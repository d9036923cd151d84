// SPDX-License-Identifier: Apache-2.0
//
// Uncommon ways to map and to start children, one case after the other, each in a
// child of its own: prints what the program sees (bytes, results, errno, how the
// child ended), no address, no process id. The output has to be the same with and
// without the shim. Usage: corners FOLDER MAPPER_LIBRARY [CASE], in a folder that
// holds `data` (100000 times x).
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096l
#define DATA 100000l

extern char **environ;
static const char *mapper;
static int data; // read-only descriptor of the file of x

#define SHOW(call)                                                                                \
    do {                                                                                          \
        errno = 4711;                                                                             \
        const long v_ = (long)(call);                                                             \
        printf("  %s: %ld errno %d\n", #call, v_, errno);                                         \
    } while (0)
// For calls that give an address.
#define SHOW_MAP(call)                                                                            \
    do {                                                                                          \
        errno = 4711;                                                                             \
        const int ok_ = (call) != MAP_FAILED;                                                     \
        printf("  %s: %s errno %d\n", #call, ok_ ? "ok" : "failed", errno);                       \
    } while (0)

__attribute__((noinline)) static char *map(int fd, long pages) {
    char *p = mmap(NULL, (size_t)(pages * PAGE), PROT_READ, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

// A new file of `pages` pages, each filled with its letter: a, b, c, ...
static int letters(const char *name, long pages, int flags) {
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
    char page[PAGE];
    for (long i = 0; i < pages; ++i) {
        memset(page, 'a' + (int)i, sizeof page);
        if (write(fd, page, sizeof page) != PAGE)
            exit(90);
    }
    return fd;
}

// The first byte of each page.
static void say_pages(const char *what, const char *p, long pages) {
    printf("  %s: ", what);
    for (long i = 0; i < pages; ++i)
        putchar(p[i * PAGE] ? p[i * PAGE] : '0');
    putchar('\n');
}

static int ended(pid_t pid) {
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void fixed_over(void) {
    int fd = letters("letters", 8, 0);
    char *p = map(fd, 8);
    SHOW(mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, data, 0) == p + 2 * PAGE);
    say_pages("file over file", p, 8);
    SHOW(mmap(p + 5 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
         p + 5 * PAGE);
    say_pages("anonymous over file", p, 8);
    SHOW_MAP(mmap(p, 8 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, 987, 0));
    SHOW_MAP(mmap(p, 8 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0));
    say_pages("refused", p, 8);
    SHOW(mmap(p, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, fd, 0) == p);
    say_pages("the same again", p, 8);
    SHOW(munmap(p, 8 * PAGE));
}

static void partial_unmap(void) {
    char *p = map(letters("letters", 9, 0), 9);
    SHOW(munmap(p, PAGE));
    SHOW(munmap(p + 4 * PAGE, PAGE));
    SHOW(munmap(p + 8 * PAGE, PAGE));
    say_pages("left", p + PAGE, 3);
    say_pages("left", p + 5 * PAGE, 3);
    SHOW(munmap(p, 9 * PAGE));
    SHOW(msync(p + PAGE, PAGE, MS_ASYNC));
}

static void past_the_end(void) {
    char *p = map(data, 40);
    printf("  last byte %c, behind it %d\n", p[DATA - 1], p[DATA]);
    SHOW(madvise(p, 40 * PAGE, MADV_WILLNEED));
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, data, 1l << 40) != MAP_FAILED);
    fflush(stdout);
    printf("%d", p[30 * PAGE]); // SIGBUS
}

static void truncated(void) {
    int fd = letters("letters", 4, 0);
    char *p = map(fd, 4);
    SHOW(ftruncate(fd, PAGE));
    say_pages("rest", p, 1);
    SHOW(ftruncate(fd, 4 * PAGE));
    say_pages("grown again", p, 4);
    SHOW(ftruncate(fd, 0));
    fflush(stdout);
    printf("%d", p[PAGE]); // SIGBUS
}

static void memory_files(void) {
    int fd = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    SHOW(ftruncate(fd, 4 * PAGE));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE));
    SHOW_MAP(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *p = map(fd, 4);
    say_pages("memfd", p, 4);
    SHOW_MAP(p = mremap(p, 4 * PAGE, 2 * PAGE, 0));
    SHOW(munmap(p, 2 * PAGE));
    char name[64];
    snprintf(name, sizeof name, "/pagepatrol-test-%d", (int)getpid());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    shm_unlink(name);
    SHOW(ftruncate(fd, 2 * PAGE));
    p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    p[0] = 's';
    pid_t pid = fork();
    if (pid == 0) {
        p[PAGE] = 'c';
        _exit(munmap(p, 2 * PAGE));
    }
    printf("  child %d\n", ended(pid));
    say_pages("/dev/shm", p, 2);
    SHOW(munmap(p, 2 * PAGE));
}

static void huge_pages(void) {
    // where the machine has none: the same refusal
    const size_t two = 2 << 20;
    void *p;
    SHOW_MAP(p = mmap(NULL, two, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0));
    if (p != MAP_FAILED) {
        SHOW(munmap(p, PAGE));
        SHOW(munmap(p, two));
    }
    int fd = memfd_create("huge", MFD_HUGETLB);
    if (fd < 0) {
        printf("  no hugetlb: errno %d\n", errno);
        return;
    }
    SHOW(ftruncate(fd, (off_t)two));
    SHOW_MAP(p = mmap(NULL, two, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    if (p != MAP_FAILED)
        SHOW(munmap(p, two));
    SHOW_MAP(mmap(NULL, two, PROT_READ, MAP_SHARED, fd, PAGE));
}

static void devices(void) {
    static const char *const names[] = {"/dev/zero", "/dev/null", "/dev/mem",        "/dev/full", "/dev/urandom",
                                        "/dev/kmsg", "/dev/tty",  "/proc/self/maps", "/proc/self/mem",
                                        "/sys/kernel/notes"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; ++i) {
        int fd = open(names[i], O_RDONLY | O_NONBLOCK);
        printf(" %s %d\n", names[i], fd < 0 ? errno : 0);
        SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
        SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
        SHOW_MAP(mmap(NULL, 1l << 50, PROT_READ, MAP_PRIVATE, fd, 0));
        if (fd >= 0)
            close(fd);
    }
    int zero = open("/dev/zero", O_RDWR);
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
    p[0] = 'z';
    say_pages("zero", p, 2);
    SHOW(munmap(p, 2 * PAGE));
    int pipes[2], sockets[2];
    SHOW(pipe(pipes));
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, pipes[0], 0));
    SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, sockets[0], 0));
    SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, eventfd(0, 0), 0));
    SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open(".", O_PATH), 0));
}

static void names_that_change(void) {
    int fd = letters("old", 3, 0);
    char *p = map(fd, 3);
    SHOW(unlink("old"));
    say_pages("deleted", p, 3);
    char *q = map(fd, 2);
    say_pages("deleted, mapped again", q, 2);
    int other = letters("new", 2, 0);
    SHOW(rename("new", "old"));
    close(other);
    other = open("old", O_RDONLY);
    char *r = map(other, 2);
    SHOW(p == q || p == r || q == r);
    int third = open("third", O_RDWR | O_CREAT | O_TRUNC, 0600);
    SHOW(write(third, "third", 5));
    SHOW(rename("third", "old"));
    say_pages("replaced", r, 2);
    char *s = map(third, 1);
    say_pages("by", s, 1);
    SHOW(munmap(p, 3 * PAGE));
    SHOW(munmap(q, 2 * PAGE));
    SHOW(munmap(r, 2 * PAGE));
    SHOW(munmap(s, PAGE));
}

static void library(void) {
    setenv("MAPPER_FILE", "data", 1);
    for (int i = 0; i < 3; ++i) {
        void *handle = dlopen(mapper, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
            puts(dlerror());
            exit(91);
        }
        int (*first_byte)(void) = (int (*)(void))dlsym(handle, "first_byte");
        char *(*map_file)(const char *) = (char *(*)(const char *))dlsym(handle, "map_file");
        char *p = map_file("data");
        printf("  library: %c %c\n", first_byte(), *p);
        SHOW(munmap(p, 2 * PAGE));
        SHOW(dlclose(handle));
    }
    SHOW(dlopen("./no-such-library.so", RTLD_NOW) != NULL);
}

static void vforked(void) {
    char *p = map(data, 4);
    static char *volatile q;
    volatile pid_t pid = vfork();
    if (pid == 0) {
        q = map(data, 2); // in this address space, too
        munmap(p + PAGE, PAGE);
        _exit(q[0]);
    }
    printf("  vfork %d\n", ended(pid));
    say_pages("of the child", q, 2);
    SHOW(msync(p + PAGE, PAGE, MS_ASYNC));
    SHOW(munmap(p, 4 * PAGE));
    SHOW(munmap(q, 2 * PAGE));
    pid = vfork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 11", (char *)NULL);
        _exit(92);
    }
    printf("  vfork, exec %d\n", ended(pid));
}

static void spawned(void) {
    for (int i = 0; i < 3; ++i) {
        char *p = map(data, 2);
        static char *const arguments[] = {"sh", "-c", "head -c 3; exit 12", NULL};
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "data", O_RDONLY, 0);
        pid_t pid = -1;
        fflush(stdout);
        const int error = posix_spawn(&pid, "/bin/sh", &actions, NULL, arguments, environ);
        const int status = ended(pid); // its output first
        printf("  spawned %d %d\n", error, status);
        SHOW(posix_spawn(&pid, "./missing", NULL, NULL, arguments, environ));
        SHOW(munmap(p, 2 * PAGE));
    }
    SHOW(WEXITSTATUS(system("exit 13")));
    FILE *stream = popen("head -c 2 data", "r");
    char text[3] = "";
    SHOW(fread(text, 1, 2, stream));
    SHOW(pclose(stream));
}

static char *shared_result;
static int in_clone(void *p) {
    shared_result = map(data, 3);
    munmap(p, PAGE);
    return shared_result[PAGE];
}
static void cloned(void) {
    char *p = map(data, 2);
    enum { stack_size = 256 << 10 };
    char *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static const int flags[] = {CLONE_VM | SIGCHLD, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD};
    for (int i = 0; i < 2; ++i) {
        pid_t pid = clone(in_clone, stack + stack_size, flags[i], p + i * PAGE);
        printf("  clone %d\n", ended(pid));
        say_pages("of the child", shared_result, 3);
        SHOW(munmap(shared_result, 3 * PAGE));
        SHOW(msync(p + i * PAGE, PAGE, MS_ASYNC));
    }
    p = map(data, 2);
    pid_t pid = clone(in_clone, stack + stack_size, SIGCHLD, p); // as fork, but no handlers run
    printf("  clone, own memory %d\n", ended(pid));
    say_pages("goes on", p, 2);
    SHOW(munmap(p, 2 * PAGE));
    SHOW(munmap(stack, stack_size));
}

static char *faulting;
static int letters_fd;
static void on_fault(int signal) {
    (void)signal;
    // gives itself the page it lacked
    if (mmap(faulting, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, letters_fd, PAGE) == MAP_FAILED)
        _exit(93);
}
static sigjmp_buf back;
static void on_fault_jump(int signal) {
    (void)signal;
    char *p = map(data, 1);
    munmap(p, PAGE);
    siglongjmp(back, 1);
}
static void handlers(void) {
    letters_fd = letters("letters", 3, 0);
    stack_t alternate = {.ss_sp = malloc(16384), .ss_size = 16384, .ss_flags = 0};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    faulting = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say_pages("mapped by the handler", faulting, 1);
    SHOW(munmap(faulting, PAGE));
    action.sa_handler = on_fault_jump;
    action.sa_flags |= SA_NODEFER;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    char *p = map(data, 40);
    for (volatile int i = 0; i < 3; ++i)
        if (sigsetjmp(back, 1) == 0)
            printf("%d", p[30 * PAGE]);
        else
            printf("  jumped\n");
    SHOW(munmap(p, 40 * PAGE));
}

static void *on_small_stack(void *arg) {
    char *p = map(data, 2);
    *(char *)arg = p[PAGE];
    munmap(p, 2 * PAGE);
    return NULL;
}
static void small_stack(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    SHOW(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN));
    char result = 0;
    pthread_t thread;
    SHOW(pthread_create(&thread, &attributes, on_small_stack, &result));
    SHOW(pthread_join(thread, NULL));
    printf("  small stack %c\n", result);
}

static void descriptors(void) {
    // numbers that the program counts on
    char *p = map(data, 2);
    int a = open("data", O_RDONLY);
    SHOW(a - data);
    p[0] == 'x' ? close(a) : abort();
    fflush(stdout);
    int out = dup(1);
    for (int i = 0; i < 3; ++i)
        close(i);
    int first = open("data", O_RDONLY);
    char *q = map(first, 2);
    int second = open("data", O_RDONLY), third = open("data", O_RDONLY);
    const int numbers[] = {first, second, third};
    dup2(out, 1);
    printf("  numbers %d %d %d %c\n", numbers[0], numbers[1], numbers[2], q[0]);
    // no descriptor left
    struct rlimit none = {3, 3};
    setrlimit(RLIMIT_NOFILE, &none);
    q = map(first, 4);
    printf("  no descriptor left: %c\n", q[PAGE]);
    SHOW(munmap(q, 4 * PAGE));
    // all closed, ours too
    none.rlim_cur = 3;
    closefrom(2);
    q = map(first, 4);
    printf("  all closed: %c\n", q[PAGE]);
    SHOW(munmap(q, 4 * PAGE));
}

static void not_stderr(void) {
    // A daemon: 0 to 2 are closed, a file of its own gets number 2. Nobody else may write there.
    fflush(stdout);
    int out = dup(1);
    close(2);
    int fd = letters("mine", 2, O_APPEND);
    char *p = map(fd, 2);
    struct stat st;
    fstat(fd, &st);
    dup2(out, 1);
    printf("  number %d, size %ld, %c\n", fd, (long)st.st_size, p[PAGE]);
}

static void no_memory(void) {
    char *p = map(data, 4);
    struct rlimit limit = {64 << 20, 64 << 20};
    SHOW(setrlimit(RLIMIT_AS, &limit));
    SHOW_MAP(mmap(NULL, 1 << 30, PROT_READ, MAP_SHARED, data, 0));
    SHOW_MAP(mremap(p, 4 * PAGE, 1 << 30, MREMAP_MAYMOVE));
    SHOW_MAP(mmap(p, 1 << 30, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, data, 0));
    say_pages("still there", p, 4);
    SHOW(munmap(p, 4 * PAGE));
}

static void generations(void) {
    char *p = map(letters("letters", 4, 0), 4);
    for (int depth = 0; depth < 4; ++depth) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid != 0) {
            int status = ended(pid);
            if (depth == 0)
                printf("  first child %d\n", status);
            else
                _exit(status);
            break;
        }
        say_pages("child", p, 4 - depth);
        munmap(p + (3 - depth) * PAGE, PAGE);
        if (depth == 3) {
            fflush(stdout);
            _exit(5);
        }
    }
    say_pages("parent", p, 4);
    SHOW(munmap(p, 4 * PAGE));
}

static void rearranged(void) {
    char *p = map(letters("letters", 6, 0), 6);
    SHOW(remap_file_pages(p, PAGE, 0, 5, 0));
    say_pages("rearranged", p, 6);
    SHOW(mprotect(p + PAGE, PAGE, PROT_NONE));
    SHOW(mlock(p + 2 * PAGE, PAGE));
    SHOW(madvise(p, 6 * PAGE, MADV_DONTNEED)); // refused at the locked page
    SHOW(munlock(p + 2 * PAGE, PAGE));
    SHOW(mprotect(p + PAGE, PAGE, PROT_READ));
    char *to = mmap(NULL, 6 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW(mremap(p + 2 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE) == to + PAGE);
    say_pages("moved", to + PAGE, 2);
    SHOW_MAP(mremap(p, 6 * PAGE, 6 * PAGE, MREMAP_MAYMOVE)); // over the hole
    SHOW(munmap(p, 6 * PAGE));
    SHOW(munmap(to, 6 * PAGE));
}

static void *after_the_first(void *arg) {
    (void)arg;
    while (kill(getpid(), 0) == 0) { // until /proc says that the first thread is gone
        char state[256] = "";
        const int fd = open("/proc/self/stat", O_RDONLY);
        const ssize_t n = read(fd, state, sizeof state - 1);
        close(fd);
        if (n > 0 && strstr(state, ") Z "))
            break;
    }
    char *p = map(data, 3);
    say_pages("mapped without the first thread", p, 3);
    SHOW(munmap(p, 3 * PAGE));
    fflush(stdout);
    _exit(0);
}

static void first_thread_gone(void) {
    pthread_t thread;
    SHOW(pthread_create(&thread, NULL, after_the_first, NULL));
    pthread_exit(NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"fixed over", fixed_over},
    {"partial unmap", partial_unmap},
    {"past the end", past_the_end},
    {"truncated", truncated},
    {"memory files", memory_files},
    {"huge pages", huge_pages},
    {"devices", devices},
    {"names that change", names_that_change},
    {"library", library},
    {"vforked", vforked},
    {"spawned", spawned},
    {"cloned", cloned},
    {"handlers", handlers},
    {"small stack", small_stack},
    {"descriptors", descriptors},
    {"not stderr", not_stderr},
    {"no memory", no_memory},
    {"generations", generations},
    {"rearranged", rearranged},
    {"first thread gone", first_thread_gone},
};

int main(int argc, char **argv) {
    if (argc < 3 || chdir(argv[1]) != 0 || (data = open("data", O_RDONLY)) < 0)
        return 2;
    mapper = argv[2];
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        if (argc > 3 && strcmp(argv[3], cases[i].name) != 0)
            continue;
        printf("%s\n", cases[i].name);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGALRM, SIG_DFL);
            alarm(10);
            cases[i].run();
            fflush(stdout);
            _exit(0);
        }
        printf("  ended %d\n", ended(pid));
    }
    return 0;
}
