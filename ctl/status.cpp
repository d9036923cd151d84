// SPDX-License-Identifier: Apache-2.0
// ppctl status: module, programs, streams, processes, ranges, counters; for people or as JSON.
#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include <loader.hpp>

#include "command.hpp"

namespace ppctl {

using namespace pagepatrol;

namespace {

/// A string as a JSON literal; comm may hold any byte.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        char escaped[8];
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) {
            std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned char>(c));
            out += escaped;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string counters_json(const uint64_t* stats, unsigned count) {
    std::string out = "{";
    for (unsigned i = 0; i < count; ++i)
        out += (i ? ", \"" : "\"") + std::string(stat_names[i]) + "\": " + std::to_string(stats[i]);
    return out + "}";
}

const char* action_name(const pp_range& range) {
    return range.action < PP_NR_ACTIONS ? action_names[range.action] : "?";
}

uint64_t pages_of(const pp_range& range) {
    return (range.end - range.start) / 4096;
}

/// "off", "default", or a number of pages.
std::string read_ahead(const pp_range& range) {
    if ((range.flags & PP_RANGE_NO_READAHEAD) || !range.read_ahead)
        return "off";
    return range.read_ahead == PP_READ_AHEAD_DEFAULT ? "default" : std::to_string(range.read_ahead);
}

std::string read_ahead_json(const pp_range& range) {
    const std::string window = read_ahead(range);
    return window == "default" ? "null" : window == "off" ? "0" : window;
}

bool over_budget(const RangeStatus& range) {
    const bool keeps =
        range.range.action == PP_ACTION_PIN || range.range.action == PP_ACTION_ACTIVATE;
    return keeps && range.keep_pages < std::min<uint64_t>(range.range.pages, pages_of(range.range));
}

void print_json(const Status& now) {
    std::printf("{\"module\": %s, \"built_in\": %s, \"module_version\": %s, \"subscriptions\": %d, "
                "\"loaded\": %s,\n \"programs\": [",
                now.module ? "true" : "false", now.built_in ? "true" : "false",
                quoted(now.module_version).c_str(), now.subscriptions, now.loaded ? "true" : "false");
    for (size_t i = 0; i < now.programs.size(); ++i)
        std::printf("%s%s", i ? ", " : "", quoted(now.programs[i]).c_str());
    const Limits& limits = now.limits;
    std::printf("],\n \"limits\": {\"processes_per_user\": %u, \"kept_bytes_per_user\": %" PRIu64
                ", \"keep_percent\": %u, \"margin_pages\": %u, \"lag_pages\": %u},\n \"users\": [",
                limits.processes_per_user, limits.kept_pages_per_user * 4096, limits.keep_percent,
                limits.margin_pages, limits.lag_pages);
    for (size_t i = 0; i < now.users.size(); ++i)
        std::printf("%s{\"uid\": %u, \"processes\": %" PRId64 ", \"kept_bytes\": %" PRId64 "}",
                    i ? ", " : "", now.users[i].uid, now.users[i].processes,
                    now.users[i].kept_pages * 4096);
    std::printf("],\n \"streams\": [");
    for (size_t i = 0; i < now.streams.size(); ++i) {
        const StreamStatus& stream = now.streams[i];
        std::printf("%s{\"cgroup_id\": %" PRIu64 ", \"cgroup\": %s, \"read_bytes\": %" PRIu64
                    ", \"left_bytes\": %" PRIu64
                    ", \"share\": %.4f, \"margin_grown_pages\": %" PRIu64 "}",
                    i ? ", " : "", stream.cgroup_id,
                    stream.cgroup.empty() ? "null" : quoted(stream.cgroup).c_str(),
                    stream.read_pages * 4096, stream.left_pages * 4096, stream.share,
                    stream.margin_grown_pages);
    }
    std::printf("],\n \"totals\": %s,\n \"processes\": [",
                counters_json(now.totals, PP_NR_STATS).c_str());
    for (size_t i = 0; i < now.processes.size(); ++i) {
        const ProcessStatus& process = now.processes[i];
        std::printf("%s\n  {\"pid\": %u, \"uid\": %u, \"comm\": %s, \"subscribed\": %s, "
                    "\"subscribe_errors\": %u, \"attached\": %s, \"kept_pages\": %" PRIu64
                    ", \"ranges\": [",
                    i ? "," : "", process.tgid, process.uid, quoted(process.comm).c_str(),
                    process.subscribed ? "true" : "false", process.subscribe_errors,
                    process.attached ? "true" : "false", process.kept_pages);
        for (size_t j = 0; j < process.ranges.size(); ++j) {
            const pp_range& range = process.ranges[j].range;
            std::printf("%s\n   {\"start\": %" PRIu64 ", \"end\": %" PRIu64
                        ", \"file\": %s, \"action\": \"%s\", \"rule\": %u, \"read_ahead\": %s, "
                        "\"read_ahead_pages\": %s, \"pages\": %u, \"keep_pages\": %" PRIu64
                        ", \"counters\": %s}",
                        j ? "," : "", static_cast<uint64_t>(range.start),
                        static_cast<uint64_t>(range.end),
                        quoted(process.ranges[j].file).c_str(), action_name(range), range.rule,
                        read_ahead(range) == "off" ? "false" : "true",
                        read_ahead_json(range).c_str(), range.pages, process.ranges[j].keep_pages,
                        counters_json(process.ranges[j].stats, PP_NR_RANGE_STATS).c_str());
        }
        std::printf("]}");
    }
    std::printf("]}\n");
}

void print_counters(const uint64_t* stats, unsigned count, const char* indent) {
    bool any = false;
    for (unsigned i = 0; i < count; ++i) {
        if (!stats[i])
            continue;
        std::printf("%s%s %" PRIu64, any ? ", " : indent, stat_names[i], stats[i]);
        any = true;
    }
    if (any)
        std::printf("\n");
}

std::string mebibytes(uint64_t pages) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f MiB", static_cast<double>(pages) / 256);
    return text;
}

