// SPDX-License-Identifier: Apache-2.0
//
// TOML text -> Policy, or every error in it: which tables and keys there are, and
// what may not stand together. A key that is not known here is an error, so that
// a slip never goes unnoticed and a file for a newer PagePatrol is not half applied.
// Must not log or exit.
#include "values.hpp"

#include "syntax.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pagepatrol {
namespace {

using Node = const toml::node&;
using KeyName = const std::string&;

void read_range(Values& values, Node node, KeyName key, Rule& rule);
void read_madvise(Values& values, Node node, KeyName key, Rule& rule);

struct RuleKey {
    std::string_view name;
    bool in_defaults;
    void (*read)(Values&, Node, KeyName, Rule&);
};

constexpr RuleKey rule_keys[] = {
    {"name", false, [](Values& v, Node n, KeyName k, Rule& r) { v.string(n, k, r.name); }},
    {"path", false, [](Values& v, Node n, KeyName k, Rule& r) { v.globs(n, k, r.path); }},
    {"exclude", true, [](Values& v, Node n, KeyName k, Rule& r) { v.globs(n, k, r.exclude); }},
    {"min_size", true, [](Values& v, Node n, KeyName k, Rule& r) { v.size(n, k, r.min_size); }},
    {"max_size", true, [](Values& v, Node n, KeyName k, Rule& r) { v.size(n, k, r.max_size); }},
    {"prot", true, [](Values& v, Node n, KeyName k, Rule& r) { v.prot(n, k, r); }},
    {"mapping", true, [](Values& v, Node n, KeyName k, Rule& r) { v.mapping(n, k, r.shared); }},
    {"filesystem", true,
     [](Values& v, Node n, KeyName k, Rule& r) { v.filesystems(n, k, r.filesystems); }},
    {"range", false, read_range},
    {"action", true, [](Values& v, Node n, KeyName k, Rule& r) { v.action(n, k, r.action); }},
    {"read_ahead", true,
     [](Values& v, Node n, KeyName k, Rule& r) { v.read_ahead(n, k, r.read_ahead); }},
    {"budget", true, [](Values& v, Node n, KeyName k, Rule& r) { v.budget(n, k, r.budget); }},
    {"madvise", true, read_madvise},
};

constexpr Word top_keys[] = {
    {"schema", 0}, {"budget", 0}, {"app", 0}, {"defaults", 0}, {"rule", 0}};
constexpr Word app_keys[] = {{"program", 0}, {"arguments", 0}, {"inherit", 0}};
constexpr Word range_keys[] = {{"offset", 0}, {"length", 0}};
constexpr Word pass_or_ignore[] = {{"pass", 0}, {"ignore", 0}};

// Where a key belongs that stands in a rule, or in [defaults].
std::string misplaced(std::string_view key) {
    if (find_word(app_keys, key))
        return "it belongs into [app]";
    if (find_word(top_keys, key))
        return "it belongs to the top of the file, before the first [";
    return {};
}

void unknown_keys(Values& values, const toml::table& table, KeyName prefix, Words known,
                  std::string (*other)(std::string_view) = nullptr) {
    for (auto&& [key, node] : table) {
        if (find_word(known, key.str()))
            continue;
        if (values.full()) // a hint is slow work
            return;
        std::string hint = other ? other(key.str()) : std::string();
        if (hint.empty())
            hint = did_you_mean(key.str(), known);
        values.report(ErrorKind::unknown_key, key.source().begin, prefix + std::string(key.str()),
                      "unknown key", "one of: " + list_words(known), hint);
    }
}

void read_range(Values& values, Node node, KeyName key, Rule& rule) {
    const auto* table = node.as_table();
    if (!table)
        return values.wrong_type(node, key, "a table such as { offset = 0, length = \"64MiB\" }");
    unknown_keys(values, *table, key + ".", range_keys);
    const auto* offset = table->get("offset");
    const auto* length = table->get("length");
    if (!offset && !length)
        return values.report(ErrorKind::missing_key, node.source().begin, key,
                             "neither offset nor length", "one of them at least");
    if (offset)
        values.offset(*offset, key + ".offset", rule.offset);
    if (length)
        values.length(*length, key + ".length", rule.length);
}

void read_madvise(Values& values, Node node, KeyName key, Rule& rule) {
    constexpr const char* expected =
        "\"pass\", \"ignore\", or a table such as { willneed = \"ignore\" }";
    const bool inherited = std::any_of(std::begin(rule.advice), std::end(rule.advice),
                                       [](OnAdvice a) { return a != OnAdvice::by_action; });
    std::fill(std::begin(rule.advice), std::end(rule.advice), OnAdvice::by_action);
    if (const auto* word = node.as_string()) {
        if (!find_word(pass_or_ignore, word->get()))
            return values.report(ErrorKind::bad_value, node.source().begin, key,
                                 "unknown outcome \"" + word->get() + "\" for every advice",
                                 expected, did_you_mean(word->get(), pass_or_ignore));
        OnAdvice all = OnAdvice::by_action;
        values.on_advice(node, key, all);
        std::fill(std::begin(rule.advice), std::end(rule.advice), all);
        return;
    }
    const auto* table = node.as_table();
    if (!table)
        return values.wrong_type(node, key, expected);
    if (table->empty() && !inherited)
        return values.report(ErrorKind::missing_key, node.source().begin, key, "an empty table",
                             "one of: " + list_words(advice_words));
    unknown_keys(values, *table, key + ".", advice_words);
    for (const Word& advice : advice_words)
        if (const auto* outcome = table->get(advice.text))
            values.on_advice(*outcome, key + "." + std::string(advice.text),
                             rule.advice[advice.value]);
}

class Reader {
  public:
    Reader(Values& values, const toml::table& root) : v_(values), root_(root) {}
    void read(Policy& policy);

