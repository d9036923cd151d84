// SPDX-License-Identifier: Apache-2.0
// See limits.hpp.
// toml++ as the policy library has it, built with the same flags: a program has each of its inline
// functions once.
#include <toml.hpp>

#include "limits.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <memory>
#include <type_traits>

namespace ppctl {

using pagepatrol::LoadOptions;

namespace {

constexpr uint64_t page = 4096;
constexpr size_t largest_file = 65536;

/// How a value is written. A size is bytes, with a unit or without, and stored in pages.
enum class Form { number, size };

struct Limit {
    const char* key; // "": the file can't set it
    Form key_form;
    const char* option;
    Form option_form;
    uint64_t least, most; // of what is stored
    void (*set)(LoadOptions& options, uint64_t value);
};

template <auto Place> void store(LoadOptions& options, uint64_t value) {
    using Stored = typename std::remove_reference_t<decltype(options.*Place)>::value_type;
    options.*Place = static_cast<Stored>(value);
}

constexpr Form number = Form::number, size = Form::size;
constexpr Limit limits[] = {
    {"max_processes_per_user", number, "--max-processes-per-user", number, 0, 16384,
     store<&LoadOptions::tables_per_user>},
    {"max_kept_per_user", size, "--max-kept-per-user", size, 0, uint64_t{1} << 40,
     store<&LoadOptions::kept_pages_per_user>},
    {"keep_percent", number, "--keep-percent", number, 0, 100, store<&LoadOptions::keep_percent>},
    {"stream_margin", size, "--margin-pages", number, 0, 1 << 20,
     store<&LoadOptions::margin_pages>},
    {"stream_lag", size, "--lag-pages", number, 0, 1 << 20, store<&LoadOptions::lag_pages>},
    {"", number, "--valve-questions", number, 1, 1 << 20, store<&LoadOptions::valve_questions>},
    {"", number, "--valve-sweeps-activate", number, 0, 1 << 20,
     store<&LoadOptions::valve_sweeps_activate>},
    {"", number, "--valve-sweeps-pin", number, 0, 1 << 20, store<&LoadOptions::valve_sweeps_pin>},
};

/// The limit that has this name, as a key or as an option; nullptr if none has.
const Limit* find(const char* Limit::*kind, std::string_view name) {
    for (const Limit& limit : limits)
        if (!name.empty() && limit.*kind == name)
            return &limit;
    return nullptr;
}

std::string expected(const Limit& limit, Form form) {
    if (form == Form::number)
        return "an integer from " + std::to_string(limit.least) + " to " +
               std::to_string(limit.most);
    return "a size such as \"512MiB\" or a number of bytes, a multiple of 4KiB up to " +
           std::to_string(limit.most * page >> 20) + "MiB";
}

/// The number before the unit, and how many times the unit doubles it. Only a size may have one.
bool parse(std::string_view text, Form form, uint64_t& value, unsigned& shift) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc())
        return false;
    const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
    constexpr std::string_view units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    const auto* const known = std::find(std::begin(units), std::end(units), unit);
    shift = 10 * static_cast<unsigned>(known - units);
    return known != std::end(units) && (form == Form::size || unit.empty());
}

/// Stores what the text says; false if it is not as expected().
bool set(const Limit& limit, Form form, std::string_view text, LoadOptions& options) {
    uint64_t value = 0;
    unsigned shift = 0;
    if (!parse(text, form, value, shift) || value > UINT64_MAX >> shift)
        return false;
    value <<= shift;
    if (form == Form::size && value % page)
        return false;
    value /= form == Form::size ? page : 1;
    if (value < limit.least || value > limit.most)
        return false;
    limit.set(options, value);
    return true;
}

/// What the node says, as text; a string is no number.
std::string text_of(const toml::node& node, Form form) {
    if (const auto* integer = node.as_integer())
        return std::to_string(integer->get());
    const auto* text = node.as_string();
    return text && form == Form::size ? text->get() : std::string();
}

std::string all_keys() {
    std::string all;
    for (const Limit& limit : limits)
        if (*limit.key)
            all += (all.empty() ? "" : ", ") + std::string(limit.key);
    return all;
}

pagepatrol::Error wrong(std::string_view file, toml::source_position at, const std::string& text) {
    return {0,
            std::string(file) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                ": " + text,
            "ppctl(8) says what a file of limits may hold; nothing was loaded"};
}

} // namespace

pagepatrol::Result<void> set_limit(std::string_view name, std::string_view value,
                                   LoadOptions& options) {
    const Limit* const limit = find(&Limit::option, name);
    if (!limit)
        return pagepatrol::Error{ENOENT, "unknown option " + std::string(name), ""};
    if (!set(*limit, limit->option_form, value, options))
        return pagepatrol::Error{0,
                                 std::string(name) + ": '" + std::string(value) + "' is not " +
                                     expected(*limit, limit->option_form) + "; nothing was loaded",
                                 ""};
    return {};
}

pagepatrol::Result<void> parse_limits(std::string_view text, std::string_view file,
                                      LoadOptions& options) {
    const toml::parse_result result = toml::parse(text, file);
    if (!result)
        return wrong(file, result.error().source().begin,
                     "TOML syntax: " + std::string(result.error().description()));
    LoadOptions read_so_far = options;
    for (auto&& [name, node] : result.table()) {
        const Limit* const known = find(&Limit::key, name.str());
        if (!known)
            return wrong(file, name.source().begin,
                         std::string(name.str()) + ": unknown key; expected one of: " + all_keys());
        const Form form = known->key_form;
        if (!set(*known, form, text_of(node, form), read_so_far))
            return wrong(file, node.source().begin,
                         std::string(name.str()) + ": bad value; expected " +
                             expected(*known, form));
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
