// SPDX-License-Identifier: Apache-2.0
// A program under the shim that gets no policy, for whatever reason, runs as if the
// shim were not there, and where something was asked for, stderr says why.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "arms.hpp"

namespace vmtest {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string shim() {
    return built("shim/libpagepatrol.so");
}

/// What a small search finds, without the shim.
const Ended& plain_search() {
    static const Ended ended = run({search_command(Data::need("hot"))});
    return ended;
}

void expect_same_result(const Ended& ended) {
    EXPECT_TRUE(plain_search().good()) << plain_search().text();
    EXPECT_EQ(ended.exit_status, plain_search().exit_status) << ended.text();
    EXPECT_EQ(ended.out, plain_search().out) << ended.text();
}

std::ptrdiff_t lines(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
}

/// Everybody may read and run what the build made, wherever the build is.
class PublicCopy {
  public:
    PublicCopy() {
        for (const char* name : {"shim/libpagepatrol.so", "bench/pp-bench", "tests/vm/hold"}) {
            const fs::path to = path(fs::path(name).filename().string());
            fs::copy_file(built(name), to);
            fs::permissions(to, fs::perms(0755));
        }
        std::string script = read_file(built("pp-run"));
        const auto at = script.find(shim());
        if (at == std::string::npos)
            throw std::runtime_error("pp-run does not name " + shim());
        script.replace(at, shim().size(), path("libpagepatrol.so"));
        fs::permissions(folder_.file("pp-run", script), fs::perms(0755));
    }
    std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
    std::string file(std::string_view name, std::string_view text) const {
        return folder_.file(name, text);
    }
    static Argv as_nobody(Argv command) {
        const Argv prefix = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"};
        command.insert(command.begin(), prefix.begin(), prefix.end());
        return command;
    }

