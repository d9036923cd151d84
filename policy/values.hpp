// SPDX-License-Identifier: Apache-2.0
//
// From one TOML value to one member of a policy, or an error that says where the
// value is, what is wrong with it and what would be right. Knows types, not keys:
// which key takes what is the table in parse.cpp. Must not log or exit.
#pragma once

#include "toml.hpp"

#include "policy.hpp"
#include "words.hpp"

namespace pagepatrol {

class Values {
  public:
    Values(std::string_view text, std::string_view file, std::string_view home)
        : text_(text), file_(file), home_(home) {}

    void report(ErrorKind kind, toml::source_position at, std::string key, std::string what,
                std::string expected, std::string hint = {});
    void wrong_type(const toml::node& node, const std::string& key, std::string expected,
                    std::string hint = {});
    // Every error so far, by place; told in full up to a limit.
    std::vector<Error> take_errors();
    std::size_t error_count() const noexcept { return count_; }
    bool full() const noexcept;
    // Counts globs that come with a rule; false, and an error, if they are too much for a policy.
    bool room_for(const std::vector<Glob>& globs, toml::source_position at, const std::string& key);

    void string(const toml::node& node, const std::string& key, std::string& out);
    void boolean(const toml::node& node, const std::string& key, bool& out);
    void globs(const toml::node& node, const std::string& key, std::vector<Glob>& out);
    void programs(const toml::node& node, const std::string& key, App& out);
    void arguments(const toml::node& node, const std::string& key, std::vector<Glob>& out);
    void size(const toml::node& node, const std::string& key, std::uint64_t& out);
    void budget(const toml::node& node, const std::string& key, Amount& out);
    void read_ahead(const toml::node& node, const std::string& key, std::uint64_t& out);
    void offset(const toml::node& node, const std::string& key, Place& out);
    void length(const toml::node& node, const std::string& key, std::optional<Place>& out);
    void action(const toml::node& node, const std::string& key, Action& out);
    void prot(const toml::node& node, const std::string& key, Rule& out);
    void mapping(const toml::node& node, const std::string& key, std::optional<bool>& out);
    void filesystems(const toml::node& node, const std::string& key,
                     std::vector<std::uint32_t>& out);
    // one outcome, for a kind of advice or for all
    void on_advice(const toml::node& node, const std::string& key, OnAdvice& out);

  private:
    // Calls each(string) for a string, or for every string of an array. An empty array takes
    // back what [defaults] say; if they say nothing it is an error.
    template <class Each>
    void strings(const toml::node& node, const std::string& key, const std::string& expected,
                 bool may_be_empty, Each each);
    const Word* word(const toml::node& node, const std::string& key, const char* kind, Words words);
    const Word* word(const toml::value<std::string>& node, const std::string& key, const char* kind,
                     Words words, std::string_view text, std::size_t skipped);
    void glob(const toml::value<std::string>& node, const std::string& key, bool plain,
              std::vector<Glob>& out);
    // An integer or a string; false after a report.
    bool quantity(const toml::node& node, const std::string& key, unsigned may_be,
                  const char* expected, bool& share, std::int64_t& out);
    bool room_for(std::size_t bytes, toml::source_position at, const std::string& key);
    toml::source_position inside(const toml::value<std::string>& node, std::size_t offset) const;

    std::string_view text_, file_, home_;
    std::vector<Error> errors_;
    std::size_t count_ = 0;
    std::size_t glob_bytes_ = 0;
};

} // namespace pagepatrol
