// SPDX-License-Identifier: Apache-2.0
//
// TOML text -> Policy, or every error in it. The only file that sees toml++.
// A key that is not known here is an error, so that a slip never goes unnoticed
// and a file for a newer PagePatrol is not half applied. Must not log or exit.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ASSERT(expr) static_cast<void>(0) // must not end the program it is loaded into
#define TOML_FLOAT_CHARCONV 1                  // no iostream, no locale
#include <toml++/toml.h>

#include "nearest.hpp"
#include "policy.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pagepatrol {
namespace {

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

std::string did_you_mean(std::string_view word) {
    return word.empty() ? std::string() : "did you mean " + quoted(word) + "?";
}

class Reader {
  public:
    Reader(std::string_view text, std::string_view file, std::string_view home)
        : text_(text), file_(file), home_(home) {}

    Result<Policy> read(const toml::table& root);

  private:
    void report(ErrorKind kind, toml::source_position at, std::string key, std::string what,
                std::string expected, std::string hint = {}) {
        errors_.push_back({kind, std::string(file_), at.line, at.column, std::move(key),
                           std::move(what), std::move(expected), std::move(hint)});
    }
    void wrong_type(const toml::node& node, const std::string& key, std::string expected,
                    std::string hint = {}) {
        report(ErrorKind::wrong_type, node.source().begin, key,
               "has the wrong type: " + std::string(type_name(node)), std::move(expected),
               std::move(hint));
    }
    void unknown_keys(const toml::table& table, const std::string& prefix,
                      std::initializer_list<std::string_view> known);
    void read_schema(const toml::table& root);
    void read_rules(const toml::node& node, std::vector<Rule>& rules);
    void read_rule(const toml::table& table, const std::string& prefix, Rule& rule);
    void read_globs(const toml::node& node, const std::string& key, std::vector<Glob>& out);
    void read_glob(const toml::value<std::string>& node, const std::string& key,
                   std::vector<Glob>& out);
    void read_size(const toml::node& node, const std::string& key, std::uint64_t& out);
    void read_action(const toml::node& node, const std::string& key, Action& out);
    toml::source_position inside(const toml::value<std::string>& node, std::size_t offset) const;

