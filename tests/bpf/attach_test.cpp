// SPDX-License-Identifier: Apache-2.0
// A table that root puts in force for a process that is running already.
#include "cgroup.hpp"
#include "kernel_side.hpp"
#include "reader.hpp"

#include <cerrno>
#include <csignal>

#include <unistd.h>

namespace pagepatrol::test {
namespace {

constexpr size_t pages = 256;

class Attach : public Loaded {
  protected:
    static int64_t code(const Result<Granted>& done) { return done ? 0 : -done.error().code; }
    static int64_t code(const Result<void>& done) { return done ? 0 : -done.error().code; }
    /// `action` for all that the process has mapped of the file.
    static int64_t attach_all(Reader& reader, uint8_t action, bool force = false) {
        const auto mm = address_space_of(uint32_t(reader.pid()));
        if (!mm)
            return -mm.error().code;
        const auto start = uint64_t(reader.run([] { return mapping.start(); }));
        return code(attach(uint32_t(reader.pid()), mm.value(),
                           {make_range(start, start + pages * page, 0x80000000, action)}, 0,
                           force));
    }
    static Result<uint64_t> address_space_of(uint32_t pid) {
        return pagepatrol::address_space_of(pid);
    }

    TestFile file_{"attach", pages* page};
};

TEST_F(Attach, IsAsIfTheProcessHadAsked) {
    Reader reader(file_, PP_ACTION_NONE);
    EXPECT_EQ(reader.read(0, pages / 2), 0);
    ASSERT_EQ(attach_all(reader, PP_ACTION_PIN), 0);
    const auto process = table_of(reader.pid());
    ASSERT_TRUE(process);
    EXPECT_EQ(process->uid, nobody);
    EXPECT_EQ(process->tgid, uint32_t(reader.pid()));
    EXPECT_FALSE(process->comm.empty());
    EXPECT_TRUE(process->attached);
    EXPECT_TRUE(process->subscribed) << "at once, without a fault";
    EXPECT_EQ(subscriptions(), 1);
    EXPECT_EQ(process->kept_pages, pages);
    EXPECT_EQ(charged().kept, int64_t(pages));
    EXPECT_EQ(reader.read_all(), 0);
    EXPECT_GT(grown(PP_STAT_FAULTS), 0u);
    EXPECT_GT(range_states(), 0);

    EXPECT_EQ(code(detach(uint32_t(reader.pid()), false)), 0);
    EXPECT_TRUE(ranges_of(reader.pid()).empty());
    EXPECT_EQ(charged().kept, 0);
    EXPECT_EQ(range_states(), 0);
    EXPECT_EQ(code(detach(uint32_t(reader.pid()), false)), -ENOENT);
    reader.end();
}

TEST_F(Attach, KeepsPagesOfAProcessThatKnowsNothing) {
    constexpr uint64_t limit = 8 << 20;
    TestFile scanned("scanned", 2 * limit);
    Cgroup group(limit);
    Reader reader(file_, PP_ACTION_NONE);
    group.add(reader.pid());
    EXPECT_EQ(reader.read_all(), 0);
    ASSERT_EQ(attach_all(reader, PP_ACTION_PIN), 0);
    EXPECT_EQ(reader.run([path = scanned.path()] {
        char* scan = map_file(path, PROT_READ, MAP_SHARED);
        return scan ? count_wrong(scan, 2 * limit) : -1;
    }),
              0);
    EXPECT_EQ(file_.cached(), pages);
    EXPECT_GT(grown(PP_STAT_KEPT), 0u);
    reader.end();
}

TEST_F(Attach, LeavesWhoLooksAfterItselfAlone) {
    Reader reader(file_, PP_ACTION_STREAM);
    EXPECT_EQ(attach_all(reader, PP_ACTION_PIN), -EBUSY);
    EXPECT_EQ(ranges_of(reader.pid()).at(0).action, PP_ACTION_STREAM);
    EXPECT_EQ(code(detach(uint32_t(reader.pid()), false)), -ENOENT);
    // nor with so many ranges that these need a table of the other class
    const auto pid = uint32_t(reader.pid());
    EXPECT_EQ(code(attach(pid, address_space_of(pid).value(), row(PP_SMALL_RANGES + 1), 0, false)),
              -EBUSY);
    EXPECT_EQ(ranges_of(reader.pid()).at(0).action, PP_ACTION_STREAM);
    EXPECT_EQ(tables_in_maps(), 1);
    EXPECT_EQ(attach_all(reader, PP_ACTION_PIN, true), 0);
    EXPECT_EQ(ranges_of(reader.pid()).at(0).action, PP_ACTION_PIN);
    EXPECT_EQ(attach_all(reader, PP_ACTION_ACTIVATE), 0) << "one's own may be replaced";
    // it speaks up: its own holds
    EXPECT_EQ(reader.rule(PP_ACTION_STREAM), 0);
    EXPECT_EQ(attach_all(reader, PP_ACTION_PIN), -EBUSY);
}

TEST_F(Attach, RefusesWhatCanNotBe) {
    EXPECT_EQ(code(detach(2, false)), -EINVAL) << "a kernel thread";
    EXPECT_EQ(code(detach(1u << 30, false)), -ESRCH);
    Reader reader(file_, PP_ACTION_NONE);
    const auto pid = uint32_t(reader.pid());
    const auto mm = address_space_of(pid);
    ASSERT_TRUE(mm);
    const uint64_t key = mm.value();
    EXPECT_EQ(code(attach(pid, key + 1, {make_range(0, page, 1, PP_ACTION_PIN)}, 0, false)),
              -ESTALE);
    EXPECT_EQ(code(attach(pid, key, {make_range(0, page, 1, 77)}, 0, false)), -EINVAL);
    EXPECT_EQ(code(attach(pid, key, {make_range(page, page, 1, PP_ACTION_PIN)}, 0, false)),
              -EINVAL);
    EXPECT_EQ(code(attach(pid, key, {make_range(top(), top() + page, 1, PP_ACTION_PIN)}, 0, false)),
              -ERANGE);
    EXPECT_EQ(code(attach(pid, key, row(PP_MAX_RANGES + 1), 0, false)), -E2BIG);
    EXPECT_EQ(code(attach(pid, key, row(PP_MAX_RANGES), 0, false)), 0);
    EXPECT_EQ(ranges_of(reader.pid()).size(), PP_MAX_RANGES);
    // not by another user, nor from root's program in a world of his own
    Child user(nobody);
    EXPECT_EQ(user.run([=] { return code(detach(pid, true)); }), -EACCES);
}

TEST_F(Attach, LeavesNothingOfAProcessThatEndsMeanwhile) {
    for (int i = 0; i < 50; ++i) {
        Child child(nobody);
        const auto pid = uint32_t(child.pid());
        const auto mm = address_space_of(pid);
        ASSERT_TRUE(mm);
        kill(child.pid(), SIGKILL);
        const int64_t error = code(attach(pid, mm.value(), row(3, PP_ACTION_PIN), 0, false));
        EXPECT_TRUE(error == 0 || error == -EINVAL || error == -ESRCH) << error;
    } // what is left is looked at by TearDown()
}

} // namespace
} // namespace pagepatrol::test
