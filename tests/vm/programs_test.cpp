// SPDX-License-Identifier: Apache-2.0
// The shipped policies for real programs, each with the unmodified program as Debian
// has it: the same output as without the policy, and bytes read from disk and major
// faults, both against the kernel's default in the same boot. Counts only, no times.
// The small drivers in programs/ stand for servers; they know nothing of PagePatrol.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "arms.hpp"

namespace vmtest {
namespace {

namespace fs = std::filesystem;

const std::string folder = "/scratch/programs";

/// The folder of the data that make_data.py writes for `what`.
std::string data_for(const std::string& what) {
    const std::string path = folder + "/" + what;
    fs::create_directories(folder);
    if (!fs::exists(path))
        must_run({python("make_data.py", {what, path})});
    return path;
}

/// Of the default's bytes, at most: half of the smallest gain that was measured (0.79).
constexpr double clear_win = 0.88;

struct Result {
    std::string out;
    std::uint64_t bytes = 0; ///< read by the disk
    std::uint64_t faults = 0;
    std::map<std::string, std::uint64_t> counters; ///< PagePatrol's
};

/// Cold caches, but programs and libraries in memory, charged to nobody; then a cgroup
/// whose reads and counters are what is measured.
class Measurement {
  public:
    Measurement(const std::vector<Argv>& idle, const Arm& arm) : arm_(arm), cgroup_(arm.limit) {
        drop_caches();
        for (const Argv& command : idle)
            must_run({under(arm, command)});
        before_ = pagepatrol_ctl::status();
        disk_ = disk_bytes_read();
    }

    const std::string& cgroup() const { return cgroup_.path(); }

    Ended run(const Argv& command) {
        Ended ended = vmtest::run({under(arm_, command), {}, cgroup_.path()}, arm_.patience);
        expect_undisturbed(ended);
        return ended;
    }

    Result end(std::string out, std::uint64_t faults) {
        Result result{std::move(out), disk_bytes_read() - disk_, faults, {}};
        EXPECT_EQ(cgroup_.oom_kills(), 0u);
        const Json after = pagepatrol_ctl::status();
        for (const auto& [name, total] : after["totals"].object())
            result.counters[name] = total.count() - pagepatrol_ctl::total(before_, name);
        return result;
    }

