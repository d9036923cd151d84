// SPDX-License-Identifier: Apache-2.0
// On a file system with large folios (XFS), and read-ahead as servers have it: a folio
// may be larger than what a policy has between two decisions.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "arms.hpp"

namespace vmtest {
namespace {

/// What a command says in its first line.
std::string said_by(const Argv& command) {
    const Ended ended = must_run({command});
    return ended.out.substr(0, ended.out.find('\n'));
}

double bytes_cached(const std::string& file) {
    return std::stod(said_by({"fincore", "--bytes", "--noheadings", "--output", "RES", file}));
}

/// A policy with one rule.
std::string rule_for(const std::string& file, const std::string& rest) {
    return "schema = 1\n[[rule]]\npath = \"" + file + "\"\n" + rest + "\n";
}

/// A command that undoes something, at the end.
struct AtEnd {
    ~AtEnd() {
        try {
            must_run({command});
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
        }
    }
    const Argv command;
};

/// XFS on a file of the disk; gone at the end, also if it was not finished.
class Xfs {
  public:
    std::string copy_of(const std::string& from, const std::string& name) const {
        const std::string to = folder_ + "/" + name;
        must_run({{"cp", from, to}});
        return to;
    }

  private:
    static std::string image() {
        const std::string path = Data::folder + "/xfs.img";
        must_run({{"truncate", "-s", "600M", path}});
        return path;
    }
    /// Read past the page cache, so that each page is in memory once.
    static std::string attached(const std::string& image) {
        must_run({{"modprobe", "loop"}});
        return said_by({"losetup", "--find", "--show", "--direct-io=on", image});
    }
    static std::string mounted(const std::string& device) {
        const std::string sys = "/sys/block/" + device.substr(sizeof "/dev/" - 1);
        if (read_file(sys + "/loop/dio") != "1\n")
            throw std::runtime_error(device + " has no direct I/O");
        write_file(sys + "/queue/read_ahead_kb", std::to_string(data_size(MiB) / 1024));
        must_run({{"modprobe", "xfs"}});
        must_run({{said_by({source("scripts/fetch-programs")}) + "/sbin/mkfs.xfs", "-q", device}});
        const std::string folder = Data::folder + "/xfs";
        std::filesystem::create_directory(folder);
        must_run({{"mount", device, folder}});
        return folder;
    }

    const std::string image_ = image();
    const AtEnd remove_{{"rm", image_}};
    const std::string device_ = attached(image_);
    const AtEnd detach_{{"losetup", "--detach", device_}};
    const std::string folder_ = mounted(device_);
    const AtEnd unmount_{{"umount", folder_}};
};

/// One of the many 64-bit words of a file in /proc.
std::uint64_t word(int fd, std::uint64_t index) {
    std::uint64_t value = 0;
    if (pread(fd, &value, sizeof value, static_cast<off_t>(index * sizeof value)) != sizeof value)
        throw std::system_error(errno, std::generic_category(), "/proc/self/pagemap, kpageflags");
    return value;
}

/// The share of a file's pages that lie in large folios once it was read from front to back.
double share_in_large_folios(const std::string& path, std::uint64_t size) {
    constexpr std::uint64_t present = 1ull << 63, frame = (1ull << 55) - 1,
                            compound = 1ull << 15 | 1ull << 16; // head, tail
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    const int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    void* mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), path);
    drop_caches();
    const auto* bytes = static_cast<const volatile char*>(mapped);
    std::uint64_t large = 0;
    for (std::uint64_t at = 0; at < size; at += page_size) {
        (void)bytes[at];
        const auto address = reinterpret_cast<std::uintptr_t>(mapped) + at;
        const std::uint64_t entry = word(pagemap, address / page_size);
        if (entry & present && word(flags, entry & frame) & compound)
            ++large;
    }
    munmap(mapped, size);
    for (const int fd : {file, pagemap, flags})
        close(fd);
    return static_cast<double>(large * page_size) / static_cast<double>(size);
}

