// SPDX-License-Identifier: Apache-2.0
//
// Typed, checked access to one table of the config; words every complaint about
// a key.
#include "section.hpp"

#include <cmath>
#include <sstream>

#include "error.hpp"

namespace pagepatrol::bench {

std::string position(const toml::source_region& region, const std::string& source) {
    if (region.path && region.path->starts_with(set_prefix))
        return *region.path + ": ";
    if (!region.begin)
        return source + ": ";
    return source + ":" + std::to_string(region.begin.line) + ":" +
           std::to_string(region.begin.column) + ": ";
}

static std::string found(const toml::node& node) {
    std::ostringstream out;
    node.visit([&](const auto& value) {
        if constexpr (toml::is_value<decltype(value)>)
            out << value;
        else if constexpr (toml::is_table<decltype(value)>)
            out << "a table";
        else
            out << "an array";
    });
    return out.str();
}

[[noreturn]] static void reject(const Section::Impl& section, std::string_view key,
                                const toml::node& node, const std::string& expected) {
    throw Error(position(node.source(), section.source) + section.where + ": key '" +
                std::string(key) + "': expected " + expected + ", found " + found(node));
}

static const toml::node* find(Section::Impl& section, std::string_view key, bool required,
                              const std::string& expected) {
    section.known.emplace(key);
    const toml::node* node = section.table->get(key);
    if (!node && required)
        throw Error(position(section.table->source(), section.source) + section.where + ": key '" +
                    std::string(key) + "' is missing: expected " + expected);
    return node;
}

static std::string number(double value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

Section::Section(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Section::~Section() = default;

std::int64_t Section::integer(std::string_view key, std::int64_t min, std::int64_t max,
                              std::optional<std::int64_t> fallback) {
    const std::string expected =
        "an integer from " + std::to_string(min) + " to " + std::to_string(max);
    const toml::node* node = find(*impl_, key, !fallback, expected);
    if (!node)
        return *fallback;
    const auto* value = node->as_integer();
    if (!value || value->get() < min || value->get() > max)
        reject(*impl_, key, *node, expected);
    return value->get();
}

double Section::real(std::string_view key, double min, double max, std::optional<double> fallback) {
    const std::string expected = "a number from " + number(min) + " to " + number(max);
    const toml::node* node = find(*impl_, key, !fallback, expected);
    if (!node)
        return *fallback;
    const std::optional<double> value = node->is_number() ? node->value<double>() : std::nullopt;
    if (!value || std::isnan(*value) || *value < min || *value > max)
        reject(*impl_, key, *node, expected);
    return *value;
}

bool Section::flag(std::string_view key, bool fallback) {
    const toml::node* node = find(*impl_, key, false, {});
    if (!node)
        return fallback;
    const auto* value = node->as_boolean();
    if (!value)
        reject(*impl_, key, *node, "true or false");
    return value->get();
}

std::string Section::text(std::string_view key, std::optional<std::string> fallback) {
    const std::string expected = "a string that is not empty";
    const toml::node* node = find(*impl_, key, !fallback, expected);
    if (!node)
        return *fallback;
    const auto* value = node->as_string();
    if (!value || value->get().empty())
        reject(*impl_, key, *node, expected);
    return value->get();
}

std::size_t Section::choice(std::string_view key, const std::vector<std::string_view>& choices,
                            std::size_t fallback) {
    std::string expected = "one of";
    for (const std::string_view name : choices)
        expected += " \"" + std::string(name) + "\"";
    const bool required = fallback >= choices.size();
    const toml::node* node = find(*impl_, key, required, expected);
    if (!node)
        return fallback;
    const auto* value = node->as_string();
    for (std::size_t i = 0; value && i < choices.size(); i++)
        if (value->get() == choices[i])
            return i;
    reject(*impl_, key, *node, expected);
}

std::size_t Section::file(std::string_view key) {
    std::vector<std::string_view> names;
    for (const FileSpec& file : *impl_->files)
        names.push_back(file.name);
    return choice(key, names, names.size());
}

void Section::mark_known(std::string_view key) {
    impl_->known.emplace(key);
}

void Section::finish() const {
    for (const auto& [key, node] : *impl_->table) {
        if (impl_->known.contains(key.str()))
            continue;
        std::string known;
        for (const std::string& name : impl_->known)
            known += (known.empty() ? "" : ", ") + name;
        const auto& source = node.source().path && node.source().path->starts_with(set_prefix)
                                 ? node.source()
                                 : key.source();
        throw Error(position(source, impl_->source) + impl_->where + ": unknown key '" +
                    std::string(key.str()) + "': expected one of: " + known);
    }
}

} // namespace pagepatrol::bench