    std::string_view text_, file_, home_;
    std::vector<Error> errors_;
};

void Reader::unknown_keys(const toml::table& table, const std::string& prefix,
                          std::initializer_list<std::string_view> known) {
    for (auto&& [key, node] : table) {
        if (std::find(known.begin(), known.end(), key.str()) != known.end())
            continue;
        std::string list;
        for (std::string_view word : known)
            list += (list.empty() ? "" : ", ") + std::string(word);
        report(ErrorKind::unknown_key, key.source().begin, prefix + std::string(key.str()),
               "unknown key", "one of: " + list, did_you_mean(nearest(key.str(), known)));
    }
}

// Position of byte `offset` of a string's value. Exact if the source spells the value as it
// is; the start of the string if it has escapes or several lines.
toml::source_position Reader::inside(const toml::value<std::string>& node,
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

void Reader::read_glob(const toml::value<std::string>& node, const std::string& key,
                       std::vector<Glob>& out) {
    GlobError error;
    if (auto glob = Glob::compile(node.get(), home_, error))
        out.push_back(std::move(*glob));
    else
        report(ErrorKind::bad_value, inside(node, error.offset), key,
               "bad glob " + quoted(node.get()) + ": " + error.what, error.expected, error.hint);
}

void Reader::read_globs(const toml::node& node, const std::string& key, std::vector<Glob>& out) {
    constexpr const char* expected = "a glob, or an array of globs";
    if (const auto* one = node.as_string())
        return read_glob(*one, key, out);
    const auto* list = node.as_array();
    if (!list)
        return wrong_type(node, key, expected);
    if (list->empty())
        report(ErrorKind::bad_value, node.source().begin, key, "an empty array", expected);
    for (const toml::node& element : *list) {
        if (const auto* one = element.as_string())
            read_glob(*one, key, out);
        else
            wrong_type(element, key, expected);
    }
}

void Reader::read_size(const toml::node& node, const std::string& key, std::uint64_t& out) {
    constexpr const char* expected = "a number of bytes, or a string such as \"64KiB\"";
    const auto at = node.source().begin;
    if (const auto* number = node.as_integer()) {
        if (number->get() < 0)
            report(ErrorKind::bad_value, at, key, "a negative size", expected);
        else
            out = static_cast<std::uint64_t>(number->get());
        return;
    }
    const auto* string = node.as_string();
    if (!string)
        return wrong_type(node, key, expected);
    const std::string_view s = string->get();
    std::size_t i = 0;
    std::uint64_t value = 0;
    bool overflow = false;
    for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i)
        overflow |= __builtin_mul_overflow(value, 10u, &value) ||
                    __builtin_add_overflow(value, unsigned(s[i] - '0'), &value);
    if (i == 0)
        return report(ErrorKind::bad_value, at, key, "bad size " + quoted(s), expected);
    const std::size_t digits = i;
    while (i < s.size() && s[i] == ' ')
        ++i;
    const std::string_view unit = s.substr(i);
    unsigned shift = 0;
    if (unit == "KiB")
        shift = 10;
    else if (unit == "MiB")
        shift = 20;
    else if (unit == "GiB")
        shift = 30;
    else {
        std::string hint;
        if (unit.empty())
            hint = "write " + std::string(s.substr(0, digits)) + " without quotes for bytes";
        else if (const char c = unit[0] & ~0x20; c == 'K' || c == 'M' || c == 'G')
            hint = did_you_mean(std::string(s.substr(0, digits)) + c + "iB");
        return report(ErrorKind::bad_value, inside(*string, i), key,
                      "bad unit in size " + quoted(s), "KiB, MiB or GiB after a whole number",
                      hint);
    }
    if (overflow || value > (UINT64_MAX >> shift))
        return report(ErrorKind::bad_value, at, key, "size " + quoted(s) + " is too large",
                      "less than 16777216 TiB");
    out = value << shift;
}

void Reader::read_action(const toml::node& node, const std::string& key, Action& out) {
    constexpr const char* expected = "one of: pin, activate, deactivate, stream, none";
    const auto* word = node.as_string();
    if (!word)
        return wrong_type(node, key, expected);
    for (const Action action :
         {Action::none, Action::pin, Action::activate, Action::deactivate, Action::stream})
        if (word->get() == to_string(action)) {
            out = action;
            return;
        }
    report(ErrorKind::bad_value, node.source().begin, key, "unknown action " + quoted(word->get()),
           expected,
           did_you_mean(nearest(word->get(), {"pin", "activate", "deactivate", "stream", "none"})));
}

void Reader::read_rule(const toml::table& table, const std::string& prefix, Rule& rule) {
    unknown_keys(table, prefix, {"name", "path", "exclude", "min_size", "max_size", "action"});
    rule.line = table.source().begin.line;
    if (const auto* name = table.get("name")) {
        if (const auto* string = name->as_string())
            rule.name = string->get();
        else
            wrong_type(*name, prefix + "name", "a string");
    }
    if (const auto* path = table.get("path"))
        read_globs(*path, prefix + "path", rule.path);
    else
        report(ErrorKind::missing_key, table.source().begin, prefix + "path", "missing key",
               "a glob, or an array of globs", "path = \"**\" matches every file");
    if (const auto* exclude = table.get("exclude"))
        read_globs(*exclude, prefix + "exclude", rule.exclude);
    const auto* min = table.get("min_size");
    const auto* max = table.get("max_size");
    if (min)
        read_size(*min, prefix + "min_size", rule.min_size);
    if (max)
        read_size(*max, prefix + "max_size", rule.max_size);
    if (rule.min_size > rule.max_size)
        report(ErrorKind::bad_value, max->source().begin, prefix + "max_size", "is below min_size",
               "at least " + std::to_string(rule.min_size) + " bytes");
    if (const auto* action = table.get("action"))
        read_action(*action, prefix + "action", rule.action);
    else
        report(ErrorKind::missing_key, table.source().begin, prefix + "action", "missing key",
               "one of: pin, activate, deactivate, stream, none");
}

void Reader::read_rules(const toml::node& node, std::vector<Rule>& rules) {
    const auto* list = node.as_array();
    if (!list)
        return wrong_type(node, "rule", "an array of tables",
                          node.is_table() ? "write [[rule]], with two brackets" : "");
    if (list->size() > max_policy_rules)
        return report(ErrorKind::bad_value, (*list)[max_policy_rules].source().begin, "rule",
                      std::to_string(list->size()) + " rules", "at most 256 rules",
                      "one rule may have an array of globs");
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string key = "rule[" + std::to_string(i + 1) + "]";
        const auto* table = (*list)[i].as_table();
        if (!table) {
            wrong_type((*list)[i], key, "a table");
            continue;
        }
        Rule rule;
        rule.number = static_cast<std::uint16_t>(i + 1);
        read_rule(*table, key + ".", rule);
        rules.push_back(std::move(rule));
    }
}

