// SPDX-License-Identifier: Apache-2.0
//
// See values.hpp.
#include "values.hpp"

#include "quantity.hpp"

#include <algorithm>

namespace pagepatrol {
namespace {

constexpr std::size_t max_errors = 100; // more than anybody reads; a program's stderr bears it
constexpr std::int64_t page = 4096;     // the smallest there is
constexpr std::int64_t max_read_ahead = 255 << 20; // struct pp_range counts pages in 16 bits

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "an array";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "an integer";
    case toml::node_type::floating_point:
        return "a floating-point number";
    case toml::node_type::boolean:
        return "a boolean";
    case toml::node_type::none:
        return "nothing";
    default:
        return "a date or time";
    }
}

std::string quoted(std::string_view s) {
    return "\"" + std::string(s) + "\"";
}

std::string one_of(Words words) {
    return "one of: " + list_words(words);
}

} // namespace

void Values::report(ErrorKind kind, toml::source_position at, std::string key, std::string what,
                    std::string expected, std::string hint) {
    if (++count_ <= max_errors)
        errors_.push_back({kind, std::string(file_), at.line, at.column, std::move(key),
                           std::move(what), std::move(expected), std::move(hint)});
}

bool Values::full() const noexcept {
    return count_ >= max_errors;
}

void Values::wrong_type(const toml::node& node, const std::string& key, std::string expected,
                        std::string hint) {
    report(ErrorKind::wrong_type, node.source().begin, key,
           "has the wrong type: " + std::string(type_name(node)), std::move(expected),
           std::move(hint));
}

std::vector<Error> Values::take_errors() {
    std::stable_sort(errors_.begin(), errors_.end(), [](const Error& a, const Error& b) {
        return a.line != b.line ? a.line < b.line : a.column < b.column;
    });
    if (count_ > max_errors)
        errors_.push_back({ErrorKind::bad_value, std::string(file_), 0, 0, "",
                           std::to_string(count_ - max_errors) + " more errors are not shown",
                           "a policy", ""});
    return std::move(errors_);
}

// Position of byte `offset` of a string's value. Exact if the source spells the value as it
// is; the start of the string if it has escapes or several lines.
toml::source_position Values::inside(const toml::value<std::string>& node,
                                     std::size_t offset) const {
    toml::source_position at = node.source().begin;
    std::size_t start = 0;
    for (toml::source_index line = 1; line < at.line && start != std::string_view::npos; ++line) {
        start = text_.find('\n', start);
        start += start != std::string_view::npos;
    }
    const std::string_view value = node.get();
    const std::size_t quote = start + at.column - 1; // exact for ASCII before it on the line
    if (quote < text_.size() && text_.substr(quote + 1, value.size()) == value)
        for (std::size_t i = 0; i <= offset; ++i) // columns count characters, not bytes
            at.column += i == 0 || (static_cast<unsigned char>(value[i - 1]) & 0xc0) != 0x80;
    return at;
}

void Values::string(const toml::node& node, const std::string& key, std::string& out) {
    if (const auto* string = node.as_string())
        out = string->get();
    else
        wrong_type(node, key, "a string");
}

void Values::boolean(const toml::node& node, const std::string& key, bool& out) {
    if (const auto* boolean = node.as_boolean())
        out = boolean->get();
    else
        wrong_type(node, key, "true or false", node.is_string() ? "without quotes" : "");
}

template <class Each>
void Values::strings(const toml::node& node, const std::string& key, const std::string& expected,
                     bool may_be_empty, Each each) {
    if (const auto* one = node.as_string())
        return each(*one);
    const auto* list = node.as_array();
    if (!list)
        return wrong_type(node, key, expected);
    if (list->empty() && !may_be_empty)
        report(ErrorKind::bad_value, node.source().begin, key, "an empty array", expected);
    for (const toml::node& element : *list) {
        if (const auto* one = element.as_string())
            each(*one);
        else
            wrong_type(element, key, expected);
    }
}

bool Values::room_for(std::size_t bytes, toml::source_position at, const std::string& key) {
    const bool before = glob_bytes_ <= max_glob_bytes;
    glob_bytes_ += bytes;
    const bool now = glob_bytes_ <= max_glob_bytes;
    if (before && !now)
        report(ErrorKind::bad_value, at, key,
               "the policy's globs take more than 4 MiB with all braces multiplied out", "fewer",
               "use '*' in place of {...}");
    return now;
}

