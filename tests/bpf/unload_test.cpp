// SPDX-License-Identifier: Apache-2.0
// Unloading while programs are in the middle of everything: it ends soon, and they go on.
#include "../slow.h"
#include "child.hpp"
#include "door.hpp"
#include "files.hpp"
#include "kernel_side.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module.hpp"

namespace pagepatrol::test {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t pages = 256;
char* data;

int64_t start_using(Path path, uint8_t action) {
    data = map_file(path, PROT_READ, MAP_SHARED);
    return data ? upload_one(reinterpret_cast<uint64_t>(data), pages * page, action) : -ENOENT;
}

class Unload : public Loaded {
  protected:
    /// Unloads within the time that a person waits.
    static void unload_soon() {
        const auto begin = std::chrono::steady_clock::now();
        const auto done = unload();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        ASSERT_TRUE(done) << done.error().text();
        EXPECT_LT(took, 5s * slowness());
        EXPECT_FALSE(module::inserted());
        EXPECT_NE(access(PP_PIN_DIR, F_OK), 0);
    }

    TestFile file_{"unload", pages* page};
};

TEST_F(Unload, LeavesProgramsUnharmed) {
    const std::string references = module::attribute("refcnt");
    Child pins, streams;
    ASSERT_EQ(pins.run([path = file_.path()] { return start_using(path, PP_ACTION_PIN); }), 0);
    ASSERT_EQ(streams.run([path = file_.path()] { return start_using(path, PP_ACTION_STREAM); }),
              0);
    for (Child* child : {&pins, &streams})
        EXPECT_EQ(child->run([] { return count_wrong(data, pages / 2 * page); }), 0);
    EXPECT_EQ(subscriptions(), module::built_in() ? 2 : 1) << "streams are asked about, too";

    unload_soon();
    for (Child* child : {&pins, &streams}) {
        EXPECT_EQ(child->run([] { return count_wrong(data, pages * page); }), 0);
        EXPECT_EQ(child->run([] { return upload_row(1); }), -ENODEV) << "through the open door";
        EXPECT_EQ(child->run(open_door), -ENOENT);
    }

    require_loaded(options());
    EXPECT_EQ(module::attribute("refcnt"), references);
    EXPECT_TRUE(look().processes.empty());
    for (Child* child : {&pins, &streams}) {
        EXPECT_EQ(child->run([] { return upload_row(1); }), -ENODEV) << "that door stays shut";
        EXPECT_EQ(child->run([] {
            close_door();
            return upload_row(1, PP_ACTION_PIN);
        }),
                  0);
        EXPECT_TRUE(table_of(child->pid())->subscribed);
    }
    EXPECT_EQ(subscriptions(), 2);
}

TEST_F(Unload, IsNotHeldUpByCopiesOfTheMount) {
    Child copies(nobody), stays(nobody);
    ASSERT_EQ(
        copies.run([] { return unshare(CLONE_NEWUSER | CLONE_NEWNS) ? -errno : upload_row(1); }),
        0);
    ASSERT_EQ(stays.run([] { return chdir(PP_PIN_DIR) ? -errno : 0; }), 0);
    unload_soon();
    EXPECT_EQ(copies.run(open_door), -ENOENT);
    EXPECT_EQ(copies.run([] { return upload_row(1); }), -ENODEV);

    require_loaded(options());
    EXPECT_EQ(stays.run([] { return upload_row(1); }), 0);
}

TEST_F(Unload, NeverHangsOnAReaderInAnEndlessCall) {
    Child reader;
    ASSERT_EQ(reader.run([path = file_.path()] { return start_using(path, PP_ACTION_PIN); }), 0);
    // the kernel itself reads the file and so queues work for when the call ends; but that
    // waits for somebody to read the pipe
    reader.start([] {
        int pipe_ends[2];
        if (pipe2(pipe_ends, O_CLOEXEC) != 0)
            return ssize_t(-1);
        return write(pipe_ends[1], data, pages * page);
    });
    const std::string wchan = "/proc/" + std::to_string(reader.pid()) + "/wchan";
    EXPECT_TRUE(eventually([&] { return read_file(wchan).find("pipe") != std::string::npos; }))
        << read_file(wchan);
    // in a process of its own: if it hangs, it hangs for good
    Child unloader(root);
    const int64_t error = unloader.run([] {
        const auto done = unload();
        return done || done.error().hint.empty() ? 0 : done.error().code;
    });
    if (module::built_in())
        EXPECT_EQ(error, 0) << "nothing has to go";
    else
        EXPECT_TRUE(error == EAGAIN || error == EBUSY)
            << error << ": what is queued is module text, that has to stay";
    EXPECT_FALSE(look().loaded) << "but the policy is out of force";
    EXPECT_NE(access(PP_PIN_DIR, F_OK), 0);
    EXPECT_EQ(subscriptions(), 1);

    reader.end(SIGKILL);
    const auto done = unload();
    ASSERT_TRUE(done || module::built_in()) << done.error().text();
    EXPECT_FALSE(module::inserted());
}

/// Faults on a pinned and a streamed half and uploads all the time; ends at SIGKILL.
[[noreturn]] void churn(Path path) {
    data = map_file(path, PROT_READ, MAP_SHARED);
    const auto at = reinterpret_cast<uint64_t>(data), middle = at + pages / 2 * page;
    const pp_range both[] = {make_range(at, middle, 1, PP_ACTION_PIN, PP_RANGE_NO_READAHEAD, 1),
                             make_range(middle, at + pages * page, 2, PP_ACTION_STREAM, 0, 2)};
    for (uint64_t i = 0;; ++i) {
        const int64_t result = upload(both, 1 + i % 2, at, at + pages * page);
        if (result == -ENODEV || result == -ENOENT || result == -EACCES)
            close_door();
        else if (result != 0)
            _exit(1);
        if (count_wrong(data, pages * page) != 0)
            _exit(2);
        madvise(data, pages * page, MADV_DONTNEED);
        madvise(data + pages / 2 * page, pages / 2 * page, MADV_PAGEOUT);
    }
}

TEST_F(Unload, AndLoadAgainInTheMiddleOfItAll) {
    KernelLog log;
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 4; ++i) {
        children.push_back(std::make_unique<Child>(i % 2 ? nobody : somebody));
        children.back()->start([path = file_.path()] { return churn(path), 0; });
    }
    // loading beside all that takes a debugging kernel two minutes
    const int times = !full() ? 2 : debugging_kernel() ? 4 : 10;
    for (int i = 0; i < times; ++i) {
        require_loaded(options());
        EXPECT_TRUE(eventually([] { return look().processes.size() == 4; }, 30s)) << "round " << i;
        EXPECT_TRUE(eventually([] { return subscriptions() == 4; }));
        unload_soon();
    }
    for (auto& child : children)
        EXPECT_EQ(child->end(SIGKILL), SIGKILL) << "it ended by itself: harmed";
    EXPECT_EQ(log.complaints(), "");
}

} // namespace
} // namespace pagepatrol::test
