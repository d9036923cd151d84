// SPDX-License-Identifier: Apache-2.0
// See limits.hpp.
// toml++ as the policy library has it, built with the same flags: a program has each of its inline
// functions once.
#include <toml.hpp>

#include "limits.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>

namespace ppctl {

using pagepatrol::LoadOptions;

namespace {

constexpr uint64_t page = 4096;
constexpr size_t largest_file = 65536;

struct Key {
    const char* name;
    uint64_t most; // of the number that is stored
    uint64_t unit; // 1: a plain number; else a size, stored in these
    void (*set)(LoadOptions& options, uint64_t value);
};

constexpr Key keys[] = {
    {"max_processes_per_user", 16384, 1,
     [](LoadOptions& options, uint64_t n) { options.tables_per_user = static_cast<uint32_t>(n); }},
    {"max_kept_per_user", uint64_t{1} << 40, page,
     [](LoadOptions& options, uint64_t n) { options.kept_pages_per_user = n; }},
    {"keep_percent", 100, 1,
     [](LoadOptions& options, uint64_t n) { options.keep_percent = static_cast<uint32_t>(n); }},
    {"stream_margin", 1 << 20, page,
     [](LoadOptions& options, uint64_t n) { options.margin_pages = static_cast<uint32_t>(n); }},
    {"stream_lag", 1 << 20, page,
     [](LoadOptions& options, uint64_t n) { options.lag_pages = static_cast<uint32_t>(n); }},
};

std::string expected(const Key& key) {
    if (key.unit == 1)
        return "an integer from 0 to " + std::to_string(key.most);
    return "a size such as \"512MiB\" or a number of bytes, a multiple of 4KiB up to " +
           std::to_string(key.most * key.unit >> 20) + "MiB";
}

/// The number to store; false if the node is none.
bool read(const toml::node& node, const Key& key, uint64_t& value) {
    if (const auto* number = node.as_integer()) {
        if (number->get() < 0)
            return false;
        value = static_cast<uint64_t>(number->get());
    } else if (const auto* text = node.as_string();
               !text || key.unit == 1 || !parse_size(text->get(), value)) {
        return false;
    }
    if (value % key.unit)
        return false;
    value /= key.unit;
    return value <= key.most;
}

pagepatrol::Error wrong(std::string_view file, toml::source_position at, const std::string& text) {
    return {0,
            std::string(file) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                ": " + text,
            "ppctl(8) says what a file of limits may hold; nothing was loaded"};
}

} // namespace

bool parse_size(std::string_view text, uint64_t& bytes) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end == text.data())
        return false;
    const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
    unsigned shift = 0;
    if (unit == "KiB")
        shift = 10;
    else if (unit == "MiB")
        shift = 20;
    else if (unit == "GiB")
        shift = 30;
    else if (unit == "TiB")
        shift = 40;
    else if (!unit.empty())
        return false;
    if (value > UINT64_MAX >> shift)
        return false;
    bytes = value << shift;
    return true;
}

pagepatrol::Result<void> parse_limits(std::string_view text, std::string_view file,
                                      LoadOptions& options) {
    const toml::parse_result result = toml::parse(text, file);
    if (!result)
        return wrong(file, result.error().source().begin,
                     "TOML syntax: " + std::string(result.error().description()));
    LoadOptions read_so_far = options;
    for (auto&& [name, node] : result.table()) {
        const Key* known = nullptr;
        std::string all;
        for (const Key& key : keys) {
            all += (all.empty() ? "" : ", ") + std::string(key.name);
            if (name.str() == key.name)
                known = &key;
        }
        if (!known)
            return wrong(file, name.source().begin,
                         std::string(name.str()) + ": unknown key; expected one of: " + all);
        uint64_t value = 0;
        if (!read(node, *known, value))
            return wrong(file, node.source().begin,
                         std::string(name.str()) + ": bad value; expected " + expected(*known));
        known->set(read_so_far, value);
    }
    options = read_so_far;
    return {};
}

pagepatrol::Result<void> read_limits(const std::string& file, LoadOptions& options) {
    const std::unique_ptr<FILE, int (*)(FILE*)> in(std::fopen(file.c_str(), "re"), std::fclose);
    if (!in)
        return pagepatrol::Error{errno, "reading " + file, ""};
    std::string text(largest_file + 1, '\0');
    errno = 0;
    text.resize(std::fread(text.data(), 1, text.size(), in.get()));
    if (std::ferror(in.get()))
        return pagepatrol::Error{errno, "reading " + file, ""};
    if (text.size() > largest_file)
        return pagepatrol::Error{EFBIG, "reading " + file, "a file of limits has a few lines"};
    return parse_limits(text, file, options);
}

} // namespace ppctl
