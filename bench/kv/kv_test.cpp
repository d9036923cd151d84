// SPDX-License-Identifier: Apache-2.0
//
// pp-kv's parts, and each engine with a small database: what is chosen, what is counted,
// and that the same is read whichever engine holds it.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "../error.hpp"
#include "load.hpp"
#include "records.hpp"
#include "report.hpp"
#include "run.hpp"

namespace pagepatrol::bench::kv {
namespace {

namespace fs = std::filesystem;

TEST(Zipf, FollowsTheFormula) {
    constexpr std::uint64_t n = 1000, draws = 1'000'000;
    constexpr double theta = 0.99;
    const Zipf zipf(n, theta);
    Random random(1);
    std::vector<double> seen(n);
    for (std::uint64_t i = 0; i < draws; i++)
        seen[zipf.rank(random)]++;
    double zeta = 0;
    for (std::uint64_t i = 1; i <= n; i++)
        zeta += std::pow(static_cast<double>(i), -theta);
    // the first two ranks are exact; the rest approximates (Gray et al.): sums over ranges
    const auto expected = [&](std::uint64_t from, std::uint64_t to) {
        double share = 0;
        for (std::uint64_t i = from; i < to; i++)
            share += std::pow(static_cast<double>(i + 1), -theta) / zeta;
        return share * draws;
    };
    const auto counted = [&](std::uint64_t from, std::uint64_t to) {
        double sum = 0;
        for (std::uint64_t i = from; i < to; i++)
            sum += seen[i];
        return sum;
    };
    EXPECT_NEAR(counted(0, 1) / expected(0, 1), 1, 0.01);
    EXPECT_NEAR(counted(1, 2) / expected(1, 2), 1, 0.02);
    for (const auto& [from, to] : {std::pair{0u, 10u}, {10u, 100u}, {100u, 300u}, {300u, 1000u}})
        EXPECT_NEAR(counted(from, to) / expected(from, to), 1, 0.08) << from << " to " << to;
}

TEST(Zipf, SameSeedSameNumbers) {
    const Zipf zipf(5000, 0.99);
    Random a(7), b(7), c(8);
    bool differs = false;
    for (int i = 0; i < 1000; i++) {
        const std::uint64_t rank = zipf.rank(a);
        EXPECT_EQ(rank, zipf.rank(b));
        differs = differs || rank != zipf.rank(c);
    }
    EXPECT_TRUE(differs);
}

TEST(Records, KeysAreDistinctAndPopularOnesNoNeighbours) {
    std::map<std::string, std::uint64_t> by_key;
    for (std::uint64_t i = 0; i < 100'000; i++)
        EXPECT_TRUE(by_key.emplace(key_of(i), i).second);
    // the 1000 most popular: as often neighbours as chance has it (10), not more
    std::uint64_t neighbours = 0, before = UINT64_MAX;
    for (const auto& [key, record] : by_key) {
        EXPECT_EQ(key.size(), key_bytes);
        neighbours += record < 1000 && before < 1000;
        before = record;
    }
    EXPECT_LT(neighbours, 30u);
}

TEST(Records, ValuesAreCheckedAndDigestsTellThemApart) {
    std::string a(100, '\0'), b(100, '\0');
    fill_value(a, 3, 0, 1);
    fill_value(b, 3, 0, 1);
    EXPECT_EQ(a, b);
    check_value(key_of(3), a, 100);
    EXPECT_THROW(check_value(key_of(4), a, 100), Error);
    EXPECT_THROW(check_value(key_of(3), a, 101), Error);
    for (const auto& [record, version, seed] : {std::tuple{4, 0, 1}, {3, 1, 1}, {3, 0, 2}}) {
        fill_value(b, static_cast<std::uint64_t>(record), static_cast<std::uint64_t>(version),
                   static_cast<std::uint64_t>(seed));
        EXPECT_NE(digest(a), digest(b));
    }
    b = a;
    b.back() ^= 1; // the last bytes are no whole word
    EXPECT_NE(digest(a), digest(b));
}

TEST(Histogram, ToldWithinThreePerCent) {
    for (std::uint64_t value = 1; value < std::uint64_t{1} << 62; value += value / 16 + 1) {
        Histogram histogram;
        histogram.add(value);
        histogram.add(UINT64_MAX); // the largest is exact, so it must not be this one
        const auto told = static_cast<double>(histogram.percentile(0.5));
        EXPECT_NEAR(told / static_cast<double>(value), 1, 0.016) << value;
        EXPECT_EQ(histogram.percentile(1), histogram.max());
    }
}

TEST(Histogram, PercentilesAndMerge) {
    Histogram all, even, odd;
    for (std::uint64_t i = 1; i <= 100'000; i++) {
        all.add(i);
        (i % 2 ? odd : even).add(i);
    }
    even.merge(odd);
    EXPECT_EQ(all.count(), 100'000u);
    EXPECT_DOUBLE_EQ(all.mean(), 50'000.5);
    for (const double share : {0.0, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        EXPECT_EQ(all.percentile(share), even.percentile(share));
        EXPECT_NEAR(static_cast<double>(all.percentile(share)), std::max(1.0, share * 100'000),
                    share * 1600);
    }
    EXPECT_EQ(Histogram().percentile(0.5), 0u);
    std::uint64_t sum = 0;
    all.each([&](std::uint64_t, std::uint64_t count) { sum += count; });
    EXPECT_EQ(sum, all.count());
}

TEST(Workloads, MixesAreAsYcsbHasThem) {
    Random random(1);
    for (const Workload& workload : workloads()) {
        double sum = 0;
        for (const double share : workload.share)
            sum += share;
        EXPECT_NEAR(sum, 1, 1e-9) << workload.name;
        std::array<double, kind_names.size()> seen{};
        for (int i = 0; i < 100'000; i++)
            seen[static_cast<std::size_t>(workload.choose(random.unit()))] += 1e-5;
        for (std::size_t i = 0; i < seen.size(); i++)
            EXPECT_NEAR(seen[i], workload.share[i], 0.01) << workload.name << kind_names[i];
    }
    EXPECT_TRUE(workload("ycsb-a").writes());
    EXPECT_FALSE(workload("ycsb-c").writes());
    EXPECT_THROW(workload("ycsb-g"), Error);
}

TEST(Workloads, NobodyLooksForWhatIsNotWritten) {
    Sequence sequence(100);
    EXPECT_EQ(sequence.claim(), 100u);
    EXPECT_EQ(sequence.claim(), 101u);
    sequence.done(101);
    EXPECT_EQ(sequence.there(), 100u);
    sequence.done(100);
    EXPECT_EQ(sequence.there(), 102u);
    const Zipf zipf(100, 0.99);
    const Chooser latest(Popularity::latest, zipf, 100, sequence);
    Random random(1);
    std::map<std::uint64_t, int> seen;
    for (int i = 0; i < 10'000; i++)
        seen[latest.choose(random)]++;
    EXPECT_LE(seen.rbegin()->first, 101u);
    EXPECT_GT(seen[101], seen[100]); // the newest is the most popular
}

class Engines : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        bool built = false;
        for (const EngineInfo& info : engines())
            built = built || (info.name == GetParam() && info.open);
        if (!built)
            GTEST_SKIP() << GetParam() << " is not in this build";
        char name[] = "/tmp/pp-kv-test-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder_ = name;
        database_.engine = GetParam();
        database_.records = 2000;
        database_.value_bytes = 300;
        load(folder_, database_);
        options_.records = database_.records;
        options_.value_bytes = database_.value_bytes;
    }
    void TearDown() override {
        if (!folder_.empty())
            fs::remove_all(folder_);
    }

    std::unique_ptr<Engine> open(bool write = false, Advice advice = {}) {
        return engine(GetParam())
            .open({.folder = folder_,
                   .write = write,
                   .records = 2 * database_.records,
                   .value_bytes = database_.value_bytes,
                   .threads = 8,
                   .advice = advice});
    }
    RunResult run_workload(const char* name, Advice advice = {}) {
        options_.workload = workload(name);
        const auto engine = open(options_.workload.writes(), advice);
        return run(*engine, options_);
    }

    std::string folder_;
    Database database_;
    RunOptions options_;
};

INSTANTIATE_TEST_SUITE_P(All, Engines, ::testing::Values("lmdb", "leveldb", "rocksdb", "sqlite"),
                         [](const auto& info) { return info.param; });

TEST_P(Engines, RoundTrip) {
    EXPECT_THROW(load(folder_, database_), Error); // not into a folder that holds something
    const Database found = read_folder(folder_, GetParam());
    EXPECT_EQ(found.records, 2000u);
    EXPECT_GT(found.disk_bytes, 2000u * 300);
    EXPECT_THROW(read_folder(folder_ + "/x", GetParam()), Error);

    const auto engine = open(true);
    const auto session = engine->session(Purpose::point);
    std::string value(300, '\0');
    const auto holds = [&](std::uint64_t record, std::uint64_t version) {
        std::string expected(300, '\0');
        fill_value(expected, record, version, database_.seed);
        std::string read;
        const bool there = session->get(key_of(record), [&](auto, std::string_view v) {
            read = v;
            return true;
        });
        return there && read == expected;
    };
    EXPECT_TRUE(holds(0, 0));
    EXPECT_TRUE(holds(1999, 0));
    EXPECT_FALSE(session->get(key_of(2000), [](auto, auto) { return true; }));
    for (const std::uint64_t record : {7u, 2000u}) { // an update, an insert
        fill_value(value, record, 5, database_.seed);
        session->put(key_of(record), value);
        EXPECT_TRUE(holds(record, 5));
    }
    std::string last;
    std::uint64_t count = 0;
    session->scan({}, [&](std::string_view key, std::string_view) {
        EXPECT_LT(last, key);
        last = key;
        count++;
        return true;
    });
    EXPECT_EQ(count, 2001u);
    const std::string from = key_of(7);
    session->scan(from, [&](std::string_view key, std::string_view) {
        EXPECT_EQ(key, from);
        return false;
    });
}

TEST_P(Engines, InterleavedReadsAreTheSameInEveryEngine) {
    options_.scans = 2;
    options_.interleave = 10;
    options_.warm_up = 0.5;
    const RunResult result = run_workload("get-scan");
    ASSERT_EQ(result.roles.size(), 2u);
    EXPECT_EQ(result.roles[0].operations, 400u);
    EXPECT_EQ(result.roles[1].operations, 4000u);
    EXPECT_EQ(result.roles[1].scans, 2u);
    EXPECT_EQ(result.roles[0].not_found, 0u);
    EXPECT_EQ(hex(result.roles[0].checksum), "44741052c9da8c3e");
    EXPECT_EQ(hex(result.roles[1].checksum), "979ba3e98d297dce");
}

TEST_P(Engines, AmountsAreKept) {
    options_.threads = 3;
    options_.operations = 1000;
    options_.warm_up = 0.2;
    const RunResult together = run_workload("get-scan");
    ASSERT_EQ(together.roles.size(), 2u);
    EXPECT_EQ(together.roles[0].operations, 1000u);
    EXPECT_EQ(together.roles[0].latency.count(), 1000u);
    std::uint64_t sum = 0;
    for (const std::uint64_t n : together.roles[0].intervals)
        sum += n;
    EXPECT_EQ(sum, 1000u);

    options_.points = false;
    options_.scans = 3;
    const RunResult alone = run_workload("get-scan");
    ASSERT_EQ(alone.roles.size(), 1u);
    EXPECT_EQ(alone.roles[0].name, "scan");
    EXPECT_EQ(alone.roles[0].operations, 3 * 2000u);
}

TEST_P(Engines, ByTimeAndInterrupted) {
    options_.seconds = 0.2;
    EXPECT_GE(run_workload("get-scan").seconds, 0.19);
    std::atomic<bool> interrupted{true};
    options_.seconds = 0;
    options_.interrupted = &interrupted;
    options_.points = false;
    EXPECT_TRUE(run_workload("get-scan").interrupted);
}

TEST_P(Engines, YcsbFindsWhatItLooksFor) {
    options_.threads = 2;
    options_.operations = 500;
    for (const char* name : {"ycsb-a", "ycsb-d", "ycsb-e", "ycsb-f", "insert", "uniform"}) {
        const RunResult result = run_workload(name);
        EXPECT_EQ(result.roles.at(0).operations, 500u) << name;
        EXPECT_EQ(result.roles.at(0).not_found, 0u) << name;
    }
    if (GetParam() == "sqlite")
        EXPECT_EQ(run_workload("lookup-scan").roles.at(0).not_found, 0u);
    else
        EXPECT_THROW(run_workload("lookup-scan"), Error);
}

TEST_P(Engines, AdviceDoesNotChangeWhatIsRead) {
    options_.scans = 1;
    options_.interleave = 10;
    const std::uint64_t expected = run_workload("get-scan").roles.at(0).checksum;
    for (const std::string_view word : engine(GetParam()).advice) {
        Advice advice;
        advice.random = word == "random";
        advice.normal = word == "normal";
        advice.behind = word == "behind";
        advice.lock_index = word == "lock-index";
        advice.lock_hot = word == "lock-hot" ? 40960 : 0;
        EXPECT_EQ(run_workload("get-scan", advice).roles.at(0).checksum, expected) << word;
        if (advice.lock_hot) {
            std::uint64_t record = 0;
            const auto engine = open(false, advice);
            EXPECT_EQ(engine->lock_hot([&](std::string& key) {
                key = key_of(record);
                return record++ < 2000;
            }),
                      40960u);
        }
    }
}

} // namespace
} // namespace pagepatrol::bench::kv
