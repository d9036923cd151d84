// SPDX-License-Identifier: Apache-2.0
//
// What the documents say about the policy language, asked of the parser: the
// examples are right, every word is told, and each line of the tables of errors is
// what is really said.
#include "policy.hpp"
#include "words.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace pagepatrol;

namespace {

std::string read(const char* name) {
    std::ifstream in(std::string(SOURCE_FOLDER "/") + name);
    std::ostringstream out;
    out << in.rdbuf();
    EXPECT_FALSE(out.str().empty()) << name;
    return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        out.push_back(line);
    return out;
}

// The texts between backticks, one a line.
std::string code(const std::string& text) {
    std::string out;
    for (std::size_t i = text.find('`'); i != text.npos;) {
        const std::size_t end = text.find('`', i + 1);
        out += (out.empty() ? "" : "\n") + text.substr(i + 1, end - i - 1);
        i = text.find('`', end + 1);
    }
    return out;
}

// `...` in `pattern` stands for anything.
bool said(std::string_view pattern, std::string_view text) {
    for (bool first = true;; first = false) {
        const std::size_t dots = pattern.find("...");
        const std::string_view part = pattern.substr(0, dots);
        const std::size_t at = text.find(part);
        if (at == text.npos || (first && at != 0))
            return false;
        if (dots == pattern.npos)
            return text.size() >= part.size() && text.substr(text.size() - part.size()) == part;
        text.remove_prefix(at + part.size());
        pattern.remove_prefix(dots + 3);
    }
}

bool has_key(const std::string& text, const std::string& key) {
    return text.rfind(key, 0) == 0 || text.find("\n" + key) != text.npos;
}

std::string without_place(std::string text) {
    EXPECT_EQ(text.rfind("p.toml:", 0), 0u) << text;
    return text.substr(text.find(": ") + 2);
}

TEST(Document, ErrorsAreToldAsWritten) {
    unsigned rows = 0;
    for (const std::string& line : lines_of(read("docs/policy-format.md"))) {
        const bool file = line.rfind("| file | `", 0) == 0, top = line.rfind("| top | `", 0) == 0,
                   rule = line.rfind("| rule | `", 0) == 0;
        if (!file && !top && !rule)
            continue;
        ++rows;
        const std::size_t second = line.find(" | `", 10);
        ASSERT_NE(second, line.npos) << line;
        const std::string what = code(line.substr(0, second)), told = code(line.substr(second));
        std::string text = file ? "" : "schema = 1\n";
        if (rule)
            text += std::string("[[rule]]\n") + (has_key(what, "path =") ? "" : "path = \"/a\"\n") +
                    (has_key(what, "action =") ? "" : "action = \"pin\"\n");
        const auto policy = parse_policy(text + what + "\n", "p.toml", "/home/u");
        ASSERT_EQ(policy.errors.size(), 1u) << line;
        const std::string error = without_place(to_string(policy.errors[0]));
        EXPECT_TRUE(said(told, error)) << line << "\n" << error;
    }
    EXPECT_GT(rows, 100u);
}

TEST(Document, ExamplesAreRight) {
    for (const char* name : {"docs/policy-format.md", "docs/getting-started.md", "README.md"}) {
        std::string example;
        bool inside = false;
        for (const std::string& line : lines_of(read(name))) {
            if (inside && line == "```") {
                const auto policy = parse_policy(example, name, "/home/u");
                EXPECT_TRUE(policy) << to_string(policy.errors.at(0)) << "\n" << example;
                inside = false;
            } else if (inside) {
                example += line + "\n";
            } else if (line == "```toml") {
                inside = true;
                example.clear();
            }
        }
    }
}

TEST(Document, ExampleOfTheManPageIsRight) {
    const std::string page = read("man/pagepatrol.toml.5");
    const std::size_t start = page.find('\n', page.find(".Bd", page.find(".Sh EXAMPLES"))) + 1;
    const auto policy = parse_policy(page.substr(start, page.find(".Ed", start) - start),
                                     "pagepatrol.toml.5", "/home/u");
    ASSERT_TRUE(policy) << to_string(policy.errors.at(0));
    EXPECT_GE(policy.value->rules.size(), 3u);
}

TEST(Document, EveryWordIsTold) {
    const std::string document = read("docs/policy-format.md");
    const std::string page = read("man/pagepatrol.toml.5");
    for (const Words words : {action_words, prot_words, mapping_words, filesystem_words,
                              advice_words, on_advice_words, read_ahead_words})
        for (const Word& word : words) {
            EXPECT_NE(document.find(word.text), document.npos) << word.text;
            EXPECT_NE(page.find(word.text), page.npos) << word.text;
        }
    for (const char* key :
         {"schema", "budget",  "app",      "defaults", "program",    "arguments", "inherit",
          "path",   "exclude", "min_size", "max_size", "prot",       "mapping",   "filesystem",
          "range",  "offset",  "length",   "action",   "read_ahead", "madvise"}) {
        EXPECT_NE(document.find("`" + std::string(key) + "`"), document.npos) << key;
        EXPECT_NE(page.find(key), page.npos) << key;
    }
}

} // namespace