bool Values::room_for(const std::vector<Glob>& globs, toml::source_position at,
                      const std::string& key) {
    std::size_t bytes = 0;
    for (const Glob& glob : globs)
        bytes += glob.memory();
    return room_for(bytes, at, key);
}

void Values::glob(const toml::value<std::string>& node, const std::string& key, bool plain,
                  std::vector<Glob>& out) {
    if (glob_bytes_ > max_glob_bytes)
        return;
    GlobError error;
    if (auto glob = plain ? Glob::compile_plain(node.get(), error)
                          : Glob::compile(node.get(), home_, error)) {
        if (room_for(glob->memory(), node.source().begin, key))
            out.push_back(std::move(*glob));
    } else {
        report(ErrorKind::bad_value, inside(node, error.offset), key,
               "bad glob " + quoted(node.get()) + ": " + error.what, error.expected, error.hint);
    }
}

void Values::globs(const toml::node& node, const std::string& key, std::vector<Glob>& out) {
    const bool inherited = !out.empty();
    out.clear();
    strings(node, key, "a glob, or an array of globs", inherited,
            [&](const toml::value<std::string>& one) { glob(one, key, false, out); });
}

void Values::programs(const toml::node& node, const std::string& key, App& out) {
    constexpr const char* expected = "a glob, or an array of globs";
    strings(node, key, expected, false, [&](const toml::value<std::string>& one) {
        if (one.get().empty())
            report(ErrorKind::bad_value, one.source().begin, key, "an empty glob",
                   "a program's name, or a glob on its path");
        else if (one.get().find('/') == std::string::npos)
            glob(one, key, true, out.name);
        else
            glob(one, key, false, out.program);
    });
}

void Values::arguments(const toml::node& node, const std::string& key, std::vector<Glob>& out) {
    strings(node, key, "a glob, or an array of globs", false,
            [&](const toml::value<std::string>& one) { glob(one, key, true, out); });
}

bool Values::quantity(const toml::node& node, const std::string& key, unsigned may_be,
                      const char* expected, bool& share, std::int64_t& out) {
    share = false;
    if (const auto* number = node.as_integer()) {
        out = number->get();
        if (out >= 0 || (may_be & may_be_negative))
            return true;
        report(ErrorKind::bad_value, node.source().begin, key, "a negative size", expected);
        return false;
    }
    const auto* string = node.as_string();
    if (!string) {
        wrong_type(node, key, expected,
                   !node.is_floating_point() ? ""
                   : (may_be & may_be_share) ? "write a share as in \"0.5%\""
                                             : "use the next smaller unit");
        return false;
    }
    QuantityError error;
    const auto quantity = parse_quantity(string->get(), may_be, expected, error);
    if (!quantity) {
        const auto at = error.offset ? inside(*string, error.offset) : node.source().begin;
        report(ErrorKind::bad_value, at, key, error.what, error.expected, error.hint);
        return false;
    }
    share = quantity->is_share;
    out = static_cast<std::int64_t>(quantity->amount);
    if (quantity->negative)
        out = -out;
    return true;
}

void Values::size(const toml::node& node, const std::string& key, std::uint64_t& out) {
    bool share;
    std::int64_t value;
    if (quantity(node, key, 0, "a number of bytes, or a string such as \"64KiB\"", share, value))
        out = static_cast<std::uint64_t>(value);
}

void Values::budget(const toml::node& node, const std::string& key, Amount& out) {
    constexpr const char* expected = "a size such as \"2GiB\", or a share such as \"50%\"";
    bool share;
    std::int64_t value;
    if (!quantity(node, key, may_be_share, expected, share, value))
        return;
    if (share ? value == 0 : value < page) // 0 would mean: none of its own
        return report(ErrorKind::bad_value, node.source().begin, key,
                      "a budget of less than a page", "at least 4096 bytes, or 0.01%",
                      "action = \"none\" keeps nothing");
    out = share ? Amount{0, static_cast<std::uint32_t>(value)}
                : Amount{static_cast<std::uint64_t>(value), 0};
}