  private:
    const toml::table* table(std::string_view name);
    void read_schema();
    void read_app(App& app);
    void read_keys(const toml::table& table, KeyName prefix, bool defaults, Rule& rule);
    void read_rule(const toml::table& table, KeyName prefix, Rule& rule);
    void check_sizes(const toml::table& table, KeyName prefix, const Rule& rule);
    void check_budget(const toml::table& table, KeyName prefix, Rule& rule);
    void read_rules(Node node, std::vector<Rule>& rules);

    Values& v_;
    const toml::table& root_;
    Rule defaults_;
    bool default_action_ = false;
};

// [app] or [defaults]; nullptr if it is not there, or is something else.
const toml::table* Reader::table(std::string_view name) {
    const auto* node = root_.get(name);
    if (!node || node->is_table())
        return node ? node->as_table() : nullptr;
    v_.wrong_type(*node, std::string(name), "a table",
                  node->is_array_of_tables() ? "write [" + std::string(name) + "], with one bracket"
                                             : std::string());
    return nullptr;
}

void Reader::read_schema() {
    const auto* schema = root_.get("schema");
    if (!schema)
        return v_.report(ErrorKind::missing_key, {1, 1}, "schema", "missing key", "schema = 1",
                         "put it in the first line");
    const auto* number = schema->as_integer();
    if (!number)
        return v_.wrong_type(*schema, "schema", "the integer 1");
    if (number->get() != 1)
        v_.report(ErrorKind::bad_value, schema->source().begin, "schema",
                  "unknown schema " + std::to_string(number->get()), "1",
                  "a newer PagePatrol may know it");
}

void Reader::read_app(App& app) {
    const auto* table = this->table("app");
    if (!table)
        return;
    unknown_keys(v_, *table, "app.", app_keys);
    if (const auto* program = table->get("program"))
        v_.programs(*program, "app.program", app);
    if (const auto* arguments = table->get("arguments"))
        v_.arguments(*arguments, "app.arguments", app.arguments);
    if (const auto* inherit = table->get("inherit"))
        v_.boolean(*inherit, "app.inherit", app.inherit);
}

void Reader::read_keys(const toml::table& table, KeyName prefix, bool defaults, Rule& rule) {
    Word known[std::size(rule_keys)];
    std::size_t n = 0;
    for (const RuleKey& key : rule_keys)
        if (!defaults || key.in_defaults)
            known[n++] = {key.name, 0};
    unknown_keys(v_, table, prefix, {known, n}, [](std::string_view key) {
        for (const RuleKey& each : rule_keys) // only of [defaults]
            if (each.name == key)
                return std::string("each rule says its own");
        return misplaced(key);
    });
    for (const RuleKey& key : rule_keys)
        if (const auto* node = table.get(key.name); node && (!defaults || key.in_defaults))
            key.read(v_, *node, prefix + std::string(key.name), rule);
}

void Reader::check_sizes(const toml::table& table, KeyName prefix, const Rule& rule) {
    if (rule.min_size <= rule.max_size)
        return;
    if (const auto* max = table.get("max_size"))
        v_.report(ErrorKind::bad_value, max->source().begin, prefix + "max_size",
                  "is below min_size", "at least " + std::to_string(rule.min_size) + " bytes");
    else if (const auto* min = table.get("min_size"))
        v_.report(ErrorKind::bad_value, min->source().begin, prefix + "min_size",
                  "is above max_size of [defaults]",
                  "at most " + std::to_string(rule.max_size) + " bytes");
}

// A budget that stands in the rule must be of use; one that it has from [defaults] goes to the
// rules that keep something.
void Reader::check_budget(const toml::table& table, KeyName prefix, Rule& rule) {
    if (keeps(rule.action))
        return;
    rule.budget = {};
    if (const auto* budget = table.get("budget"))
        v_.report(ErrorKind::bad_value, budget->source().begin, prefix + "budget",
                  "nothing to limit: action \"" + std::string(to_string(rule.action)) +
                      "\" keeps no pages",
                  "action pin or activate, or no budget");
}

void Reader::read_rule(const toml::table& table, KeyName prefix, Rule& rule) {
    rule.line = table.source().begin.line;
    const std::size_t before = v_.error_count();
    read_keys(table, prefix, false, rule);
    check_sizes(table, prefix, rule);
    if (!table.get("path"))
        v_.report(ErrorKind::missing_key, table.source().begin, prefix + "path", "missing key",
                  "a glob, or an array of globs", "path = \"**\" matches every file");
    if (!table.get("action") && !default_action_)
        v_.report(ErrorKind::missing_key, table.source().begin, prefix + "action", "missing key",
                  "one of: " + list_words(action_words));
    else if (v_.error_count() == before) // else the action may be a wrong one
        check_budget(table, prefix, rule);
}

void Reader::read_rules(Node node, std::vector<Rule>& rules) {
    const auto* list = node.as_array();
    if (!list)
        return v_.wrong_type(node, "rule", "an array of tables",
                             node.is_table() ? "write [[rule]], with two brackets" : "");
    if (list->size() > max_policy_rules)
        return v_.report(ErrorKind::bad_value, (*list)[max_policy_rules].source().begin, "rule",
                         std::to_string(list->size()) + " rules", "at most 256 rules",
                         "one rule may have an array of globs");
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string key = "rule[" + std::to_string(i + 1) + "]";
        const auto* table = (*list)[i].as_table();
        if (!table) {
            v_.wrong_type((*list)[i], key, "a table");
            continue;
        }
        if (!table->get("exclude") &&
            !v_.room_for(defaults_.exclude, table->source().begin, key + ".exclude"))
            return;
        Rule rule = defaults_;
        rule.number = static_cast<std::uint16_t>(i + 1);
        read_rule(*table, key + ".", rule);
        rules.push_back(std::move(rule));
    }
}

