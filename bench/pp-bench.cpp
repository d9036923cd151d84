// SPDX-License-Identifier: Apache-2.0
//
// pp-bench: maps files and runs the access patterns that a config names, and
// tells what each step cost. It knows nothing of PagePatrol: policy is only what
// a preloaded shim adds.
#include <getopt.h>

#include <iostream>

#include "config.hpp"
#include "error.hpp"
#include "output.hpp"
#include "output_file.hpp"

using namespace pagepatrol::bench;

namespace {

constexpr char usage[] =
    "usage: pp-bench CONFIG.toml [--set KEY=VALUE]... [--json FILE] [--csv FILE] [--repeat N]\n"
    "  --set KEY=VALUE  replaces a value of the config: dir=/scratch, seed=7,\n"
    "                   files.NAME.path=PATH, step.NAME.passes=3\n"
    "  --json FILE      results as JSON (FILE may be - for stdout; the table then\n"
    "                   goes to stderr)\n"
    "  --csv FILE       results as CSV (or -)\n"
    "  --repeat N       runs all steps N times: the same as --set iterations=N\n";

struct Options {
    std::string config;
    std::vector<std::string> settings;
    std::string json, csv;
};

std::vector<Result> run_steps(const Config& config, const std::vector<MappedFile>& files,
                              std::ostream& table) {
    std::vector<Result> results;
    write_table_head(table);
    for (std::int64_t iteration = 1; iteration <= config.iterations; iteration++) {
        if (config.iterations > 1)
            table << "iteration " << iteration << '\n';
        for (std::size_t i = 0; i < config.steps.size(); i++) {
            Recorder recorder;
            // each step has numbers of its own, whatever runs before it, and the
            // same ones in each iteration
            Run run{recorder, Random(mix64(config.seed + 1) + i), files};
            config.steps[i].body(run);
            results.push_back({iteration, &config.steps[i], recorder.finish()});
            write_table(table, results.back());
        }
    }
    return results;
}

void run(const Options& options) {
    const Config config = load_config(options.config, options.settings);
    OutputFile json(options.json), csv(options.csv);
    std::vector<MappedFile> files;
    for (const FileSpec& spec : config.files)
        files.emplace_back(spec);
    const bool to_stdout = options.json == "-" || options.csv == "-";
    const std::vector<Result> results = run_steps(config, files, to_stdout ? std::cerr : std::cout);
    if (json)
        write_json(json.stream(), config, files, results);
    if (csv)
        write_csv(csv.stream(), results);
    json.finish();
    csv.finish();
}

// false: bad usage
bool parse_options(int argc, char** argv, Options& options) {
    static const option longs[] = {
        {"set", required_argument, nullptr, 's'}, {"json", required_argument, nullptr, 'j'},
        {"csv", required_argument, nullptr, 'c'}, {"repeat", required_argument, nullptr, 'r'},
        {"help", no_argument, nullptr, 'h'},      {}};
    for (int c; (c = getopt_long(argc, argv, "h", longs, nullptr)) != -1;) {
        switch (c) {
        case 's':
            options.settings.push_back(optarg);
            break;
        case 'j':
            options.json = optarg;
            break;
        case 'c':
            options.csv = optarg;
            break;
        case 'r':
            options.settings.push_back("iterations=" + std::string(optarg));
            break;
        case 'h':
            std::cout << usage;
            exit(0);
        default:
            return false;
        }
    }
    if (argc - optind != 1)
        return false;
    options.config = argv[optind];
    return true;
}

} // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse_options(argc, argv, options)) {
        std::cerr << usage;
        return 2;
    }
    try {
        run(options);
    } catch (const std::exception& error) {
        std::cerr << "pp-bench: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