void Values::read_ahead(const toml::node& node, const std::string& key, std::uint64_t& out) {
    constexpr const char* expected = "\"off\", \"default\", or a size from \"4KiB\" to \"255MiB\"";
    if (const auto* string = node.as_string()) {
        if (const Word* word = find_word(read_ahead_words, string->get())) {
            out = word->value == 0 ? 0 : kernels_read_ahead;
            return;
        }
        if (string->get().empty() || string->get()[0] < '-' || string->get()[0] > '9')
            return report(ErrorKind::bad_value, node.source().begin, key,
                          "bad read-ahead " + quoted(string->get()), expected,
                          did_you_mean(string->get(), read_ahead_words));
    }
    bool share;
    std::int64_t value;
    if (!quantity(node, key, 0, expected, share, value))
        return;
    if (value < page || value > max_read_ahead)
        return report(ErrorKind::bad_value, node.source().begin, key,
                      "a window of " + std::to_string(value) + " bytes", expected,
                      value < page ? "\"off\" for none" : "");
    out = static_cast<std::uint64_t>(value);
}

void Values::offset(const toml::node& node, const std::string& key, Place& out) {
    constexpr const char* expected = "a place in the file: bytes, a size such as \"64MiB\", or a "
                                     "share such as \"25%\"; negative: from its end";
    bool share;
    std::int64_t value;
    if (!quantity(node, key, may_be_share | may_be_negative, expected, share, value))
        return;
    if (value == 0 && node.is_string() && node.as_string()->get()[0] == '-')
        return report(ErrorKind::bad_value, node.source().begin, key,
                      "the end of the file: nothing follows", expected);
    out = share ? Place{0, static_cast<std::int32_t>(value)} : Place{value, 0};
}

void Values::length(const toml::node& node, const std::string& key, std::optional<Place>& out) {
    constexpr const char* expected =
        "a length above 0: bytes, a size such as \"64MiB\", or a share such as \"25%\"";
    bool share;
    std::int64_t value;
    if (!quantity(node, key, may_be_share, expected, share, value))
        return;
    if (value == 0)
        return report(ErrorKind::bad_value, node.source().begin, key, "an empty part", expected,
                      "without length it goes on to the file's end");
    out = share ? Place{0, static_cast<std::int32_t>(value)} : Place{value, 0};
}

const Word* Values::word(const toml::value<std::string>& node, const std::string& key,
                         const char* kind, Words words, std::string_view text,
                         std::size_t skipped) {
    const Word* found = find_word(words, text);
    if (!found)
        report(ErrorKind::bad_value, skipped ? inside(node, skipped) : node.source().begin, key,
               std::string("unknown ") + kind + " " + quoted(text), one_of(words),
               did_you_mean(text, words));
    return found;
}

const Word* Values::word(const toml::node& node, const std::string& key, const char* kind,
                         Words words) {
    if (const auto* string = node.as_string())
        return word(*string, key, kind, words, string->get(), 0);
    wrong_type(node, key, one_of(words));
    return nullptr;
}

void Values::action(const toml::node& node, const std::string& key, Action& out) {
    if (const Word* found = word(node, key, "action", action_words))
        out = static_cast<Action>(found->value);
}

void Values::prot(const toml::node& node, const std::string& key, Rule& out) {
    const bool inherited = out.prot_with || out.prot_without;
    out.prot_with = out.prot_without = 0;
    strings(node, key, "read, write or exec, or an array of these; \"!write\" for must not",
            inherited, [&](const toml::value<std::string>& one) {
                std::string_view text = one.get();
                const bool without = !text.empty() && text[0] == '!';
                if (without)
                    text.remove_prefix(1);
                const Word* found = word(one, key, "protection", prot_words, text, without);
                if (!found)
                    return;
                const auto bit = static_cast<std::uint8_t>(found->value);
                if ((without ? out.prot_with : out.prot_without) & bit)
                    return report(ErrorKind::bad_value, one.source().begin, key,
                                  quoted(found->text) + " and " +
                                      quoted("!" + std::string(found->text)),
                                  "one of the two");
                (without ? out.prot_without : out.prot_with) |= bit;
            });
}

void Values::mapping(const toml::node& node, const std::string& key, std::optional<bool>& out) {
    if (const Word* found = word(node, key, "kind of mapping", mapping_words))
        out = found->value != 0;
}

void Values::filesystems(const toml::node& node, const std::string& key,
                         std::vector<std::uint32_t>& out) {
    const bool inherited = !out.empty();
    out.clear();
    strings(node, key, "the name of a filesystem, or an array of names", inherited,
            [&](const toml::value<std::string>& one) {
                if (const Word* found =
                        word(one, key, "filesystem", filesystem_words, one.get(), 0))
                    out.push_back(found->value);
            });
}

void Values::on_advice(const toml::node& node, const std::string& key, OnAdvice& out) {
    if (const Word* found = word(node, key, "outcome", on_advice_words))
        out = static_cast<OnAdvice>(found->value);
}

} // namespace pagepatrol
