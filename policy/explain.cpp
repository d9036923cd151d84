// SPDX-License-Identifier: Apache-2.0
//
// See explain.hpp. Asks in the order that matches() asks, so that the first reason
// is the one that counts; a test holds the two together.
#include "explain.hpp"

#include "words.hpp"

#include <algorithm>
#include <sys/mman.h>

namespace pagepatrol {
namespace {

const Glob* first_match(const std::vector<Glob>& globs, std::string_view path) noexcept {
    for (const Glob& glob : globs)
        if (glob.matches(path))
            return &glob;
    return nullptr;
}

std::string compared(std::uint64_t size, const char* sign, std::uint64_t limit) {
    return " (" + std::to_string(size) + " " + sign + " " + std::to_string(limit) + " bytes)";
}

std::string prot_list(unsigned bits) {
    std::string out;
    for (const Word& word : prot_words)
        if (bits & word.value)
            out += (out.empty() ? "" : ", ") + std::string(word.text);
    return out;
}

// Why the rule is not for the file; "" if it is.
std::string reason(const Rule& rule, const MappedFile& file) {
    if (!first_match(rule.path, file.path))
        return "path does not match";
    if (const Glob* glob = first_match(rule.exclude, file.path))
        return "excluded by \"" + glob->text() + "\"";
    if (file.size < rule.min_size)
        return "smaller than min_size" + compared(file.size, "<", rule.min_size);
    if (file.size > rule.max_size)
        return "larger than max_size" + compared(file.size, ">", rule.max_size);
    const auto prot = static_cast<unsigned>(file.prot);
    if (const unsigned missing = rule.prot_with & ~prot)
        return "prot: the mapping lacks " + prot_list(missing);
    if (const unsigned extra = rule.prot_without & prot)
        return "prot: the mapping has " + prot_list(extra);
    if (rule.shared && *rule.shared != file.shared)
        return std::string("mapping: it is ") + (file.shared ? "shared" : "private");
    if (!matches(rule, file))
        return "filesystem: the file is on " + word_for(filesystem_words, file.filesystem);
    return {};
}

// "rule 1 has that part already", of those that have a piece of [start, end)
std::string taken_by(const Explanation& all, std::uint64_t start, std::uint64_t end) {
    std::vector<unsigned> numbers;
    for (std::size_t i = 0; i < all.count; ++i) {
        const Segment& s = all.segments[i];
        if (s.start < end && start < s.end &&
            std::find(numbers.begin(), numbers.end(), s.rule->number) == numbers.end())
            numbers.push_back(s.rule->number);
    }
    std::sort(numbers.begin(), numbers.end());
    std::string list;
    for (std::size_t i = 0; i < numbers.size(); ++i)
        list += (i == 0                    ? ""
                 : i + 1 == numbers.size() ? " and "
                                           : ", ") +
                std::to_string(numbers[i]);
    return numbers.size() == 1 ? "rule " + list + " has that part already"
                               : "rules " + list + " have that part already";
}

bool covered(const Explanation& all, std::uint64_t start, std::uint64_t end) {
    for (std::size_t i = 0; i < all.count; ++i) // sorted
        if (all.segments[i].start <= start && start < all.segments[i].end)
            start = all.segments[i].end;
    return start >= end;
}

Verdict judge(const Rule& rule, const MappedFile& file, const Explanation& all) {
    std::string parts;
    for (std::size_t i = 0; i < all.count; ++i)
        if (all.segments[i].rule == &rule)
            parts +=
                (parts.empty() ? "" : ", ") + part_text(all.segments[i].start, all.segments[i].end);
    if (!parts.empty())
        return {&rule, true, "has " + parts};
    if (const std::string why = reason(rule, file); !why.empty())
        return {&rule, false, "no: " + why};
    std::uint64_t start, end;
    if (!part_of(rule, file.size, start, end))
        return {&rule, false, "no: its range is empty in a file of this size"};
    if (!covered(all, start, end))
        return {&rule, false,
                "no: the file is in " + std::to_string(max_segments) +
                    " parts already, more are not made"};
    return {&rule, false, "no: " + taken_by(all, start, end)};
}

bool any_path(const Rule& rule) {
    return std::any_of(rule.path.begin(), rule.path.end(), [](const Glob& glob) {
        return glob.text() == "**" || glob.text() == "/**";
    });
}

bool takes_everything(const Rule& rule) {
    return any_path(rule) && rule.exclude.empty() && rule.min_size == 0 &&
           rule.max_size == UINT64_MAX && rule.prot_with == 0 && rule.prot_without == 0 &&
           !rule.shared && rule.filesystems.empty() && rule.offset.bytes == 0 &&
           rule.offset.share == 0 && !rule.length;
}

} // namespace

Explanation explain(const Policy& policy, const MappedFile& file) {
    Explanation out;
    out.count = match(policy, file, out.segments);
    for (const Rule& rule : policy.rules)
        out.verdicts.push_back(judge(rule, file, out));
    return out;
}

std::string part_text(std::uint64_t start, std::uint64_t end) {
    if (start == 0 && end == UINT64_MAX)
        return "the whole file";
    return "bytes " + std::to_string(start) + " to " +
           (end == UINT64_MAX ? "the end" : std::to_string(end));
}

std::string rule_text(const Rule& rule) {
    return "rule " + std::to_string(rule.number) +
           (rule.name.empty() ? "" : " (" + rule.name + ")");
}

std::vector<Error> warnings(const Policy& policy) {
    std::vector<Error> out;
    const auto warn = [&](const Rule& rule, const char* key, std::string what,
                          std::string expected) {
        out.push_back({ErrorKind::bad_value, policy.file, rule.line, 1,
                       "rule[" + std::to_string(rule.number) + "]" + key, std::move(what),
                       std::move(expected), ""});
    };
    if (policy.rules.empty())
        out.push_back({ErrorKind::bad_value, policy.file, 0, 0, "", "no rules: it does nothing",
                       "a [[rule]]", ""});
    const Rule* everything = nullptr;
    for (const Rule& rule : policy.rules) {
        if (everything)
            warn(rule, "",
                 "is never asked: " + rule_text(*everything) + " in line " +
                     std::to_string(everything->line) + " takes every file",
                 "the rule for every file as the last");
        else if (takes_everything(rule))
            everything = &rule;
        if (std::any_of(rule.exclude.begin(), rule.exclude.end(), [](const Glob& glob) {
                return glob.text() == "**" || glob.text() == "/**";
            }))
            warn(rule, ".exclude", "excludes every file", "a narrower glob");
    }
    return out;
}

} // namespace pagepatrol