void Reader::read_schema(const toml::table& root) {
    const auto* schema = root.get("schema");
    if (!schema)
        return report(ErrorKind::missing_key, {1, 1}, "schema", "missing key", "schema = 1",
                      "put it in the first line");
    const auto* number = schema->as_integer();
    if (!number)
        return wrong_type(*schema, "schema", "the integer 1");
    if (number->get() != 1)
        report(ErrorKind::bad_value, schema->source().begin, "schema",
               "unknown schema " + std::to_string(number->get()), "1",
               "a newer PagePatrol may know it");
}

Result<Policy> Reader::read(const toml::table& root) {
    Policy policy;
    policy.file = file_;
    unknown_keys(root, "", {"schema", "rule"});
    read_schema(root);
    if (const auto* rules = root.get("rule"))
        read_rules(*rules, policy.rules);
    if (errors_.empty())
        return {std::move(policy), {}};
    std::stable_sort(errors_.begin(), errors_.end(), [](const Error& a, const Error& b) {
        return a.line != b.line ? a.line < b.line : a.column < b.column;
    });
    return {std::nullopt, std::move(errors_)};
}

Result<Policy> fail(ErrorKind kind, std::string_view file, std::string what, std::string expected) {
    return {std::nullopt,
            {{kind, std::string(file), 0, 0, "", std::move(what), std::move(expected), ""}}};
}

Result<Policy> too_large(std::string_view file) {
    return fail(ErrorKind::too_large, file, "larger than 1 MiB", "a policy file");
}

} // namespace

Result<Policy> parse_policy(std::string_view text, std::string_view file, std::string_view home) {
    if (text.size() > max_policy_bytes)
        return too_large(file);
    const toml::parse_result result = toml::parse(text, file);
    if (!result) {
        const auto& error = result.error();
        const auto at = error.source().begin;
        return {std::nullopt,
                {{ErrorKind::syntax, std::string(file), at.line, at.column, "",
                  "TOML syntax: " + std::string(error.description()), "valid TOML", ""}}};
    }
    return Reader(text, file, home).read(result.table());
}

Result<Policy> load_policy(const std::string& file, std::string_view home) {
    // O_NONBLOCK: a FIFO in the file's place must not hang the program
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return fail(ErrorKind::unreadable, file, std::string("can't be opened: ") + strerror(errno),
                    "a readable policy file");
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return fail(ErrorKind::unreadable, file, "is not a regular file", "a policy file");
    }
    std::string text;
    ssize_t got = 0;
    if (st.st_size <= static_cast<off_t>(max_policy_bytes)) {
        text.resize(max_policy_bytes + 1);
        std::size_t have = 0;
        while (have < text.size() &&
               ((got = ::read(fd, text.data() + have, text.size() - have)) > 0 ||
                (got < 0 && errno == EINTR)))
            have += got > 0 ? static_cast<std::size_t>(got) : 0;
        text.resize(have);
    }
    const int error = errno;
    close(fd);
    if (got < 0)
        return fail(ErrorKind::unreadable, file, std::string("can't be read: ") + strerror(error),
                    "a readable policy file");
    if (st.st_size > static_cast<off_t>(max_policy_bytes))
        return too_large(file);
    return parse_policy(text, file, home);
}

} // namespace pagepatrol