TEST(LargeFolios, LoopWithStreamKeepsWhatFits) {
    const Xfs xfs;
    const std::string loop = xfs.copy_of(Data::need("loop"), "loop");
    const Argv settings = {"files.loop.path=" + loop, "step.loop.passes=3"};
    const double large = share_in_large_folios(loop, Data::loop);
    const Bench by_default = run_bench("loop.toml", settings, {});
    Bench stream = run_bench("loop.toml", settings, {"loop.toml"});
    report("share_in_large_folios", large);
    report("default_later_pass_share", by_default.worst_later_pass(Data::loop));
    report("stream_later_pass_share", stream.worst_later_pass(Data::loop));
    report("dropped", static_cast<double>(stream.counters["dropped"]));
    report("spared", static_cast<double>(stream.counters["spared"]));
    EXPECT_EQ(stream.checksums, by_default.checksums);
    EXPECT_GE(large, 0.9) << "the test shows nothing";
    EXPECT_GE(by_default.worst_later_pass(Data::loop), 0.95) << "the test shows nothing";
    EXPECT_LE(stream.worst_later_pass(Data::loop), 0.5);
}

TEST(LargeFolios, HotAndScan) {
    const Xfs xfs;
    const std::string hot = xfs.copy_of(Data::need("hot"), "hot");
    const std::string scan = xfs.copy_of(Data::need("loop"), "scan");
    Argv settings = hot_and_scan_settings;
    settings.insert(settings.end(), {"files.hot.path=" + hot, "files.scan.path=" + scan});
    const double large = share_in_large_folios(hot, Data::hot);
    const Bench by_default = run_bench("hot-and-scan.toml", settings, {});
    Bench policy = run_bench("hot-and-scan.toml", settings, {"hot-and-scan.toml"});
    Bench pinned = run_bench("hot-and-scan.toml", settings, {"hot-only.toml"});
    report("share_in_large_folios", large);
    report("default_hot_fault_share", by_default.hot_fault_share());
    report("hot_fault_share", policy.hot_fault_share());
    report("pin_alone_hot_fault_share", pinned.hot_fault_share());
    const double asked = static_cast<double>(pinned.counters["asked"]) * page_size /
                         static_cast<double>(pinned.disk_bytes);
    report("pin_alone_asked_per_page", asked);
    report("pin_alone_valve", static_cast<double>(pinned.counters["valve"]));
    EXPECT_GE(large, 0.9) << "the test shows nothing";
    EXPECT_GT(by_default.hot_major_faults, 0u) << "the test shows nothing";
    EXPECT_EQ(policy.checksums, by_default.checksums);
    EXPECT_EQ(pinned.checksums, by_default.checksums);
    EXPECT_EQ(policy.oom_kills + pinned.oom_kills, 0u);
    EXPECT_LE(policy.hot_fault_share(), 0.005);
    EXPECT_LE(pinned.hot_fault_share(), 0.005);
    EXPECT_LE(asked, 16) << "answers for each page brought in";
    EXPECT_EQ(pinned.counters["valve"], 0u);
}

TEST(LargeFolios, WhatIsEvictedIsCutNowhere) {
    const Xfs xfs;
    const std::string file = xfs.copy_of(Data::need("hot"), "once");
    const TemporaryFolder folder;
    const std::string policy = folder.file(
        "evict.toml", rule_for(file, "action = \"none\"\nmadvise = { dontneed = \"evict\" }"));
    const double large = share_in_large_folios(file, Data::hot);
    drop_caches();
    // from within the first folio on, which stays
    expect_undisturbed(must_run(
        {under({policy}, python("read_and_evict.py", {file, std::to_string(page_size)}))}));
    const double left = bytes_cached(file);
    report("share_in_large_folios", large);
    report("bytes_left", left);
    EXPECT_GE(large, 0.9) << "the test shows nothing";
    EXPECT_LE(left, static_cast<double>(data_size(MiB)));
}

/// A huge page is asked about as a whole, and its first part does not speak for the rest.
TEST(LargeFolios, HugePageBeyondTheRangeIsNotIgnored) {
    if (!pagepatrol_ctl::built_in())
        GTEST_SKIP() << "nothing is ignored but where PagePatrol is built in";
    const Xfs xfs;
    const std::string file = xfs.copy_of(Data::need("hot"), "huge");
    const TemporaryFolder folder;
    const std::string policy = folder.file(
        "part.toml", rule_for(file, "range = { length = \"1MiB\" }\naction = \"deactivate\""));
    const Arm arm{policy, limit_for(64 * MiB + 16 * MiB)};
    drop_caches();
    run({{built("tests/vm/hold")}});
    const MemoryCgroup cgroup(arm.limit);
    Child child({under(arm, {built("tests/vm/hold"), file}), {}, cgroup.path()});
    const double huge = std::stod(child.ask("huge")) * 1024 / static_cast<double>(Data::hot);
    const Json before = pagepatrol_ctl::status();
    child.ask("fill " + std::to_string(data_size(40 * MiB) / MiB));
    const Json after = pagepatrol_ctl::status();
    const double left = std::stod(child.ask("cached")) * page_size / static_cast<double>(Data::hot);
    report("share_in_huge_pages", huge);
    report("left_after_reclaim", left);
    EXPECT_GE(huge, 0.9) << "the test shows nothing";
    EXPECT_LE(left, 0.9) << "the test shows nothing";
    EXPECT_EQ(pagepatrol_ctl::total(after, "ignored"), pagepatrol_ctl::total(before, "ignored"));
    EXPECT_EQ(cgroup.oom_kills(), 0u);
    expect_undisturbed(child.wait());
}

