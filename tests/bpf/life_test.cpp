// SPDX-License-Identifier: Apache-2.0
// A table lives as long as its address space, whatever makes or ends that: fork, vfork,
// threads, exec, exit, signals.
#include "child.hpp"
#include "door.hpp"
#include "files.hpp"
#include "kernel_side.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>
#include <thread>

#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pagepatrol::test {
namespace {

constexpr uint32_t ranges = 3;

// Steps of a child; what they keep between two steps is the child's own.
pid_t forked = 0;

int64_t fork_idle() {
    forked = fork();
    if (forked == 0)
        for (;;)
            pause();
    return forked;
}

int64_t kill_forked() {
    int status;
    kill(forked, SIGKILL);
    return waitpid(forked, &status, 0) == forked && WIFSIGNALED(status) ? 0 : -1;
}

int64_t upload_some() {
    return upload_row(ranges);
}

class Life : public Loaded {};

TEST_F(Life, EndsWithExit) {
    Child child;
    ASSERT_EQ(child.run(upload_some), 0);
    EXPECT_EQ(look().processes.size(), 1u);
    EXPECT_EQ(child.end(), 0);
    EXPECT_TRUE(look().processes.empty()) << "gone as soon as the process is";
    EXPECT_EQ(grown(PP_STAT_EXITS), 1u);
}

TEST_F(Life, EndsWithSigkill) {
    for (const uint32_t nr : {1u, PP_MAX_RANGES}) {
        Child child;
        ASSERT_EQ(child.run([=] { return upload_row(nr); }), 0);
        EXPECT_EQ(child.end(SIGKILL), SIGKILL);
        EXPECT_TRUE(look().processes.empty());
    }
    EXPECT_EQ(grown(PP_STAT_EXITS), 2u);
}

TEST_F(Life, EndsWithExec) {
    Child child;
    ASSERT_EQ(child.run(upload_some), 0);
    const pid_t pid = child.pid();
    child.start([] { return execl("/bin/sleep", "sleep", "60", nullptr); });
    EXPECT_TRUE(eventually([] { return look().processes.empty(); }));
    std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    EXPECT_TRUE(eventually([&] { return comm.seekg(0), comm >> name, name == "sleep"; })) << name;
    child.end(SIGKILL);
    EXPECT_EQ(grown(PP_STAT_EXITS), 1u);
}

TEST_F(Life, EndsWithoutAnyMappingLeft) {
    // the process has nothing to come back to and dies of it: not worth a line in the log
    write_file("/proc/sys/debug/exception-trace", "0");
    Child child;
    ASSERT_EQ(child.run(upload_some), 0);
    child.start([] { return syscall(SYS_munmap, 0, top()); });
    EXPECT_EQ(child.end(), SIGSEGV);
    write_file("/proc/sys/debug/exception-trace", "1");
    EXPECT_TRUE(look().processes.empty());
    EXPECT_EQ(grown(PP_STAT_EXITS), 1u);
}

TEST_F(Life, OfAForkedChildIsItsOwn) {
    for (const uint32_t nr : {ranges, PP_SMALL_RANGES + 1}) {
        Child child;
        ASSERT_EQ(child.run([=] { return upload_row(nr); }), 0);
        const auto forks = grown(PP_STAT_FORKS), exits = grown(PP_STAT_EXITS);
        const auto pid = pid_t(child.run(fork_idle));
        EXPECT_EQ(grown(PP_STAT_FORKS), forks + 1);
        ASSERT_EQ(look().processes.size(), 2u);
        EXPECT_EQ(ranges_of(pid), row(nr)) << "under the forked child's own pid";
        EXPECT_EQ(ranges_of(child.pid()), row(nr));

        // the parent's changes are not the child's
        ASSERT_EQ(child.run([] { return upload_row(1, PP_ACTION_DEACTIVATE); }), 0);
        EXPECT_EQ(ranges_of(child.pid()), row(1, PP_ACTION_DEACTIVATE));
        EXPECT_EQ(ranges_of(pid), row(nr));

        // and its end is not the parent's
        EXPECT_EQ(child.run(kill_forked), 0);
        EXPECT_EQ(grown(PP_STAT_EXITS), exits + 1);
        ASSERT_EQ(look().processes.size(), 1u);
        EXPECT_EQ(ranges_of(child.pid()), row(1, PP_ACTION_DEACTIVATE));
    }
}

TEST_F(Life, OfAForkedChildOutlastsItsParent) {
    Child child;
    ASSERT_EQ(child.run(upload_some), 0);
    const auto pid = pid_t(child.run(fork_idle));
    child.end(SIGKILL);
    const Status now = look();
    EXPECT_EQ(now.processes.size(), 1u);
    EXPECT_EQ(now.processes.empty() ? 0u : now.processes[0].ranges.size(), ranges);
    kill(pid, SIGKILL);
    EXPECT_TRUE(eventually([] { return look().processes.empty(); }));
}

TEST_F(Life, IsNotTouchedByVforkAndExec) {
    Child child;
    ASSERT_EQ(child.run(upload_some), 0);
    EXPECT_EQ(child.run([] {
        for (int i = 0; i < 5; ++i) {
            pid_t pid;
            int status = -1;
            char name[] = "true", *const arguments[] = {name, nullptr};
            // glibc's posix_spawn is CLONE_VM | CLONE_VFORK
            if (posix_spawn(&pid, "/bin/true", nullptr, nullptr, arguments, nullptr) != 0 ||
                waitpid(pid, &status, 0) != pid || status != 0)
                return -1;
        }
        return 0;
    }),
              0);
    EXPECT_EQ(grown(PP_STAT_FORKS), 0u);
    EXPECT_EQ(grown(PP_STAT_EXITS), 0u);
    EXPECT_EQ(ranges_of(child.pid()), row(ranges));
}

TEST_F(Life, IsSharedByThreads) {
    Child child;
    EXPECT_EQ(child.run([] {
        int64_t result = -1;
        std::thread([&] { result = upload_some(); }).join();
        return result;
    }),
              0);
    EXPECT_EQ(ranges_of(child.pid()), row(ranges)) << "the thread's end is not the process's";
    EXPECT_EQ(child.run([] { return upload_row(1); }), 0);
    EXPECT_EQ(look().processes.size(), 1u);
    EXPECT_EQ(grown(PP_STAT_FORKS), 0u);
    EXPECT_EQ(grown(PP_STAT_EXITS), 0u);
}

TEST_F(Life, IsSharedByProcessesWithOneAddressSpace) {
    Child child;
    // CLONE_VM alone: another pid (and other descriptors), the same table
    ASSERT_EQ(child.run([] { return door() < 0; }), 0);
    EXPECT_EQ(child.run([] {
        static char stack[65536];
        static int64_t result = -1;
        const pid_t pid = clone([](void*) { return result = upload_some(), 0; },
                                stack + sizeof(stack), CLONE_VM | SIGCHLD, nullptr);
        int status;
        return waitpid(pid, &status, 0) == pid ? result : -1;
    }),
              0);
    ASSERT_EQ(look().processes.size(), 1u);
    EXPECT_EQ(look().processes[0].ranges.size(), ranges);
    EXPECT_EQ(grown(PP_STAT_EXITS), 0u);
    EXPECT_EQ(child.run([] { return upload_row(0); }), 0);
    ASSERT_EQ(look().processes.size(), 1u);
    EXPECT_TRUE(look().processes[0].ranges.empty());
}

constexpr uint64_t many = 200, common = 16;
char* mapped;

/// A page that nobody brought in yet for each process, in a range that subscribes.
int64_t fork_many() {
    for (uint64_t i = 0; i < many; ++i) {
        const pid_t pid = fork();
        if (pid < 0)
            return -errno;
        if (pid > 0)
            continue;
        touch(mapped + (common + i) * page, page);
        for (;;)
            pause();
    }
    return 0;
}

TEST_F(Life, OfTwoHundredProcessesLeavesNothing) {
    TestFile file("many", (common + many) * page);
    Child child;
    ASSERT_EQ(child.run([path = file.path()] {
        mapped = map_file(path, PROT_READ, MAP_SHARED);
        const auto at = reinterpret_cast<uint64_t>(mapped), end = at + (common + many) * page;
        const pp_range two[] = {
            make_range(at, at + common * page, 1, PP_ACTION_STREAM, PP_RANGE_NO_READAHEAD, 1),
            make_range(at + common * page, end, 2, PP_ACTION_PIN, PP_RANGE_NO_READAHEAD, 2)};
        const int64_t err = mapped ? upload(two, 2, at, end) : -ENOENT;
        return err ? err : touch(mapped, common * page);
    }),
              0);
    EXPECT_EQ(subscriptions(), 1);
    EXPECT_EQ(range_states(), 1);

    ASSERT_EQ(child.run(fork_many), 0);
    EXPECT_EQ(grown(PP_STAT_FORKS), many);
    // of those that have faulted, each once
    const int least = may_miss_faults() ? int(many) * 9 / 10 : int(many) + 1;
    EXPECT_TRUE(eventually([&] { return subscriptions() >= least; }, std::chrono::seconds(30)))
        << subscriptions();
    EXPECT_LE(subscriptions(), int(many) + 1);
    EXPECT_EQ(look().processes.size(), many + 1);
    EXPECT_EQ(charged().tables, int64_t(many) + 1);
    EXPECT_GE(range_states(), least);
    EXPECT_LE(range_states(), int(many) + 1);

    // all at once, in no order; what is left is looked at by TearDown()
    EXPECT_EQ(kill(-child.pid(), SIGKILL), 0);
    EXPECT_TRUE(eventually([] { return look().processes.empty(); }));
    EXPECT_EQ(grown(PP_STAT_EXITS), many + 1);
}

} // namespace
} // namespace pagepatrol::test
