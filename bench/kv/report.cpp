// SPDX-License-Identifier: Apache-2.0
//
// Formats of the results; see report.hpp.
#include "report.hpp"

#include <iomanip>
#include <ostream>

#include "../text.hpp"

namespace pagepatrol::bench::kv {

namespace {

double rate(std::uint64_t operations, double seconds) {
    return seconds > 0 ? static_cast<double>(operations) / seconds : 0;
}

void json_latency(std::ostream& out, const Histogram& latency) {
    out << "{\"count\": " << latency.count() << ", \"mean\": " << latency.mean()
        << ", \"p50\": " << latency.percentile(0.5) << ", \"p90\": " << latency.percentile(0.9)
        << ", \"p99\": " << latency.percentile(0.99) << ", \"p99.9\": " << latency.percentile(0.999)
        << ", \"max\": " << latency.max() << ", \"histogram\": [";
    const char* separator = "";
    latency.each([&](std::uint64_t value, std::uint64_t count) {
        out << separator << "[" << value << ", " << count << "]";
        separator = ", ";
    });
    out << "]}";
}

void json_role(std::ostream& out, const RoleResult& role) {
    out << "{\"role\": " << quoted(role.name) << ", \"threads\": " << role.threads
        << ", \"operations\": " << role.operations << ", \"seconds\": " << role.seconds
        << ", \"throughput\": " << rate(role.operations, role.seconds)
        << ", \"full_scans\": " << role.scans << ", \"not_found\": " << role.not_found
        << ",\n     \"user_seconds\": " << role.usage.user
        << ", \"system_seconds\": " << role.usage.system
        << ", \"major_faults\": " << role.usage.major_faults
        << ", \"minor_faults\": " << role.usage.minor_faults
        << ", \"checksum\": " << quoted(hex(role.checksum)) << ",\n     \"intervals\": [";
    for (std::size_t i = 0; i < role.intervals.size(); i++)
        out << (i ? ", " : "") << role.intervals[i];
    out << "],\n     \"latency_ns\": ";
    json_latency(out, role.latency);
    out << ",\n     \"kinds\": {";
    const char* separator = "";
    for (std::size_t i = 0; i < role.kinds.size(); i++) {
        if (role.kinds[i].count() == 0)
            continue;
        out << separator << quoted(kind_names[i]) << ": ";
        json_latency(out, role.kinds[i]);
        separator = ",\n       ";
    }
    out << "}}";
}

} // namespace

void write_json(std::ostream& out, const Facts& facts, const RunOptions& options,
                const RunResult& result) {
    const Database& database = facts.database;
    out << std::fixed << std::setprecision(6);
    out << "{\"format\": 1, \"program\": \"pp-kv\", \"engine\": " << quoted(database.engine)
        << ", \"engine_version\": " << quoted(facts.engine_version)
        << ", \"kernel\": " << quoted(kernel_release()) << ",\n \"records\": " << database.records
        << ", \"value_bytes\": " << database.value_bytes
        << ", \"disk_bytes\": " << database.disk_bytes << ", \"data_seed\": " << database.seed
        << ",\n \"workload\": " << quoted(options.workload.name)
        << ", \"role\": " << quoted(facts.role) << ", \"threads\": " << options.threads
        << ", \"seed\": " << options.seed << ", \"theta\": " << options.theta
        << ", \"limit_seconds\": " << options.seconds
        << ", \"limit_operations\": " << options.operations
        << ", \"limit_scans\": " << options.scans << ", \"interleave\": " << options.interleave
        << ", \"warm_up\": " << options.warm_up << ", \"interval_seconds\": " << options.interval
        << ", \"advice\": " << quoted(facts.advice) << ", \"locked_bytes\": " << facts.locked_bytes
        << ",\n \"seconds\": " << result.seconds
        << ", \"warmup_seconds\": " << result.warmup_seconds
        << ", \"user_seconds\": " << result.process.user
        << ", \"system_seconds\": " << result.process.system
        << ", \"major_faults\": " << result.process.major_faults
        << ", \"minor_faults\": " << result.process.minor_faults << ", \"bytes_read\": ";
    if (result.bytes_read)
        out << *result.bytes_read;
    else
        out << "null";
    out << ", \"interrupted\": " << (result.interrupted ? "true" : "false") << ",\n \"roles\": [";
    for (std::size_t i = 0; i < result.roles.size(); i++) {
        out << (i ? ",\n    " : "\n    ");
        json_role(out, result.roles[i]);
    }
    out << "\n ]}\n";
}

void write_table(std::ostream& out, const RunResult& result) {
    out << std::left << std::setw(8) << "role" << std::right << std::setw(11) << "operations"
        << std::setw(9) << "seconds" << std::setw(11) << "per s" << std::setw(10) << "P50 us"
        << std::setw(10) << "P99 us" << std::setw(10) << "P99.9 us" << std::setw(9) << "major"
        << std::setw(8) << "scans" << '\n';
    const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
    for (const RoleResult& role : result.roles)
        out << std::left << std::setw(8) << role.name << std::right << std::fixed
            << std::setprecision(1) << std::setw(11) << role.operations << std::setw(9)
            << role.seconds << std::setw(11) << rate(role.operations, role.seconds) << std::setw(10)
            << us(role.latency.percentile(0.5)) << std::setw(10)
            << us(role.latency.percentile(0.99)) << std::setw(10)
            << us(role.latency.percentile(0.999)) << std::setw(9) << role.usage.major_faults
            << std::setw(8) << role.scans << '\n';
    out << "MiB read: ";
    if (result.bytes_read)
        out << static_cast<double>(*result.bytes_read) / (1 << 20);
    else
        out << "-";
    out << (result.interrupted ? " (interrupted)" : "") << std::endl;
}

} // namespace pagepatrol::bench::kv
