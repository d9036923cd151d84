// SPDX-License-Identifier: Apache-2.0
// See attach.hpp. The one file of ppctl that sees both the policy library and
// ranges: it must not include the loader's headers (types of the same names).
#include "attach.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <pages.hpp>

namespace ppctl {

namespace {

constexpr uint64_t page = 4096;
// Far from those that a shim counts up from 1.
constexpr uint32_t first_id = 0x8000'0000;

struct Line {
    uint64_t start, end, offset;
    int prot;
    bool shared;
    std::string path;
};

/// A line of /proc/PID/maps; false if no file is mapped there.
bool parse(const std::string& text, Line& line) {
    char permissions[5];
    int path = 0;
    if (std::sscanf(text.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &line.start,
                    &line.end, permissions, &line.offset, &path) != 4 ||
        path <= 0 || text.size() <= static_cast<size_t>(path) || text[path] != '/')
        return false;
    line.path = text.substr(path);
    line.prot = (permissions[0] == 'r' ? PROT_READ : 0) | (permissions[1] == 'w' ? PROT_WRITE : 0) |
                (permissions[2] == 'x' ? PROT_EXEC : 0);
    line.shared = permissions[3] == 's';
    return true;
}

void add(std::vector<pp_range>& ranges, const Line& line, const pagepatrol::Segment& segment,
         uint64_t size) {
    const pagepatrol::Rule& rule = *segment.rule;
    const auto action =
        rule.action == pagepatrol::Action::unpin ? pagepatrol::Action::none : rule.action;
    const uint16_t read_ahead = read_ahead_of(rule, page);
    if (action == pagepatrol::Action::none && read_ahead == PP_READ_AHEAD_DEFAULT)
        return;
    const uint64_t from = std::max(segment.start, line.offset);
    const uint64_t to = std::min(segment.end, line.offset + (line.end - line.start));
    if (from >= to)
        return;
    pp_range range{};
    range.start = line.start + (from - line.offset);
    range.end = line.start + (to - line.offset);
    const uint64_t first = (line.offset + (range.start - line.start)) / page;
    const uint64_t backed = (size + page - 1) / page;
    range.id = first_id + static_cast<uint32_t>(ranges.size());
    range.pages = static_cast<uint32_t>(std::min<uint64_t>(
        {(range.end - range.start) / page, backed > first ? backed - first : 0, UINT32_MAX}));
    range.budget = budget_of(rule.budget, page);
    range.rule = rule.number;
    range.read_ahead = read_ahead;
    range.action = static_cast<uint8_t>(action);
    ranges.push_back(range);
}

} // namespace

Table table_for(const std::string& process, const std::string& policy_file) {
    Table table;
    const char* home = std::getenv("HOME");
    const auto policy = pagepatrol::load_policy(policy_file, home ? home : "");
    if (!policy) {
        for (const auto& error : policy.errors)
            table.error += (table.error.empty() ? "" : "\n") + to_string(error);
        return table;
    }
    table.budget = budget_of(policy.value->budget, page);
    std::ifstream maps(process + "/maps");
    if (!maps) {
        table.error = "can't read " + process + "/maps: " + std::strerror(errno);
        return table;
    }
    for (std::string text; std::getline(maps, text);) {
        Line line;
        char name[64];
        struct stat info {};
        struct statfs filesystem {};
        if (!parse(text, line))
            continue;
        // the mapped file itself, in whatever mount namespace and under whatever name
        std::snprintf(name, sizeof(name), "/map_files/%" PRIx64 "-%" PRIx64, line.start, line.end);
        const std::string file = process + name;
        if (stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        const std::string_view path =
            info.st_nlink == 0 ? pagepatrol::without_deleted(line.path) : line.path;
        if (!pagepatrol::has_storage(path))
            continue;
        pagepatrol::MappedFile mapped{path, static_cast<uint64_t>(info.st_size)};
        mapped.prot = line.prot;
        mapped.shared = line.shared;
        if (statfs(file.c_str(), &filesystem) == 0)
            mapped.filesystem = static_cast<uint32_t>(filesystem.f_type);
        if (mapped.filesystem == HUGETLBFS_MAGIC)
            continue;
        pagepatrol::Segment segments[pagepatrol::max_segments];
        const size_t nr =
            pagepatrol::to_pages(segments, pagepatrol::match(*policy.value, mapped, segments),
                                 mapped.size, page);
        for (size_t i = 0; i < nr; ++i)
            add(table.ranges, line, segments[i], mapped.size);
    }
    if (table.ranges.size() > PP_MAX_RANGES)
        table.error = "the policy makes " + std::to_string(table.ranges.size()) +
                      " ranges of it, more than " + std::to_string(PP_MAX_RANGES) +
                      "\n  HINT: give rules a min_size";
    return table;
}

} // namespace ppctl
