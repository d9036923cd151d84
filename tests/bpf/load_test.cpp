// SPDX-License-Identifier: Apache-2.0
// Loading and unloading: what is there afterwards, what is said when it can't be done,
// and that nothing is left behind then.
#include "child.hpp"
#include "door.hpp"
#include "kernel_side.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include <bpf/bpf.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module.hpp"

namespace pagepatrol::test {
namespace {

namespace fs = std::filesystem;

unsigned mode(const char* path) {
    struct stat info{};
    return stat(path, &info) == 0 ? info.st_mode & 07777 : 0;
}

void expect_nothing_there() {
    EXPECT_FALSE(fs::exists(PP_PIN_DIR));
    EXPECT_FALSE(module::inserted());
    const Status now = look();
    EXPECT_EQ(now.module, module::built_in());
    EXPECT_EQ(now.built_in, module::built_in());
    EXPECT_FALSE(now.loaded);
    EXPECT_TRUE(now.programs.empty());
}

class Load : public testing::Test {
  protected:
    void SetUp() override { require_unloaded(); }
    void TearDown() override { require_unloaded(); }
};

TEST_F(Load, OncePinsWhatUsersMayOnlyRunTheDoorOf) {
    ASSERT_TRUE(load(options()));
    EXPECT_EQ(mode(PP_PIN_DIR), 01711u) << "bpffs makes its root sticky";
    EXPECT_EQ(mode(PP_PIN_PRIVATE), 0700u);
    EXPECT_EQ(mode(PP_PIN_DOOR), 0444u);
    const Status now = look();
    EXPECT_TRUE(now.module);
    EXPECT_FALSE(now.module_version.empty());
    EXPECT_TRUE(now.loaded);
    for (const char* program : {"handle", "fault_enter", "returning", "page_added", "page_used",
                                "task_newtask", "exit_mmap", "subscribed", "isolate",
                                "shrink_inactive", "shrink_active"})
        EXPECT_EQ(std::count(now.programs.begin(), now.programs.end(), program), 1) << program;
    EXPECT_TRUE(now.processes.empty());
    EXPECT_EQ(now.subscriptions, 0);
    EXPECT_EQ(std::count(std::begin(now.totals), std::end(now.totals), 0u), PP_NR_STATS);

    // a second time is refused, and does no harm
    const auto again = load(options());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);
    EXPECT_NE(again.error().hint.find("unload"), std::string::npos) << again.error().text();
    EXPECT_TRUE(look().loaded);
    EXPECT_EQ(upload_row(0), 0);
    close_door();

    const auto done = unload();
    ASSERT_TRUE(done) << done.error().text();
    expect_nothing_there();
}

TEST_F(Load, UnloadingNothingIsENOENT) {
    const auto done = unload();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ENOENT);
}

TEST_F(Load, AMissingModuleFileLeavesNothing) {
    LoadOptions wrong = options();
    wrong.module_path = "/scratch/no-such-module.ko";
    const auto done = load(wrong);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, module::built_in() ? EEXIST : ENOENT);
    EXPECT_NE(done.error().what.find(wrong.module_path), std::string::npos) << done.error().text();
    expect_nothing_there();
}

TEST_F(Load, NoModuleGoesOnTopOfWhatIsBuiltIn) {
    if (!module::built_in())
        GTEST_SKIP() << "needs the kernel of kernel/build-kernel";
    LoadOptions options;
    options.module_path = "/proc/self/exe"; // not even looked at
    const auto done = load(options);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, EEXIST);
    EXPECT_NE(done.error().what.find("built in"), std::string::npos) << done.error().text();
    EXPECT_NE(done.error().hint.find("without --module"), std::string::npos);
    expect_nothing_there();
}

TEST_F(Load, AFileThatIsNoModuleLeavesNothing) {
    if (module::built_in())
        GTEST_SKIP() << "no file is looked at where PagePatrol is built in";
    LoadOptions wrong = options();
    wrong.module_path = "/scratch/not-a-module.ko";
    for (const bool truncated : {false, true}) {
        std::ofstream out(wrong.module_path, std::ios::binary | std::ios::trunc);
        if (truncated) {
            std::ifstream in(options().module_path, std::ios::binary);
            std::string half(fs::file_size(options().module_path) / 2, '\0');
            in.read(half.data(), static_cast<std::streamsize>(half.size()));
            out << half;
        } else {
            out << "not a module\n";
        }
        out.close();
        const auto done = load(wrong);
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code, ENOEXEC);
        EXPECT_NE(done.error().hint.find("built for"), std::string::npos) << done.error().text();
        expect_nothing_there();
    }
    fs::remove(wrong.module_path);
}

