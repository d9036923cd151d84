// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's TOML file: what it says and how a pattern reads its own part
// of it. Checks everything before the first access; does not open files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapped_file.hpp"
#include "random.hpp"
#include "recorder.hpp"

namespace pagepatrol::bench {

// What a pattern works with while it runs.
struct Run {
    Recorder& recorder;
    Random random;
    const std::vector<MappedFile>& files; // index: order of Config::files
};

using Body = std::function<void(Run&)>;

// One table of the config. Getters throw Error with file, line, column and key;
// finish() refuses keys that no getter asked for.
class Section {
  public:
    struct Impl;
    explicit Section(std::unique_ptr<Impl> impl);
    ~Section();

    // without a fallback the key is required
    std::int64_t integer(std::string_view key, std::int64_t min, std::int64_t max,
                         std::optional<std::int64_t> fallback = {});
    double real(std::string_view key, double min, double max, std::optional<double> fallback = {});
    bool flag(std::string_view key, bool fallback);
    std::string text(std::string_view key, std::optional<std::string> fallback = {});
    // the position of the value in `choices`
    std::size_t choice(std::string_view key, const std::vector<std::string_view>& choices,
                       std::size_t fallback);
    // the index of one of the config's files, given by name
    std::size_t file(std::string_view key);
    void mark_known(std::string_view key); // read by other means
    void finish() const;

  private:
    std::unique_ptr<Impl> impl_;
};

struct Step {
    std::string name;
    std::string pattern;
    Body body;
};

struct Config {
    std::string source;
    std::uint64_t seed = 1;
    std::int64_t iterations = 1;
    std::vector<FileSpec> files;
    std::vector<Step> steps;
};

// `settings`: "key=value" from the command line, with keys like seed,
// files.hot.path, step.loop.passes; they replace or add to what the file says.
Config load_config(const std::string& path, const std::vector<std::string>& settings);
Config parse_config(std::string_view document, const std::string& source,
                    const std::vector<std::string>& settings);

} // namespace pagepatrol::bench
