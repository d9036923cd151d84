// SPDX-License-Identifier: Apache-2.0
// Who is asked about its pages in reclaim: the processes with a range that wants to keep
// some, and nobody else.
#include "child.hpp"
#include "door.hpp"
#include "files.hpp"
#include "kernel_side.hpp"
#include "module.hpp"

#include <csignal>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pagepatrol::test {
namespace {

constexpr uint64_t pages = 32;
char* data;

int64_t map_it(Path path) {
    data = map_file(path, PROT_READ, MAP_SHARED);
    return data ? 0 : -1;
}

/// No read-ahead: each page is a fault of its own.
int64_t upload_it(uint8_t action) {
    return upload_one(reinterpret_cast<uint64_t>(data), pages * page, action,
                      PP_RANGE_NO_READAHEAD);
}

bool subscribed(pid_t pid) {
    const auto process = table_of(pid);
    return process && process->subscribed;
}

class Subscribe : public Loaded {
  protected:
    TestFile file_{"subscribe", pages* page};
};

TEST_F(Subscribe, NobodyWithoutTable) {
    Child child;
    ASSERT_EQ(child.run([path = file_.path()] { return map_it(path); }), 0);
    child.run([] { return touch(data, pages * page); });
    EXPECT_EQ(subscriptions(), 0);
    EXPECT_EQ(range_states(), 0);
    EXPECT_EQ(grown(PP_STAT_FAULTS), 0u);
}

/// Unless the kernel can ignore references: then there is something to be asked about.
TEST_F(Subscribe, WhoOnlyStreamsWhereItMakesADifference) {
    const bool ignores = module::built_in();
    Child child;
    ASSERT_EQ(child.run([path = file_.path()] { return map_it(path); }), 0);
    for (const uint8_t action : {PP_ACTION_STREAM, PP_ACTION_DEACTIVATE}) {
        ASSERT_EQ(child.run([=] { return upload_it(action); }), 0);
        child.run([] { return touch(data, pages / 2 * page); });
        EXPECT_EQ(subscriptions(), ignores ? 1 : 0) << action_names[action];
        EXPECT_EQ(subscribed(child.pid()), ignores);
    }
    EXPECT_GT(grown(PP_STAT_FAULTS), 0u);
}

TEST_F(Subscribe, WhoKeepsAtItsUpload) {
    for (const uint8_t action : {PP_ACTION_PIN, PP_ACTION_ACTIVATE}) {
        Child child;
        ASSERT_EQ(child.run([path = file_.path()] { return map_it(path); }), 0);
        ASSERT_EQ(child.run([=] { return upload_it(action); }), 0);
        EXPECT_EQ(subscriptions(), 1) << action_names[action];
        EXPECT_TRUE(subscribed(child.pid()));
        // once is enough
        ASSERT_EQ(child.run([=] { return upload_it(action); }), 0);
        EXPECT_EQ(subscriptions(), 1);
        EXPECT_EQ(table_of(child.pid())->subscribe_errors, 0u);
        child.end();
        EXPECT_EQ(subscriptions(), 0) << "gone as soon as the process is";
    }
    EXPECT_EQ(grown(PP_STAT_QUEUE_FAILED), 0u);
}

TEST_F(Subscribe, WhoKeepsInALargeTable) {
    Child child;
    ASSERT_EQ(child.run([] { return upload_row(PP_SMALL_RANGES + 1, PP_ACTION_PIN); }), 0);
    EXPECT_EQ(subscriptions(), 1);
    EXPECT_TRUE(subscribed(child.pid()));
}

TEST_F(Subscribe, WhoseTableGrowsOnce) {
    Child child;
    ASSERT_EQ(child.run([] { return upload_row(1, PP_ACTION_PIN); }), 0);
    ASSERT_EQ(child.run([] { return upload_row(PP_SMALL_RANGES + 1, PP_ACTION_PIN); }), 0);
    EXPECT_EQ(subscriptions(), 1);
    EXPECT_TRUE(subscribed(child.pid()));
}

TEST_F(Subscribe, AForkedChildAtItsFirstFault) {
    Child child;
    ASSERT_EQ(child.run([path = file_.path()] { return map_it(path); }), 0);
    ASSERT_EQ(child.run([] { return upload_it(PP_ACTION_PIN); }), 0);
    EXPECT_EQ(subscriptions(), 1);
    const int64_t forked = child.run([] {
        const pid_t pid = fork();
        if (pid == 0) {
            raise(SIGSTOP);
            touch(data, page);
            for (;;)
                pause();
        }
        int status;
        return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) ? pid : -1;
    });
    ASSERT_GT(forked, 0);
    EXPECT_EQ(look().processes.size(), 2u);
    EXPECT_EQ(subscriptions(), 1) << "it has touched nothing yet";
    kill(static_cast<pid_t>(forked), SIGCONT);
    EXPECT_TRUE(eventually([] { return subscriptions() == 2; }));
    for (const auto& process : look().processes)
        EXPECT_TRUE(process.subscribed);
    kill(static_cast<pid_t>(forked), SIGKILL);
    EXPECT_TRUE(eventually([] { return subscriptions() == 1; }));
}

} // namespace
} // namespace pagepatrol::test