TEST_F(Load, NeedsRoot) {
    Child child(nobody);
    EXPECT_EQ(child.run([] {
        const auto done = load(options());
        return !done && !done.error().hint.empty() ? done.error().code : 0;
    }),
              EPERM);
    expect_nothing_there();

    ASSERT_TRUE(load(options()));
    EXPECT_EQ(child.run([] {
        const auto done = unload();
        return done ? 0 : done.error().code;
    }),
              EPERM);
    EXPECT_EQ(child.run([] {
        const auto now = status();
        return now ? 0 : now.error().code;
    }),
              EACCES);
    EXPECT_TRUE(look().loaded);
}

TEST_F(Load, UsesAModuleThatIsThereAndKeepsItIfItFails) {
    ASSERT_TRUE(module::insert(options().module_path));
    // what is not a folder of root's makes the load fail after the module's turn
    fs::create_symlink("/etc", PP_PIN_DIR);
    const auto failed = load(options());
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, EPERM) << failed.error().text();
    EXPECT_TRUE(module::present());
    EXPECT_TRUE(fs::exists("/etc/passwd"));
    fs::remove(PP_PIN_DIR);
    EXPECT_FALSE(look().loaded);

    const auto done = load(options());
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_TRUE(look().loaded);
}

TEST_F(Load, CleansUpWhatAnInterruptedLoadLeft) {
    ASSERT_EQ(mkdir(PP_PIN_DIR, 0711), 0);
    ASSERT_EQ(mount("bpf", PP_PIN_DIR, "bpf", 0, nullptr), 0);
    ASSERT_EQ(mkdir(PP_PIN_PRIVATE, 0700), 0);
    const int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "leftover", 4, 4, 1, nullptr);
    ASSERT_GE(map, 0);
    for (const char* pin : {PP_PIN_PRIVATE "/pp_leftover", PP_PIN_PRIVATE "/link_leftover"})
        ASSERT_EQ(bpf_obj_pin(map, pin), 0) << pin;
    close(map);
    EXPECT_FALSE(look().loaded);

    const auto done = load(options());
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_FALSE(fs::exists(PP_PIN_PRIVATE "/pp_leftover"));
    EXPECT_FALSE(fs::exists(PP_PIN_PRIVATE "/link_leftover"));
}

TEST_F(Load, KilledAtAnyTimeCanBeDoneAgain) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(load(options()));
    const auto whole = std::chrono::steady_clock::now() - begin;
    const int steps = full() ? 10 : 2;
    for (int i = 1; i <= steps; ++i) {
        require_unloaded();
        Child child(root);
        child.start([] { return load(options()) ? 0 : 1; });
        std::this_thread::sleep_for(whole * i / (steps + 1));
        child.end(SIGKILL);
        // it may have come to its end; if not, nothing must be in the way
        const auto again = load(options());
        EXPECT_TRUE(again || again.error().code == EEXIST) << again.error().text();
        Child user(nobody);
        EXPECT_EQ(user.run([] { return upload_row(1); }), 0) << "killed at step " << i;
    }
}

TEST_F(Load, AndUnloadManyTimes) {
    KernelLog log;
    const int times = full() ? 20 : 3;
    for (int i = 0; i < times; ++i) {
        auto done = load(options());
        ASSERT_TRUE(done) << "round " << i << ": " << done.error().text();
        Child user(nobody);
        EXPECT_EQ(user.run([] { return upload_row(1); }), 0);
        EXPECT_EQ(user.run([] { return upload_row(0); }), 0);
        user.end();
        done = unload();
        ASSERT_TRUE(done) << "round " << i << ": " << done.error().text();
    }
    expect_nothing_there();
    EXPECT_EQ(log.complaints(), "");
}

} // namespace
} // namespace pagepatrol::test
