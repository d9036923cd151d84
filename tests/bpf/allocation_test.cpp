// SPDX-License-Identifier: Apache-2.0
// Each allocation (by slab, in the caller's context: elements of maps come from BPF's own
// stock) that the kernel makes for a request fails once: what was asked for is refused or
// happens all the same, nothing is left half done, and asking again does it. Needs a kernel
// with CONFIG_FAILSLAB and CONFIG_FAULT_INJECTION_DEBUG_FS (Documentation/fault-injection
// of its source).
#include "child.hpp"
#include "door.hpp"
#include "files.hpp"
#include "kernel_side.hpp"
#include "module.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace pagepatrol::test {
namespace {

constexpr char fail_nth[] = "/proc/self/fail-nth";
constexpr char failslab[] = "/sys/kernel/debug/failslab/";
constexpr uint64_t pages = 64;
/// Pages on their way to the LRU, of one processor (PAGEVEC_SIZE of the kernel).
constexpr uint64_t one_batch = 31;
/// What attempt() returns once there were fewer allocations than that ...
constexpr int64_t all_failed = 1;
/// ... and adds to the error of a step in which none failed.
constexpr int64_t none_failed = -10000;

char* data; ///< the child's mapping

/// Makes the nth allocation of a child's step fail, and says whether it came to that.
/// For the child's only thread; the descriptor is opened before, as that allocates, too.
class Nth {
  public:
    explicit Nth(int nth) {
        // who has changed its user does not own its files in /proc
        prctl(PR_SET_DUMPABLE, 1);
        fd_ = open(fail_nth, O_RDWR | O_CLOEXEC);
        set(nth);
    }
    Nth(const Nth&) = delete;
    Nth& operator=(const Nth&) = delete;
    ~Nth() { close(fd_); }

    bool end() {
        char text[16] = {};
        const bool failed = pread(fd_, text, sizeof(text) - 1, 0) > 0 && std::atoi(text) == 0;
        set(0);
        return failed;
    }

  private:
    void set(int nth) {
        char text[16];
        const int size = std::snprintf(text, sizeof(text), "%d", nth);
        if (pwrite(fd_, text, static_cast<size_t>(size), 0) != size)
            _exit(125);
    }

    int fd_ = -1;
};

template <typename Step> int64_t attempt(int nth, Step step) {
    Nth failure(nth);
    const int64_t result = step();
    return failure.end() ? result : result == 0 ? all_failed : none_failed + result;
}

bool may_follow(int64_t result) {
    return result == 0 || result == -ENOMEM || result == -EAGAIN;
}

class Allocation : public Loaded {
  protected:
    void SetUp() override {
        Loaded::SetUp();
        if (access(fail_nth, F_OK) != 0 || access(failslab, F_OK) != 0)
            GTEST_SKIP() << "no " << fail_nth << " or no " << failslab
                         << ": this kernel can't let allocations fail";
        write_file(std::string(failslab) + "ignore-gfp-wait", "N");
        write_file(std::string(failslab) + "verbose", "0"); // no stack trace for each
    }

    /// The step with each of its allocations failing, in a process of its own each time.
    /// `before` and `step` run in the child, `after` here, told what `step` returned.
    template <typename Before, typename Step, typename After>
    void each(Before before, Step step, After after) {
        constexpr int most = 2000;
        for (int nth = 1; nth <= most; ++nth) {
            Child child(nobody);
            ASSERT_EQ(child.run(before), 0);
            const int64_t result = child.run([=] { return attempt(nth, step); });
            ASSERT_TRUE(result == all_failed || may_follow(result)) << nth << ": " << result;
            after(child, result);
            ASSERT_FALSE(HasFailure()) << "allocation " << nth << ", result " << result;
            EXPECT_TRUE(eventually([] { return module::attribute("parameters/pending") == "0"; }));
            if (result == all_failed) {
                // the system call's own are not what this is about
                EXPECT_GT(grown(PP_STAT_QUEUE_FAILED), 0u) << "no work failed to be queued";
                return;
            }
        }
        FAIL() << "more than " << most << " allocations";
    }
};

int64_t open_it() {
    return door() < 0 ? door() : 0;
}

TEST_F(Allocation, OfAnUpload) {
    for (const uint32_t nr : {3u, PP_SMALL_RANGES + 1})
        each(
            open_it, [=] { return upload_row(nr, PP_ACTION_PIN); },
            [=](Child& child, int64_t result) {
                const auto whole = row(nr, PP_ACTION_PIN);
                EXPECT_EQ(ranges_of(child.pid()), result < 0 ? row(0) : whole);
                EXPECT_EQ(child.run([=] { return upload_row(nr, PP_ACTION_PIN); }), 0);
                EXPECT_EQ(ranges_of(child.pid()), whole);
                // a subscription that failed is tried again a little later
                EXPECT_TRUE(eventually([&] {
                    child.run([=] { return upload_row(nr, PP_ACTION_PIN); });
                    const auto process = table_of(child.pid());
                    return process && process->subscribed;
                }));
            });
}

TEST_F(Allocation, OfOneAct) {
    const TestFile file("allocation", pages * page);
    for (const uint32_t action :
         {PP_ACTION_ACTIVATE, PP_ACTION_DEACTIVATE, PP_ACTION_EVICT, PP_ACTION_PREFETCH}) {
        const auto ask = [=] {
            const auto start = reinterpret_cast<uint64_t>(data);
            return act(action, start, start + pages * page);
        };
        each(
            [=, path = file.path()] {
                data = map_file(path, PROT_READ, MAP_SHARED);
                if (data && action != PP_ACTION_PREFETCH)
                    touch(data, pages * page);
                return data ? open_it() : -ENOMEM;
            },
            ask,
            [&](Child& child, int64_t) {
                EXPECT_EQ(child.run(ask), 0);
                if (action == PP_ACTION_PREFETCH)
                    EXPECT_TRUE(eventually([&] { return file.cached() == pages; }));
                else if (action == PP_ACTION_EVICT)
                    EXPECT_LE(file.cached(), one_batch) << "but for what a processor still holds";
                else
                    EXPECT_EQ(file.cached(), pages);
                child.end();
                file.evict();
            });
    }
}

} // namespace
} // namespace pagepatrol::test