  private:
    Arm arm_;
    MemoryCgroup cgroup_;
    Json before_;
    std::uint64_t disk_ = 0;
};

/// Runs `command` `runs` times, one process after the other, in one cgroup.
Result run_program(const Argv& idle, const Argv& command, int runs, const Arm& arm) {
    Measurement measurement({idle}, arm);
    std::string out;
    std::uint64_t faults = 0;
    for (int i = 0; i < runs; ++i) {
        const Ended ended = measurement.run(command);
        out += ended.out;
        faults += static_cast<std::uint64_t>(ended.major_faults);
    }
    return measurement.end(out, faults);
}

/// `effects`: counters of which one must have moved.
void compare(const Result& by_default, Result policy, const std::vector<std::string>& effects) {
    const double ratio = static_cast<double>(policy.bytes) / static_cast<double>(by_default.bytes);
    report("default_bytes", static_cast<double>(by_default.bytes));
    report("policy_bytes", static_cast<double>(policy.bytes));
    report("bytes_ratio", ratio);
    report("default_major_faults", static_cast<double>(by_default.faults));
    report("policy_major_faults", static_cast<double>(policy.faults));
    for (const char* name : {"uploads", "kept", "dropped", "asked", "valve"})
        report(name, static_cast<double>(policy.counters[name]));
    EXPECT_FALSE(by_default.out.empty());
    EXPECT_EQ(policy.out, by_default.out);
    EXPECT_GT(policy.counters["uploads"], 0u) << "the policy matched nothing";
    std::uint64_t moved = 0;
    for (const std::string& effect : effects)
        moved += policy.counters[effect];
    EXPECT_GT(moved, 0u) << "it had no effect";
    EXPECT_LE(ratio, clear_win);
}

const std::vector<std::string> visible = {"kept", "dropped"};
/// Of policies about read-ahead nothing else is counted.
const std::vector<std::string> pushed = {"uploads"};

/// What `run` (a policy's name) gives without and with the policy. Returns how many times more
/// faults the default took.
template <typename Run>
double both_arms(const std::string& policy, const std::vector<std::string>& effects,
                 const Run& run) {
    // another policy, for a try
    const char* other = std::getenv("PAGEPATROL_TEST_POLICY");
    const Result by_default = run("");
    const Result result = run(other ? other : policy);
    compare(by_default, result, effects);
    return static_cast<double>(by_default.faults) / static_cast<double>(result.faults + 1);
}

double both_arms(const Argv& idle, const Argv& command, int runs, const std::string& policy,
                 std::uint64_t limit) {
    return both_arms(policy, visible, [&](const std::string& which) {
        return run_program(idle, command, runs, {which, limit});
    });
}

TEST(Programs, Lmdb) {
    const std::string data = data_for("lmdb");
    EXPECT_GE(both_arms(python("lmdb_reads.py"),
                        python("lmdb_reads.py", {data + "/index", data + "/archive", "2"}), 1,
                        "lmdb.toml", 28 * MiB),
              2)
        << "look-ups still go to the disk";
}

TEST(Programs, Sqlite) {
    const std::string data = data_for("sqlite");
    const Argv command = {"sqlite3", "-readonly", data + "/archive/data.db",
                          "PRAGMA mmap_size = 268435456; ATTACH '" + data +
                              "/index/data.db' AS looked_up;"
                              "SELECT count(*), sum(unicode(substr(a.value, -1))),"
                              " sum(unicode(substr(e.value, 1, 1))) FROM entry a"
                              " JOIN looked_up.entry e ON e.id = a.id * 7919 % 8388;"
                              "SELECT count(*), sum(unicode(substr(a.value, -1))),"
                              " sum(unicode(substr(e.value, 1, 1))) FROM entry a"
                              " JOIN looked_up.entry e ON e.id = a.id * 7907 % 8388;"};
    EXPECT_GE(both_arms({"sqlite3", ":memory:", "SELECT 1"}, command, 1, "sqlite.toml", 24 * MiB),
              2)
        << "look-ups still go to the disk";
}

TEST(Programs, LevelDb) {
    const std::string data = data_for("leveldb");
    EXPECT_GE(both_arms(python("leveldb_reads.py"),
                        python("leveldb_reads.py", {data + "/index", data + "/archive", "2"}), 1,
                        "leveldb.toml", 28 * MiB),
              2)
        << "look-ups still go to the disk";
}

TEST(Programs, RocksDb) {
    const std::string db = "--db=" + data_for("rocksdb") + "/archive";
    both_arms({"ldb", "--version"}, {"ldb", db, "--hex", "scan", "--no_value"}, 2, "rocksdb.toml",
              24 * MiB);
}

TEST(Programs, Git) {
    const std::string repository = data_for("git") + "/repository.git";
    both_arms({"git", "--version"}, {"git", "-C", repository, "grep", "-a", "-c", "wol", "HEAD"}, 2,
              "git.toml", 24 * MiB);
}

TEST(Programs, Model) {
    const std::string model = data_for("model") + "/model.gguf";
    both_arms(python("model_passes.py"), python("model_passes.py", {model, "3"}), 1, "model.toml",
              40 * MiB);
}

TEST(Programs, Backup) {
    const std::string archive = data_for("lmdb") + "/archive/data.mdb", served = data_for("sqlite");
    const auto arm = [&](const std::string& policy) {
        Measurement measurement({{"b3sum", "--version"}, {"sqlite3", ":memory:", "SELECT 1"}},
                                {policy, 24 * MiB});
        // the server has no policy in either arm
        Child server(
            {{"sqlite3", "-readonly", served + "/index/data.db"}, {}, measurement.cgroup()});
        std::string out;
        const auto query = [&] {
            out += server.ask("SELECT sum(unicode(substr(value, 1, 1))) FROM entry;") + '\n';
        };
        server.ask("PRAGMA mmap_size = 268435456;");
        query();
        for (int i = 0; i < 2; ++i) {
            out += measurement.run({"b3sum", "--num-threads", "1", archive}).out;
            query();
        }
        const Ended ended = server.wait();
        expect_undisturbed(ended);
        return measurement.end(out, static_cast<std::uint64_t>(ended.major_faults)); // the server's
    };
    EXPECT_GT(both_arms("backup.toml", visible, arm), 1) << "the server lost its pages";
}

/// pp-kv alone in a cgroup, on 32 MiB of records in `engine`'s own files. With `what` in one
/// thread it does the same in each arm; what it says of it has times in it, but for the checksums.
Result run_kv(const std::string& engine, const Argv& what, const Arm& arm) {
    const std::string kv = built("bench/pp-kv");
    const std::string data = folder + "/kv-" + engine;
    if (!fs::exists(data)) {
        fs::create_directories(folder);
        must_run({{kv, "load", engine, data, "--records", "24000"}});
    }
    Argv command = {kv, "run", engine, data, "--json", "-"};
    command.insert(command.end(), what.begin(), what.end());
    Measurement measurement({{kv, "--help"}}, arm);
    const Json said = Json::parse(measurement.run(command).out);
    std::string checksums;
    for (const Json& role : said["roles"].array()) {
        EXPECT_EQ(role["not_found"].count(), 0u);
        checksums += role["role"].string() + ' ' + role["checksum"].string() + '\n';
    }
    return measurement.end(checksums, said["major_faults"].count());
}

constexpr std::uint64_t kv_limit = 16 * MiB;

TEST(Programs, PointReads) {
    const Argv look_ups = {"--workload", "ycsb-c", "--operations", "6000", "--warm-up", "0"};
    both_arms("point-reads.toml", pushed, [&](const std::string& policy) {
        return run_kv("lmdb", look_ups, {policy, kv_limit});
    });
}

TEST(Programs, GetScan) {
    const Argv both = {"--workload", "get-scan", "--scans", "2", "--interleave", "16"};
    both_arms("get-scan.toml", pushed, [&](const std::string& policy) {
        return run_kv("lmdb", both, {policy, kv_limit});
    });
}

TEST(Programs, LookupScan) {
    const Argv both = {"--workload", "lookup-scan", "--scans", "2", "--interleave", "16"};
    both_arms("lookup-scan.toml", visible, [&](const std::string& policy) {
        return run_kv("sqlite", both, {policy, 24 * MiB});
    });
}

TEST(Programs, Graph) {
    const std::string graph = folder + "/graph";
    fs::create_directories(folder);
    if (!fs::exists(graph))
        must_run({{built("bench/make-file"), graph, "--graph", "250000", "--sorted"}});
    const Argv settings = {"dir=" + folder, "files.graph.advice=none"};
    both_arms("graph.toml", visible, [&](const std::string& policy) {
        const Bench bench = run_bench("graph-walk.toml", settings, {policy, 10 * MiB});
        EXPECT_EQ(bench.oom_kills, 0u);
        return Result{bench.checksums.at(0), bench.disk_bytes, bench.major_faults, bench.counters};
    });
}

} // namespace
} // namespace vmtest