  private:
    TemporaryFolder folder_;
};

TEST(Harmless, NoPolicyNoTrace) {
    const std::string file = Data::need("hot");
    const Json before = pagepatrol_ctl::status();
    const MemoryCgroup cgroup(MemoryCgroup::no_limit);
    Child child({{built("tests/vm/hold"), file},
                 {{"LD_PRELOAD", shim()}, {"HOME", "/nonexistent"}, {"XDG_CONFIG_HOME", ""}},
                 cgroup.path()});
    ASSERT_NE(child.ask("touch"), "");
    const Json during = pagepatrol_ctl::status();
    EXPECT_EQ(pagepatrol_ctl::process(during, child.pid()), nullptr) << "it has ranges";
    EXPECT_EQ(during["processes"].array().size(), 0u);
    EXPECT_EQ(pagepatrol_ctl::subscriptions(), 0u);
    const Ended ended = child.wait();
    EXPECT_TRUE(ended.good()) << ended.text();
    EXPECT_EQ(ended.err, "");
    const Json after = pagepatrol_ctl::status();
    for (const char* counter : {"uploads", "refused", "faults"})
        EXPECT_EQ(pagepatrol_ctl::total(after, counter), pagepatrol_ctl::total(before, counter))
            << counter;
}

TEST(Harmless, BadPolicyIsToldWithItsPlace) {
    const TemporaryFolder folder;
    const std::string policy = folder.file("bad.toml", "schema = 1\n"
                                                       "[[rule]]\n"
                                                       "path = \"/a[\"\n"
                                                       "action = \"pim\"\n"
                                                       "colour = 3\n"
                                                       "min_size = \"3 apples\"\n");
    const Ended ended = run({under({policy}, search_command(Data::need("hot")))});
    expect_same_result(ended);
    // the places of the bad values, or of the key that is unknown
    for (const char* place : {":3:", ":4:", ":5:", ":6:"})
        EXPECT_NE(ended.err.find("pagepatrol: " + policy + place), std::string::npos)
            << "nothing about line " << place << '\n'
            << ended.err;
    for (const char* word : {"path", "action", "\"pim\"", "colour", "min_size", "expected"})
        EXPECT_NE(ended.err.find(word), std::string::npos) << word << '\n' << ended.err;
    EXPECT_NE(ended.err.find("runs without policy"), std::string::npos) << ended.err;
}

TEST(Harmless, SyntaxErrorIsToldWithItsPlace) {
    const TemporaryFolder folder;
    const std::string policy = folder.file("syntax.toml", "schema = 1\n[[rule]\npath = \"**\"\n");
    const Ended ended = run({under({policy}, search_command(Data::need("hot")))});
    expect_same_result(ended);
    EXPECT_NE(ended.err.find("pagepatrol: " + policy + ":2:"), std::string::npos) << ended.err;
    EXPECT_EQ(lines(ended.err), 2) << ended.err; // the error, and what happens instead
}

TEST(Harmless, UnreadablePolicyIsTold) {
    const PublicCopy copy;
    const std::string policy = copy.file("secret.toml", "schema = 1\n");
    fs::permissions(policy, fs::perms(0600)); // root's
    const Argv search = search_command(Data::need("hot"));
    // through pp-run, and by the shim alone
    Argv with_pp_run = {copy.path("pp-run"), "--policy", policy, "--"};
    with_pp_run.insert(with_pp_run.end(), search.begin(), search.end());
    const Ended wrapped = run({PublicCopy::as_nobody(with_pp_run)});
    expect_same_result(wrapped);
    EXPECT_NE(wrapped.err.find(policy), std::string::npos) << wrapped.err;
    EXPECT_EQ(lines(wrapped.err), 1) << wrapped.err;

    Argv alone = {"env", "LD_PRELOAD=" + copy.path("libpagepatrol.so"),
                  "PAGEPATROL_POLICY=" + policy};
    alone.insert(alone.end(), search.begin(), search.end());
    const Ended preloaded = run({PublicCopy::as_nobody(alone)});
    expect_same_result(preloaded);
    EXPECT_NE(preloaded.err.find("pagepatrol: " + policy), std::string::npos) << preloaded.err;
    EXPECT_NE(preloaded.err.find("Permission denied"), std::string::npos) << preloaded.err;
}

TEST(Harmless, KernelSideMissingIsToldOnce) {
    const Argv search = search_command(Data::need("hot"));
    const pagepatrol_ctl::LoadedAtEnd loaded;
    const Ended unloaded = pagepatrol_ctl::unload();
    ASSERT_TRUE(unloaded.good()) << unloaded.text();
    EXPECT_FALSE(pagepatrol_ctl::module_inserted());
    const Json status = pagepatrol_ctl::status();
    EXPECT_EQ(status["module"].boolean(), pagepatrol_ctl::built_in());
    EXPECT_FALSE(status["loaded"].boolean());

    const Ended ended = run({under({"ripgrep.toml"}, search)});
    expect_same_result(ended);
    EXPECT_EQ(lines(ended.err), 1) << ended.err;
    EXPECT_NE(ended.err.find("ppctl load"), std::string::npos) << ended.err;

    // a second unload: nothing to do is an error that says so, and harms nothing
    EXPECT_EQ(pagepatrol_ctl::unload().exit_status, 1);
}

TEST(Harmless, UnprivilegedUserMayHavePolicies) {
    const PublicCopy copy;
    const std::string policy =
        copy.file("policy.toml", read_file(source("policies/hot-and-scan.toml")));
    const std::string config =
        copy.file("config.toml", read_file(source("bench/configs/hot-and-scan.toml")));
    const std::string scan = Data::need("loop"); // the smaller file scans as well
    const std::string link = Data::folder + "/scan-of-loop";
    std::error_code ignored;
    fs::create_hard_link(scan, link, ignored);
    Data::need("hot");
    // owned by root, readable for all: what stream may drop behind any reader
    fs::permissions(scan, fs::perms(0644));
    fs::permissions(Data::folder + "/hot", fs::perms(0644));
    const Argv command =
        PublicCopy::as_nobody({copy.path("pp-run"), "--policy", policy, "--", copy.path("pp-bench"),
                               config, "--json", "-", "--set", "files.scan.path=scan-of-loop"});
    drop_caches();
    for (const char* name : {"pp-bench", "hold"})
        run({PublicCopy::as_nobody(
            {copy.path("pp-run"), "--policy", policy, "--", copy.path(name), "--help"})});
    const Json before = pagepatrol_ctl::status();
    const MemoryCgroup cgroup(bench_limit);
    Child child({command, {}, cgroup.path()});
    std::size_t ranges = 0;
    double uid = -1;
    EXPECT_TRUE(wait_until(
        [&] {
            const Json now = pagepatrol_ctl::status();
            const Json* process = pagepatrol_ctl::process(now, child.pid());
            if (process) {
                ranges = (*process)["ranges"].array().size();
                uid = (*process)["uid"].number();
            }
            return ranges == 2 || !child.running();
        },
        60s));
    const Ended ended = child.wait();
    expect_undisturbed(ended);
    EXPECT_EQ(ranges, 2u) << "hot and scan are to be seen in ppctl status while it runs";
    EXPECT_EQ(uid, 65534);
    const Bench bench = read_bench(ended);
    const std::uint64_t dropped = pagepatrol_ctl::total(pagepatrol_ctl::status(), "dropped") -
                                  pagepatrol_ctl::total(before, "dropped");
    report("hot_fault_share", bench.hot_fault_share());
    report("pages_dropped", static_cast<double>(dropped));
    EXPECT_LE(bench.hot_fault_share(), 0.005);
    // two passes over 137 MiB with some 30 MiB of room
    EXPECT_GE(dropped, Data::loop / page_size) << "the scan did not clean up behind itself";
    fs::remove(link, ignored);
}

} // namespace
} // namespace vmtest
