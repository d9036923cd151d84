// SPDX-License-Identifier: Apache-2.0
//
// The patterns on a small real file: how many accesses, how many hot ones, and
// the same ones again with the same seed.
#include "patterns.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "error.hpp"
#include "graph.hpp"

namespace pagepatrol::bench {
namespace {

class Patterns : public ::testing::Test {
  protected:
    static constexpr std::uint64_t pages = 100;

    void SetUp() override {
        char name[] = "/tmp/pp-bench-test-XXXXXX";
        const int fd = mkstemp(name);
        ASSERT_GE(fd, 0);
        path_ = name;
        Random random(1);
        std::vector<std::uint64_t> content(pages * page_size() / 8);
        for (auto& word : content)
            word = random.next();
        const std::size_t bytes = content.size() * 8;
        ASSERT_EQ(write(fd, content.data(), bytes), static_cast<ssize_t>(bytes));
        close(fd);
    }
    void TearDown() override { unlink(path_.c_str()); }

    StepResult run(const std::string& step, std::uint64_t seed = 1) {
        const std::string files =
            "[files.a]\npath = \"" + path_ + "\"\n[files.b]\npath = \"" + path_ + "\"\n[[step]]\n";
        const Config config = parse_config(files + step, "c.toml", {});
        std::vector<MappedFile> mapped;
        for (const FileSpec& spec : config.files)
            mapped.emplace_back(spec);
        Recorder recorder;
        bench::Run run{recorder, Random(seed), mapped};
        config.steps.at(0).body(run);
        return recorder.finish();
    }

    std::string path_;
};

TEST_F(Patterns, SequentialReadsRunsAndSkipsGaps) {
    const StepResult r = run("pattern=\"sequential\"\nfile=\"a\"\nrun=8\ngap=24\npasses=2");
    // runs start at 0, 32, 64, 96; the last one is cut off at 100
    EXPECT_EQ(r.total.accesses, 2u * (8 + 8 + 8 + 4));
    EXPECT_EQ(r.passes.size(), 2u);
}

TEST_F(Patterns, LoopReportsEachPass) {
    const StepResult r = run("pattern=\"loop\"\nfile=\"a\"\npasses=3");
    ASSERT_EQ(r.passes.size(), 3u);
    for (const Counts& pass : r.passes)
        EXPECT_EQ(pass.accesses, pages);
    EXPECT_EQ(r.total.accesses, 3 * pages);
    EXPECT_EQ(r.total.hot_accesses, 0u);
}

TEST_F(Patterns, CyclicBurstWraps) {
    const StepResult r =
        run("pattern=\"cyclic-burst\"\nfile=\"a\"\nwindow=30\nstride=250\nbursts=7\nrepeats=2");
    EXPECT_EQ(r.total.accesses, 7u * 30 * 2);
}

TEST_F(Patterns, RandomRegion) {
    const StepResult r =
        run("pattern=\"random-region\"\nfile=\"a\"\nshare=0.1\nrepeats=3\nregions=2");
    EXPECT_EQ(r.total.accesses, 2u * 10 * 3);
    // a share of nothing is one page
    EXPECT_EQ(run("pattern=\"random-region\"\nfile=\"a\"\nshare=0\nrepeats=3").total.accesses, 3u);
}

TEST_F(Patterns, ReaccessCountsOldPagesAsHot) {
    const StepResult always = run("pattern=\"reaccess\"\nfile=\"a\"\nprobability=1");
    EXPECT_EQ(always.total.accesses, 2 * pages - 1);
    EXPECT_EQ(always.total.hot_accesses, pages - 1);
    const StepResult never = run("pattern=\"reaccess\"\nfile=\"a\"\nprobability=0");
    EXPECT_EQ(never.total.hot_accesses, 0u);
}

TEST_F(Patterns, HotAndScanDoesNotCountTheWarmUp) {
    for (const char* more : {"", "\nzipf=0.99", "\norder=\"random\""}) {
        const StepResult r =
            run("pattern=\"hot-and-scan\"\nhot=\"a\"\nscan=\"b\"\nratio=4\npasses=2" +
                std::string(more));
        EXPECT_EQ(r.total.hot_accesses, 2 * pages / 4);
        EXPECT_EQ(r.total.accesses, 2 * (pages + pages / 4));
        EXPECT_EQ(r.passes.size(), 2u);
    }
}

TEST_F(Patterns, HotAndScanScansAShare) {
    for (const char* order : {"forward", "random"}) {
        const StepResult r =
            run("pattern=\"hot-and-scan\"\nhot=\"a\"\nscan=\"b\"\nratio=4\npasses=1\n"
                "share=0.5\norder=\"" +
                std::string(order) + "\"");
        EXPECT_EQ(r.total.hot_accesses, (pages / 2 + 3) / 4);
        EXPECT_EQ(r.total.accesses, pages / 2 + (pages / 2 + 3) / 4);
    }
}

TEST_F(Patterns, SameSeedSameChecksum) {
    const std::string step = "pattern=\"hot-and-scan\"\nhot=\"a\"\nscan=\"b\"\nratio=2";
    EXPECT_EQ(run(step, 5).checksum, run(step, 5).checksum);
    EXPECT_NE(run(step, 5).checksum, run(step, 6).checksum);
}

TEST_F(Patterns, GraphWalkRefusesWhatIsNoGraph) {
    const std::string step = "pattern=\"graph-walk\"\nfile=\"a\"\nwalks=1\nsteps=1";
    EXPECT_THROW(run(step), Error);
    // a header that claims more than the file has
    const GraphHeader header{graph_magic, 1000000, 5, graph_alignment, 2 * graph_alignment};
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.close();
    EXPECT_THROW(run(step), Error);
}

TEST_F(Patterns, GraphWalk) {
    // a ring of ten nodes; node 9 is a dead end
    GraphHeader header{graph_magic, 10, 9, graph_alignment, 2 * graph_alignment};
    std::vector<std::uint64_t> index;
    std::vector<std::uint32_t> edges;
    for (std::uint32_t i = 0; i < 10; i++) {
        index.push_back(i);
        edges.push_back((i + 1) % 10);
    }
    index.push_back(9);
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.seekp(static_cast<std::streamoff>(header.index_offset));
    file.write(reinterpret_cast<const char*>(index.data()),
               static_cast<std::streamsize>(index.size() * 8));
    file.seekp(static_cast<std::streamoff>(header.edges_offset));
    file.write(reinterpret_cast<const char*>(edges.data()),
               static_cast<std::streamsize>(edges.size() * 4));
    file.close();
    const StepResult r = run("pattern=\"graph-walk\"\nfile=\"a\"\nwalks=3\nsteps=50");
    EXPECT_EQ(r.total.hot_accesses, 3u * 50 * 2);
    EXPECT_GT(r.total.accesses, r.total.hot_accesses);
}

TEST(Zipf, PrefersLowRanksAndStaysInBounds) {
    for (const std::uint64_t n : {1u, 2u, 3u, 1000u}) {
        const Zipf zipf(n, 0.99);
        Random random(3);
        std::uint64_t first = 0;
        for (int i = 0; i < 10000; i++) {
            const std::uint64_t rank = zipf.rank(random);
            ASSERT_LT(rank, n);
            ASSERT_LT(zipf.scattered(random), n);
            first += rank == 0;
        }
        EXPECT_GT(first, 1000u); // uniform would be 10 of 1000 ranks
    }
}

} // namespace
} // namespace pagepatrol::bench