void Reader::read(Policy& policy) {
    unknown_keys(v_, root_, "", top_keys, [](std::string_view key) {
        if (find_word(app_keys, key))
            return std::string("it belongs into [app]");
        for (const RuleKey& each : rule_keys)
            if (each.name == key)
                return std::string("it belongs into a [[rule]]");
        return std::string();
    });
    read_schema();
    if (const auto* budget = root_.get("budget"))
        v_.budget(*budget, "budget", policy.budget);
    read_app(policy.app);
    if (const auto* defaults = table("defaults")) {
        read_keys(*defaults, "defaults.", true, defaults_);
        check_sizes(*defaults, "defaults.", defaults_);
        default_action_ = defaults->contains("action");
    }
    if (const auto* rules = root_.get("rule"))
        read_rules(*rules, policy.rules);
}

Result<Policy> fail(Error error) {
    Result<Policy> result;
    result.errors.push_back(std::move(error));
    return result;
}

Result<Policy> fail(ErrorKind kind, std::string_view file, std::string what, std::string expected) {
    return fail({kind, std::string(file), 0, 0, "", std::move(what), std::move(expected), ""});
}

Result<Policy> too_large(std::string_view file) {
    return fail(ErrorKind::too_large, file, "larger than 1 MiB", "a policy file");
}

} // namespace

Result<Policy> parse_policy(std::string_view text, std::string_view file, std::string_view home) {
    if (text.size() > max_policy_bytes)
        return too_large(file);
    if (auto error = nesting_error(text, file))
        return fail(std::move(*error));
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed) {
        const auto at = parsed.error().source().begin;
        return fail(syntax_error(text, file, at.line, at.column, parsed.error().description()));
    }
    Policy policy;
    policy.file = file;
    Values values(text, file, home);
    Reader(values, parsed.table()).read(policy);
    if (values.error_count() == 0)
        return {std::move(policy), {}};
    return {std::nullopt, values.take_errors()};
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
