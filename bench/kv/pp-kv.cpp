// SPDX-License-Identifier: Apache-2.0
//
// pp-kv: fills a key-value store and runs a workload on it, through the unmodified library
// of LMDB, LevelDB, RocksDB or SQLite. It knows nothing of PagePatrol: policy is only what a
// preloaded shim adds.
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>

#include "../error.hpp"
#include "../output_file.hpp"
#include "../text.hpp"
#include "load.hpp"
#include "records.hpp"
#include "report.hpp"

using namespace pagepatrol::bench;
using namespace pagepatrol::bench::kv;

namespace {

constexpr char usage[] =
    "usage: pp-kv load ENGINE FOLDER --records N [--value-size BYTES] [--seed N]\n"
    "       pp-kv run ENGINE FOLDER --workload NAME (--seconds N | --operations N | --scans N)\n"
    "                 [--role both|get|scan] [--threads N] [--interleave N] [--warm-up SHARE]\n"
    "                 [--theta X] [--seed N] [--interval SECONDS] [--advise WORDS] [--json FILE]\n"
    "  --records N      so many records, keys of 16 bytes, values of --value-size (1024)\n"
    "  --seconds N      measure for N seconds\n"
    "  --operations N   until all point threads together have done N operations\n"
    "  --scans N        until N full scans are done. A role without a limit goes on until the\n"
    "                   others have reached theirs, or until SIGTERM or SIGINT\n"
    "  --interleave N   one look-up after N scanned records, all in one thread: the same\n"
    "                   accesses in each run; needs --scans\n"
    "  --role ROLE      get-scan, lookup-scan: only one of both, for a process of each\n"
    "  --threads N      point threads (1)\n"
    "  --warm-up SHARE  of the seconds or operations comes first and is not counted (0.1)\n"
    "  --theta X        exponent of the Zipf distribution, below 1 (0.99)\n"
    "  --advise WORDS   what the program's author could do himself: random, normal,\n"
    "                   behind, lock-hot=BYTES, lock-index; with commas between\n"
    "  --json FILE      results as JSON (- for stdout; the table then goes to stderr)\n";

struct CommandLine {
    std::string command, folder, workload, role = "both", advise, json;
    Database database;
    RunOptions run;
};

std::atomic<bool> interrupted{false};
void on_signal(int) {
    interrupted = true;
}

double real(std::string_view text, std::string_view what, double min, double max) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= min && value <= max))
        throw Error(std::string(what) + ": expected a number from " + std::to_string(min) + " to " +
                    std::to_string(max) + ", found '" + std::string(text) + "'");
    return value;
}

// false: bad usage
bool parse(int argc, char** argv, CommandLine& line) {
    enum {
        records = 256,
        value_size,
        seed,
        workload,
        seconds,
        operations,
        scans,
        interleave,
        role,
        threads,
        warm_up,
        theta,
        interval,
        advise,
        json
    };
    static const option longs[] = {{"records", required_argument, nullptr, records},
                                   {"value-size", required_argument, nullptr, value_size},
                                   {"seed", required_argument, nullptr, seed},
                                   {"workload", required_argument, nullptr, workload},
                                   {"seconds", required_argument, nullptr, seconds},
                                   {"operations", required_argument, nullptr, operations},
                                   {"scans", required_argument, nullptr, scans},
                                   {"interleave", required_argument, nullptr, interleave},
                                   {"role", required_argument, nullptr, role},
                                   {"threads", required_argument, nullptr, threads},
                                   {"warm-up", required_argument, nullptr, warm_up},
                                   {"theta", required_argument, nullptr, theta},
                                   {"interval", required_argument, nullptr, interval},
                                   {"advise", required_argument, nullptr, advise},
                                   {"json", required_argument, nullptr, json},
                                   {"help", no_argument, nullptr, 'h'},
                                   {}};
    RunOptions& run = line.run;
    line.database.value_bytes = 1024;
    constexpr std::uint64_t many = std::uint64_t{1} << 40;
    for (int c; (c = getopt_long(argc, argv, "h", longs, nullptr)) != -1;) {
        switch (c) {
        case records:
            line.database.records = number(optarg, "--records", many, true);
            break;
        case value_size:
            line.database.value_bytes = number(optarg, "--value-size", 1 << 20, true);
            break;
        case seed:
            run.seed = line.database.seed = number(optarg, "--seed", INT64_MAX);
            break;
        case workload:
            line.workload = optarg;
            break;
        case seconds:
            run.seconds = real(optarg, "--seconds", 0.01, 1e6);
            break;
        case operations:
            run.operations = number(optarg, "--operations", many, true);
            break;
        case scans:
            run.scans = number(optarg, "--scans", many);
            break;
        case interleave:
            run.interleave = number(optarg, "--interleave", many);
            break;
        case role:
            line.role = optarg;
            break;
        case threads:
            run.threads = static_cast<unsigned>(number(optarg, "--threads", 1024));
            break;
        case warm_up:
            run.warm_up = real(optarg, "--warm-up", 0, 100);
            break;
        case theta:
            run.theta = real(optarg, "--theta", 0.01, 0.9999);
            break;
        case interval:
            run.interval = real(optarg, "--interval", 0.001, 1e6);
            break;
        case advise:
            line.advise = optarg;
            break;
        case json:
            line.json = optarg;
            break;
        case 'h':
            std::cout << usage << "workloads:\n";
            for (const Workload& w : workloads())
                std::cout << "  " << w.name << ": " << w.what << '\n';
            exit(0);
        default:
            return false;
        }
    }
    if (argc - optind != 3)
        return false;
    line.command = argv[optind];
    line.database.engine = argv[optind + 1];
    line.folder = argv[optind + 2];
    return line.command == "load" || line.command == "run";
}