/// What memory pressure leaves of two files that were mapped by huge pages, the first before
/// the second, and are idle.
struct Left {
    double first, second;   ///< shares of the files
    double first_huge_page; ///< share of that of the first file
    std::uint64_t kept;     ///< times that the policy had reclaim keep a page
};

Left left_of_huge_pages(const std::string& first, const std::string& second,
                        const std::string& policy) {
    constexpr std::uint64_t huge_page = 2 * MiB;
    const Arm arm{policy, limit_for(2 * 64 * MiB + 16 * MiB)};
    drop_caches();
    run({{built("tests/vm/hold")}}); // read now, it is no part of the pressure
    const MemoryCgroup cgroup(arm.limit);
    Child child({under(arm, {built("tests/vm/hold"), first, second}), {}, cgroup.path()});
    const auto size = static_cast<double>(Data::hot);
    const double huge = std::stod(child.ask("huge")) * 1024 / (2 * size);
    const Json before = pagepatrol_ctl::status();
    child.ask("fill " + std::to_string(data_size(40 * MiB) / MiB));
    const Json after = pagepatrol_ctl::status();
    const Left left = {bytes_cached(first) / size, bytes_cached(second) / size,
                       std::stod(child.ask("first 2")) * page_size / huge_page,
                       pagepatrol_ctl::total(after, "kept") -
                           pagepatrol_ctl::total(before, "kept")};
    const std::string arm_name = policy.empty() ? "default_" : "policy_";
    report(arm_name + "first_left", left.first);
    report(arm_name + "second_left", left.second);
    EXPECT_GE(huge, 0.9) << "the test shows nothing";
    EXPECT_EQ(cgroup.oom_kills(), 0u);
    expect_undisturbed(child.wait());
    return left;
}

/// Reclaim asks about a huge page by its first address, where the range is not yet.
TEST(LargeFolios, HugePageIsKeptForARangeInIt) {
    const Xfs xfs;
    const std::string first = xfs.copy_of(Data::need("hot"), "first");
    const std::string second = xfs.copy_of(Data::need("hot"), "second");
    const TemporaryFolder folder;
    const std::string policy = folder.file(
        "part.toml",
        rule_for(first, "range = { offset = \"1MiB\", length = \"512KiB\" }\naction = \"pin\""));
    const Left by_default = left_of_huge_pages(first, second, "");
    const Left pinned = left_of_huge_pages(first, second, policy);
    EXPECT_LE(by_default.first_huge_page, 0.5) << "the test shows nothing";
    EXPECT_GT(pinned.kept, 0u);
    EXPECT_EQ(pinned.first_huge_page, 1);
}

/// What is deactivated goes to the end of the list, huge pages that are mapped too: those that
/// came there last are the first to go.
TEST(LargeFolios, DeactivatedHugePagesGoToTheEnd) {
    const Xfs xfs;
    const std::string first = xfs.copy_of(Data::need("hot"), "first");
    const std::string second = xfs.copy_of(Data::need("hot"), "second");
    const TemporaryFolder folder;
    const std::string policy =
        folder.file("deactivate.toml", rule_for("/**/{first,second}", "action = \"deactivate\""));
    const Left by_default = left_of_huge_pages(first, second, "");
    const Left deactivated = left_of_huge_pages(first, second, policy);
    EXPECT_LE(by_default.first, 0.75) << "the test shows nothing";
    EXPECT_GE(deactivated.first, 0.95);
    EXPECT_LE(deactivated.second, 0.75);
}

} // namespace
} // namespace vmtest
