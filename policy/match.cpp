// SPDX-License-Identifier: Apache-2.0
//
// Asks a policy about one file. Runs inside other people's mmap(): must not
// allocate, lock or touch errno.
#include "policy.hpp"

namespace pagepatrol {
namespace {

bool any(const std::vector<Glob>& globs, std::string_view path) noexcept {
    for (const Glob& glob : globs)
        if (glob.matches(path))
            return true;
    return false;
}

} // namespace

const Rule* match(const Policy& policy, const MappedFile& file) noexcept {
    for (const Rule& rule : policy.rules)
        if (file.size >= rule.min_size && file.size <= rule.max_size && any(rule.path, file.path) &&
            !any(rule.exclude, file.path))
            return &rule;
    return nullptr;
}

} // namespace pagepatrol
