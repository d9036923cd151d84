// SPDX-License-Identifier: Apache-2.0
// Tables that are accepted: who may upload them, who sees them, how they grow, and what
// several threads at once make of them.
#include "child.hpp"
#include "door.hpp"
#include "kernel_side.hpp"

#include <atomic>
#include <thread>

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../slow.h"
#include "module.hpp"

namespace pagepatrol::test {
namespace {

class Upload : public Loaded {};

TEST_F(Upload, IsForAnyUser) {
    Child child(nobody);
    ASSERT_EQ(child.run([] { return upload_row(3, PP_ACTION_STREAM, 7); }), 0);
    const auto process = table_of(child.pid());
    ASSERT_TRUE(process);
    EXPECT_EQ(process->uid, nobody);
    EXPECT_FALSE(process->comm.empty());
    // to be asked about streams where the answer can be to ignore them
    EXPECT_EQ(process->subscribed, module::built_in());
    EXPECT_EQ(ranges_of(child.pid()), row(3, PP_ACTION_STREAM, 7));
    EXPECT_EQ(grown(PP_STAT_UPLOADS), 1u);
    EXPECT_EQ(grown(PP_STAT_REFUSED), 0u);
    child.end();
    EXPECT_EQ(grown(PP_STAT_EXITS), 1u);
}

TEST_F(Upload, TakesEveryActionAndFlag) {
    Child child(nobody);
    for (uint8_t action = PP_ACTION_NONE; action < PP_NR_ACTIONS; ++action)
        for (const uint8_t flags : {0, int(PP_RANGE_NO_READAHEAD)}) {
            ASSERT_EQ(child.run([=] { return upload_one(nowhere, page, action, flags); }), 0)
                << action_names[action];
            const std::vector<pp_range> want{make_range(nowhere, nowhere + page, 1, action, uint8_t(flags))};
            EXPECT_EQ(ranges_of(child.pid()), want);
        }
}

TEST_F(Upload, OfOneUserIsNotForTheEyesOfAnother) {
    Child victim(nobody), other(somebody);
    ASSERT_EQ(victim.run([] { return upload_row(2); }), 0);
    const int map = bpf_obj_get(PP_PIN_PRIVATE "/pp_small_tables");
    ASSERT_GE(map, 0);
    bpf_map_info info{};
    uint32_t size = sizeof(info);
    ASSERT_EQ(bpf_obj_get_info_by_fd(map, &info, &size), 0);
    close(map);

    // another process of the same user is no better off
    Child sibling(nobody);
    for (Child* who : {&other, &sibling}) {
        EXPECT_EQ(
            who->run([] { return errno = 0, access(PP_PIN_PRIVATE "/pp_totals", F_OK), errno; }),
            EACCES);
        EXPECT_EQ(who->run([] { return bpf_obj_get(PP_PIN_PRIVATE "/pp_small_tables"); }), -EACCES);
        EXPECT_EQ(who->run([] { return errno = 0, open(PP_PIN_DIR, O_RDONLY), errno; }), EACCES);
        EXPECT_EQ(who->run([id = info.id] { return bpf_map_get_fd_by_id(id); }), -EPERM);
        // uploading touches nothing but its own
        EXPECT_EQ(who->run([] { return upload_row(1); }), 0);
        EXPECT_EQ(who->run([] { return upload_row(0); }), 0);
    }
    EXPECT_EQ(ranges_of(victim.pid()), row(2));
}

TEST_F(Upload, GrowsAndShrinks) {
    Child child(nobody);
    for (const uint32_t nr : {1u, 2u, PP_SMALL_RANGES, PP_SMALL_RANGES + 1, PP_MAX_RANGES, 1u, 0u,
                              PP_MAX_RANGES, 0u, 5u}) {
        ASSERT_EQ(child.run([=] { return upload_row(nr, PP_ACTION_STREAM, uint16_t(nr)); }), 0)
            << nr;
        EXPECT_EQ(ranges_of(child.pid()), row(nr, PP_ACTION_STREAM, uint16_t(nr))) << nr;
        EXPECT_EQ(look().processes.size(), 1u) << "one table a process, of whatever size";
    }
    EXPECT_EQ(charged().tables, 1);
}

TEST_F(Upload, OfNothingMakesNoTable) {
    Child child(nobody);
    EXPECT_EQ(child.run([] { return upload_row(0); }), 0);
    EXPECT_FALSE(table_of(child.pid()));
    EXPECT_EQ(charged().tables, 0);
}

// Its table is there by then, and never comes into force.
TEST_F(Upload, ThatIsLargeAndRefusedLeavesTheSmallTableInForce) {
    Child child(nobody);
    ASSERT_EQ(child.run([] { return upload_row(2); }), 0);
    EXPECT_EQ(child.run([] { return upload_row(PP_SMALL_RANGES + 1, PP_NR_ACTIONS); }), -EINVAL);
    EXPECT_EQ(ranges_of(child.pid()), row(2));
    EXPECT_EQ(look().processes.size(), 1u);
    EXPECT_EQ(child.run([] { return upload_row(3); }), 0);
    EXPECT_EQ(ranges_of(child.pid()), row(3));
    EXPECT_EQ(child.run([] { return upload_row(PP_SMALL_RANGES + 1); }), 0);
    EXPECT_EQ(ranges_of(child.pid()), row(PP_SMALL_RANGES + 1));
    EXPECT_EQ(look().processes.size(), 1u);
}

TEST_F(Upload, OfHugeRangesTakesNoLongerForIt) {
    for (const uint8_t action : {PP_ACTION_PIN, PP_ACTION_DEACTIVATE, PP_ACTION_STREAM}) {
        Child child(nobody);
        EXPECT_EQ(child.run([=] {
            alarm(unsigned(10 * slowness())); // ends it even in the kernel
            const int64_t result =
                upload_one(nowhere, top() - nowhere, action, PP_RANGE_NO_READAHEAD);
            alarm(0);
            return result;
        }),
                  0)
            << action_names[action];
    }
}

// Four threads upload tables of their own; rule and size tell whose is in force.
int64_t race() {
    constexpr int rounds = 200;
    static constexpr uint32_t sizes[] = {1, 40, PP_SMALL_RANGES, 70};
    std::atomic<int64_t> wrong = 0, accepted = 0;
    std::vector<std::thread> threads;
    for (uint16_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            const auto mine = row(sizes[t], PP_ACTION_STREAM, t + 1);
            for (int i = 0; i < rounds; ++i) {
                const int64_t result = upload(mine);
                if (result == 0)
                    ++accepted;
                else if (result != -EAGAIN)
                    wrong = result;
            }
        });
    for (auto& thread : threads)
        thread.join();
    return wrong ? wrong.load() : accepted.load();
}

TEST_F(Upload, ByThreadsAtOnceEndsInOneOfTheTables) {
    Child child(nobody);
    const int64_t accepted = child.run([] { return door() < 0 ? -EBADF : race(); });
    EXPECT_GT(accepted, 0);
    EXPECT_EQ(grown(PP_STAT_UPLOADS), uint64_t(accepted));
    const auto ranges = ranges_of(child.pid());
    ASSERT_FALSE(ranges.empty());
    EXPECT_EQ(ranges, row(uint32_t(ranges.size()), PP_ACTION_STREAM, ranges[0].rule));
    EXPECT_EQ(look().processes.size(), 1u);
    EXPECT_EQ(charged().tables, 1);
    // and the lock was left open
    EXPECT_EQ(child.run([] { return upload_row(2); }), 0);
}

} // namespace
} // namespace pagepatrol::test
