// SPDX-License-Identifier: Apache-2.0
//
// TOML document and command-line settings -> Config; see config.hpp.
#include "config.hpp"

#include <cstdint>
#include <fstream>
#include <sstream>

#include "error.hpp"
#include "patterns.hpp"
#include "section.hpp"

namespace pagepatrol::bench {

namespace {

Section section_of(const toml::table& table, std::string where, const std::string& source,
                   const std::vector<FileSpec>* files) {
    return Section(
        std::make_unique<Section::Impl>(Section::Impl{&table, std::move(where), source, files}));
}

toml::table parse_toml(std::string_view document, const std::string& source) {
    try {
        return toml::parse(document, source);
    } catch (const toml::parse_error& error) {
        throw Error(position(error.source(), source) +
                    "TOML syntax: " + std::string(error.description()));
    }
}

std::string step_name(const toml::table& step) {
    for (const char* key : {"name", "pattern"})
        if (const auto name = step[key].value<std::string>())
            return *name;
    return {};
}

// The table that the dotted `path` (without its last part) leads to.
toml::table* setting_target(toml::table& root, const std::vector<std::string>& path) {
    toml::table* table = &root;
    for (std::size_t i = 0; table && i + 1 < path.size(); i++) {
        toml::node* node = table->get(path[i]);
        if (toml::array* steps = node ? node->as_array() : nullptr; steps && i + 2 < path.size()) {
            i++; // step.NAME: the first one of that name
            table = nullptr;
            for (toml::node& step : *steps)
                if (step.as_table() && step_name(*step.as_table()) == path[i]) {
                    table = step.as_table();
                    break;
                }
        } else {
            table = node ? node->as_table() : nullptr;
        }
    }
    return table;
}

void apply_setting(toml::table& root, const std::string& setting) {
    const std::string source = std::string(set_prefix) + setting;
    const std::size_t equals = setting.find('=');
    if (equals == 0 || equals == setting.npos)
        throw Error(source + ": expected KEY=VALUE");
    std::vector<std::string> path;
    std::istringstream keys(setting.substr(0, equals));
    for (std::string part; std::getline(keys, part, '.');)
        path.push_back(part);
    toml::table* target = setting_target(root, path);
    if (!target || path.back().empty())
        throw Error(source + ": expected a key such as seed, files.NAME.path or step.NAME.passes, "
                             "where the config has that file or step");

    // a number, a flag or a quoted string; anything else is a string as it stands
    const std::string text = setting.substr(equals + 1);
    toml::table parsed;
    try {
        parsed = toml::parse("v = " + text, source);
    } catch (const toml::parse_error&) {
        std::ostringstream quoted;
        quoted << "v = " << toml::value<std::string>(text);
        parsed = parse_toml(quoted.str(), source);
    }
    parsed.get("v")->visit(
        [&](auto& value) { target->insert_or_assign(path.back(), std::move(value)); });
}

std::vector<FileSpec> read_files(const toml::table* table, const std::string& dir,
                                 const std::string& source) {
    std::vector<FileSpec> files;
    if (!table || table->empty())
        throw Error(source + ": no files: expected a table [files.NAME] with path = \"...\"");
    for (const auto& [key, node] : *table) {
        FileSpec file;
        file.name = std::string(key.str());
        if (!node.is_table())
            throw Error(position(key.source(), source) + "key 'files." + file.name +
                        "': expected a table [files." + file.name + "]");
        Section section = section_of(*node.as_table(), "file '" + file.name + "'", source, nullptr);
        file.path = section.text("path");
        if (!dir.empty() && file.path.front() != '/')
            file.path = dir + "/" + file.path;
        file.sharing = section.choice("map", {"shared", "private"}, 0) == 0 ? Sharing::shared
                                                                            : Sharing::privately;
        file.advice = static_cast<Advice>(
            section.choice("advice", {"none", "normal", "random", "sequential"}, 0));
        file.advice_call = section.choice("advice_call", {"libc", "raw"}, 0) == 0 ? Call::libc
                                                                                   : Call::raw;
        file.lock_pages =
            static_cast<std::uint64_t>(section.integer("lock", 0, std::int64_t{1} << 40, 0));
        section.finish();
        files.push_back(std::move(file));
    }
    return files;
}

Step read_step(const toml::table& table, const std::vector<FileSpec>& files,
               const std::string& source) {
    Step step;
    step.name = step_name(table);
    Section section = section_of(table, "step '" + step.name + "'", source, &files);
    std::vector<std::string_view> names;
    for (const Pattern& pattern : patterns())
        names.push_back(pattern.name);
    const Pattern& pattern = patterns()[section.choice("pattern", names, names.size())];
    step.pattern = std::string(pattern.name);
    step.name = section.text("name", step.pattern);
    step.body = pattern.make(section);
    section.finish();
    return step;
}

} // namespace

Config parse_config(std::string_view document, const std::string& source,
                    const std::vector<std::string>& settings) {
    toml::table root = parse_toml(document, source);
    for (const std::string& setting : settings)
        apply_setting(root, setting);

    Config config;
    config.source = source;
    Section top = section_of(root, "top level", source, nullptr);
    config.seed = static_cast<std::uint64_t>(top.integer("seed", 0, INT64_MAX, 1));
    config.iterations = top.integer("iterations", 1, 1'000'000, 1);
    const std::string dir = top.text("dir", "");
    top.mark_known("files");
    top.mark_known("step");
    top.finish();

    config.files = read_files(root["files"].as_table(), dir, source);
    const toml::array* steps = root["step"].as_array();
    if (!steps || steps->empty() || !steps->is_homogeneous(toml::node_type::table))
        throw Error(source + ": no steps: expected one [[step]] table or more");
    for (const toml::node& step : *steps)
        config.steps.push_back(read_step(*step.as_table(), config.files, source));
    return config;
}

Config load_config(const std::string& path, const std::vector<std::string>& settings) {
    std::ifstream in(path);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf()))
        throw Error::of_errno(path + ": cannot read the config");
    return parse_config(text.str(), path, settings);
}

} // namespace pagepatrol::bench