Advice parse_advice(std::string_view words, const EngineInfo& info) {
    Advice advice;
    while (!words.empty()) {
        const std::size_t comma = words.find(',');
        const std::string_view word = words.substr(0, comma);
        words = comma == words.npos ? "" : words.substr(comma + 1);
        const std::string_view name = word.substr(0, word.find('='));
        if (std::find(info.advice.begin(), info.advice.end(), name) == info.advice.end())
            throw Error("--advise " + std::string(word) + ": " + std::string(info.name) +
                        " does not allow it: " + std::string(info.no_advice));
        if (name == "random")
            advice.random = true;
        else if (name == "normal")
            advice.normal = true;
        else if (name == "behind")
            advice.behind = true;
        else if (name == "lock-index")
            advice.lock_index = true;
        else if (word.size() > name.size())
            advice.lock_hot =
                number(word.substr(name.size() + 1), "--advise lock-hot", 1ull << 50, true);
        else
            throw Error("--advise lock-hot: expected lock-hot=BYTES");
    }
    return advice;
}

void load_command(CommandLine& line) {
    Database& database = line.database;
    if (database.records == 0)
        throw Error("load: --records is missing");
    if (database.value_bytes < min_value_bytes)
        throw Error("load: --value-size: expected at least " + std::to_string(min_value_bytes));
    const std::string layout = load(line.folder, database);
    std::cout << database.engine << ": " << database.records << " records of " << key_bytes << " + "
              << database.value_bytes << " bytes, " << database.disk_bytes << " bytes on disk\n"
              << layout;
}

void check_run(const CommandLine& line, const EngineInfo& info) {
    const RunOptions& run = line.run;
    const Workload& w = run.workload;
    if (line.role != "both" && line.role != "get" && line.role != "scan")
        throw Error("--role: expected both, get or scan, found '" + line.role + "'");
    if (!w.full_scans && (line.role == "scan" || run.scans || run.interleave))
        throw Error("--role scan, --scans and --interleave: the workload " + std::string(w.name) +
                    " has no full scans; expected get-scan or lookup-scan");
    if (line.role != "both" && !info.processes)
        throw Error("--role " + line.role + ": " + std::string(info.name) +
                    " allows one process only; expected --role both");
    if (run.seconds > 0 && (run.operations || run.scans))
        throw Error("--seconds excludes --operations and --scans");
    if (run.interleave && (line.role != "both" || run.threads != 1 || !run.scans || run.operations))
        throw Error(
            "--interleave: expected --scans, and neither --role, --threads nor --operations");
    if (w.has(Kind::look_up) && info.name != "sqlite")
        throw Error("lookup-scan: only sqlite has an index apart from the values");
    // a scanner alone may be ended by a signal; point threads are not
    if (run.seconds == 0 && !run.operations && !run.scans && line.role != "scan")
        throw Error("expected --seconds, --operations or --scans");
}

void run_command(CommandLine& line) {
    const EngineInfo& info = engine(line.database.engine);
    RunOptions& options = line.run;
    options.workload = workload(line.workload);
    check_run(line, info);
    options.points = line.role != "scan";
    options.scanner = line.role != "get";
    OutputFile json(line.json);

    Facts facts{read_folder(line.folder, line.database.engine), {}, line.advise, line.role};
    options.records = facts.database.records;
    options.value_bytes = facts.database.value_bytes;
    options.interrupted = &interrupted;
    const EngineOptions engine_options{
        .folder = line.folder,
        .write = options.workload.writes(),
        .records = options.records + (options.workload.has(Kind::insert) ? options.records : 0),
        .value_bytes = options.value_bytes,
        .threads = options.threads + 1,
        .advice = parse_advice(line.advise, info)};
    const std::unique_ptr<Engine> engine = info.open(engine_options);
    facts.engine_version = engine->version();
    if (engine_options.advice.lock_hot && options.points) {
        std::uint64_t record = 0;
        facts.locked_bytes = engine->lock_hot([&](std::string& key) {
            key = key_of(record);
            return record++ < options.records;
        });
    }

    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    const RunResult result = run(*engine, options);
    write_table(line.json == "-" ? std::cerr : std::cout, result);
    if (json)
        write_json(json.stream(), facts, options, result);
    json.finish();
}

} // namespace

int main(int argc, char** argv) {
    CommandLine line;
    try {
        if (!parse(argc, argv, line)) {
            std::cerr << usage;
            return 2;
        }
        line.command == "load" ? load_command(line) : run_command(line);
    } catch (const std::exception& error) {
        std::cerr << "pp-kv: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
