// SPDX-License-Identifier: Apache-2.0
// See arms.hpp.
#include "arms.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <stdexcept>

namespace vmtest {

const Argv hot_and_scan_settings = {"step.hot-and-scan.passes=1"};

Argv under(const Arm& arm, Argv command) {
    if (arm.policy.empty())
        return command;
    const std::string file = arm.policy[0] == '/' ? arm.policy : source("policies/" + arm.policy);
    const Argv prefix = {built("pp-run"), "--policy", file, "--"};
    command.insert(command.begin(), prefix.begin(), prefix.end());
    return command;
}

Argv bench_command(const std::string& config, const Argv& settings) {
    Argv command = {built("bench/pp-bench"),
                    config[0] == '/' ? config : source("bench/configs/" + config),
                    "--json",
                    "-",
                    "--set",
                    "dir=" + Data::folder};
    for (const std::string& setting : settings)
        command.insert(command.end(), {"--set", setting});
    return command;
}

Argv search_command(const std::string& path, int threads) {
    return {"rg", "--mmap", "--no-config", "-c", "-a", "-j" + std::to_string(threads), "wol", path};
}

Argv python(const std::string& driver, Argv arguments) {
    arguments.insert(arguments.begin(),
                     {"/usr/bin/python3", "-I", source("tests/vm/programs/" + driver)});
    return arguments;
}

void cold_caches(const Arm& arm) {
    drop_caches();
    for (const Argv& idle : {Argv{built("bench/pp-bench"), "--help"}, Argv{"rg", "--version"}})
        must_run({under(arm, idle)});
}

double Bench::hot_fault_share() const {
    return static_cast<double>(hot_major_faults) / static_cast<double>(hot_accesses);
}

double Bench::worst_later_pass(std::uint64_t size) const {
    const std::uint64_t worst = *std::max_element(pass_bytes.begin() + 1, pass_bytes.end());
    return static_cast<double>(worst) / static_cast<double>(size);
}

void expect_undisturbed(const Ended& ended, const std::string& may_say) {
    static const std::string shim = "pagepatrol: ";
    if (!ended.good())
        throw std::runtime_error("the program failed: " + ended.text());
    // it speaks when it does not do what the policy asks
    for (std::size_t at = 0; (at = ended.err.find(shim, at)) != std::string::npos;
         at += shim.size())
        if (may_say.empty() || ended.err.compare(at + shim.size(), may_say.size(), may_say) != 0)
            throw std::runtime_error("the policy was not in effect: " + ended.text());
}

Bench read_bench(const Ended& ended) {
    const Json result = Json::parse(ended.out);
    Bench bench;
    for (const Json& step : result["steps"].array()) {
        bench.seconds += step["seconds"].number();
        bench.cpu_seconds += step["user_seconds"].number() + step["system_seconds"].number();
        bench.accesses += step["accesses"].count();
        bench.hot_accesses += step["hot_accesses"].count();
        bench.hot_major_faults += step["hot_major_faults"].count();
        bench.major_faults += step["major_faults"].count();
        bench.checksums.push_back(step["checksum"].string());
        for (const Json& pass : step["passes"].array())
            bench.pass_bytes.push_back(pass["bytes_read"].count());
    }
    return bench;
}

Bench run_bench(const std::string& config, const Argv& settings, const Arm& arm) {
    const bool policy = !arm.policy.empty();
    cold_caches(arm);
    const Json before = pagepatrol_ctl::status();
    const std::uint64_t disk = disk_bytes_read();
    const MemoryCgroup cgroup(arm.limit);
    const Ended ended =
        run({under(arm, bench_command(config, settings)), {}, cgroup.path()}, arm.patience);
    const std::uint64_t read = disk_bytes_read() - disk;
    expect_undisturbed(ended);
    Bench bench = read_bench(ended);
    bench.disk_bytes = read;
    bench.oom_kills = cgroup.oom_kills();
    const Json after = pagepatrol_ctl::status();
    for (const auto& [name, total] : after["totals"].object())
        bench.counters[name] = total.count() - pagepatrol_ctl::total(before, name);
    if (policy && bench.counters["uploads"] == 0)
        throw std::runtime_error("no range reached the kernel: the policy matched nothing");
    return bench;
}

const Bench& default_hot_and_scan() {
    static const Bench bench = [] {
        Data::need("hot");
        Data::need("scan");
        return run_bench("hot-and-scan.toml", hot_and_scan_settings, {});
    }();
    return bench;
}

std::vector<Search> run_searches(const std::string& path, int threads, int runs, const Arm& arm) {
    cold_caches(arm);
    const MemoryCgroup cgroup(arm.limit);
    std::vector<Search> searches;
    std::set<std::string> answers;
    for (int i = 0; i < runs; ++i) {
        const std::uint64_t disk = disk_bytes_read(), hits = cgroup.limit_hits();
        const Ended ended = run({under(arm, search_command(path, threads)), {}, cgroup.path()});
        searches.push_back({disk_bytes_read() - disk, cgroup.limit_hits() - hits});
        expect_undisturbed(ended);
        std::multiset<std::string> lines; // the order of files is rg's own affair
        for (std::size_t at = 0, end; (end = ended.out.find('\n', at)) != std::string::npos;
             at = end + 1)
            lines.insert(ended.out.substr(at, end - at));
        std::string answer;
        for (const std::string& line : lines)
            answer += line + '\n';
        answers.insert(answer);
    }
    if (answers.size() != 1)
        throw std::runtime_error("rg found different things in the same data");
    return searches;
}

void report(const std::string& name, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    testing::Test::RecordProperty(name, text);
    std::printf("  %-36s %s\n", name.c_str(), text);
    std::fflush(stdout);
}

} // namespace vmtest