void print_text(const Status& now) {
    std::printf("module:    %s\n",
                now.module ? ((now.built_in ? "built in, version " : "loaded, version ") +
                              now.module_version + ", " + std::to_string(now.subscriptions) + " address spaces subscribed")
                                 .c_str()
                           : "not loaded");
    std::printf("programs:  ");
    if (!now.loaded)
        std::printf("not loaded (ppctl load)");
    for (size_t i = 0; i < now.programs.size(); ++i)
        std::printf("%s%s", i ? ", " : "", now.programs[i].c_str());
    if (now.loaded) {
        const Limits& limits = now.limits;
        std::printf("\nlimits:    %u processes a user, keeping together %s; a process %u %% of its "
                    "memory\n           stream: margin %u pages, lag %u",
                    limits.processes_per_user,
                    limits.kept_pages_per_user ? mebibytes(limits.kept_pages_per_user).c_str()
                                               : "what they like",
                    limits.keep_percent, limits.margin_pages, limits.lag_pages);
    }
    for (const UserStatus& user : now.users)
        std::printf("\nuser %u: %" PRId64 " processes, keeping %s", user.uid, user.processes,
                    mebibytes(static_cast<uint64_t>(user.kept_pages)).c_str());
    for (const StreamStatus& stream : now.streams) {
        std::printf("\nstreams of %s: read %s, left at most %s",
                    stream.cgroup.empty() ? "a cgroup that is gone" : stream.cgroup.c_str(),
                    mebibytes(stream.read_pages).c_str(), mebibytes(stream.left_pages).c_str());
        if (stream.share < 1)
            std::printf(": %.0f %% of each part", 100 * stream.share);
        if (stream.margin_grown_pages)
            std::printf("; margin grown by %" PRIu64 " pages", stream.margin_grown_pages);
    }
    std::printf("\nprocesses: %zu\n", now.processes.size());
    for (const ProcessStatus& process : now.processes) {
        std::printf("  %u %s (uid %u)%s%s: %zu ranges, may keep %s\n", process.tgid,
                    process.comm.c_str(), process.uid, process.subscribed ? ", subscribed" : "",
                    process.attached ? ", attached" : "", process.ranges.size(),
                    mebibytes(process.kept_pages).c_str());
        for (const RangeStatus& range : process.ranges) {
            std::printf("    %" PRIx64 "-%" PRIx64 " %s: %s, rule %u%s%s\n",
                        static_cast<uint64_t>(range.range.start),
                        static_cast<uint64_t>(range.range.end),
                        range.file.empty() ? "(no file)" : range.file.c_str(),
                        action_name(range.range), range.range.rule,
                        read_ahead(range.range) != "default"
                            ? (", read-ahead " + read_ahead(range.range)).c_str()
                            : "",
                        over_budget(range) ? ", only part of it fits the budget" : "");
            print_counters(range.stats, PP_NR_RANGE_STATS, "      ");
        }
    }
    print_counters(now.totals, PP_NR_STATS, "total:     ");
}

int run(const Arguments& arguments) {
    const bool json = arguments.size() == 1 && arguments[0] == "--json";
    if (!json && !arguments.empty())
        return misused(status_command, "unknown argument " + arguments.back());
    const auto now = status();
    if (!now)
        return fail("status", now.error().text());
    if (json)
        print_json(now.value());
    else
        print_text(now.value());
    return 0;
}

} // namespace

const Command status_command = {
    "status",
    "module, programs, processes, ranges, counters (root)",
    "[--json]",
    run,
};

} // namespace ppctl
