// SPDX-License-Identifier: Apache-2.0
//
// Formats of the results; see output.hpp.
#include "output.hpp"

#include <iomanip>
#include <ostream>

#include "text.hpp"

namespace pagepatrol::bench {

namespace {

void json_counts(std::ostream& out, const Counts& c) {
    out << "\"seconds\": " << c.seconds << ", \"user_seconds\": " << c.user_seconds
        << ", \"system_seconds\": " << c.system_seconds << ", \"accesses\": " << c.accesses
        << ", \"hot_accesses\": " << c.hot_accesses
        << ", \"hot_major_faults\": " << c.hot_major_faults
        << ", \"hot_minor_faults\": " << c.hot_minor_faults
        << ", \"major_faults\": " << c.major_faults << ", \"minor_faults\": " << c.minor_faults
        << ", \"bytes_read\": ";
    if (c.bytes_read)
        out << *c.bytes_read;
    else
        out << "null";
}

void csv_line(std::ostream& out, const Result& r, const std::string& pass, const Counts& c) {
    out << r.iteration << ',' << r.step->name << ',' << r.step->pattern << ',' << pass << ','
        << c.seconds << ',' << c.user_seconds << ',' << c.system_seconds << ',' << c.accesses << ','
        << c.hot_accesses << ',' << c.hot_major_faults << ',' << c.hot_minor_faults << ','
        << c.major_faults << ',' << c.minor_faults << ',';
    if (c.bytes_read)
        out << *c.bytes_read;
    out << ',' << hex(r.result.checksum) << '\n';
}

void table_line(std::ostream& out, const std::string& name, const Counts& c) {
    out << std::left << std::setw(24) << name << std::right << std::fixed << std::setprecision(2)
        << std::setw(9) << c.seconds << std::setw(8) << c.user_seconds << std::setw(8)
        << c.system_seconds << std::setw(11) << c.accesses << std::setw(9) << c.major_faults
        << std::setw(9) << c.minor_faults << std::setw(10);
    if (c.bytes_read)
        out << static_cast<double>(*c.bytes_read) / (1 << 20);
    else
        out << "-";
    if (c.hot_accesses > 0)
        out << std::setw(10) << c.hot_accesses << std::setw(8)
            << 100.0 * static_cast<double>(c.hot_major_faults) / static_cast<double>(c.hot_accesses)
            << '%';
    out << '\n';
}

} // namespace

void write_json(std::ostream& out, const Config& config, const std::vector<MappedFile>& files,
                const std::vector<Result>& results) {
    out << std::fixed << std::setprecision(6);
    out << "{\n  \"format\": 1,\n  \"config\": " << quoted(config.source)
        << ",\n  \"seed\": " << config.seed << ",\n  \"iterations\": " << config.iterations
        << ",\n  \"kernel\": " << quoted(kernel_release()) << ",\n  \"page_size\": " << page_size()
        << ",\n  \"files\": [";
    for (std::size_t i = 0; i < files.size(); i++)
        out << (i ? ",\n    " : "\n    ") << "{\"name\": " << quoted(config.files[i].name)
            << ", \"path\": " << quoted(files[i].path()) << ", \"bytes\": " << files[i].bytes()
            << "}";
    out << "\n  ],\n  \"steps\": [";
    for (std::size_t i = 0; i < results.size(); i++) {
        const Result& r = results[i];
        out << (i ? ",\n    " : "\n    ") << "{\"iteration\": " << r.iteration
            << ", \"name\": " << quoted(r.step->name)
            << ", \"pattern\": " << quoted(r.step->pattern) << ",\n     ";
        json_counts(out, r.result.total);
        out << ",\n     \"warmup_seconds\": " << r.result.warmup_seconds
            << ", \"checksum\": " << quoted(hex(r.result.checksum)) << ",\n     \"passes\": [";
        for (std::size_t pass = 0; pass < r.result.passes.size(); pass++) {
            out << (pass ? ",\n       {" : "\n       {");
            json_counts(out, r.result.passes[pass]);
            out << "}";
        }
        out << "]}";
    }
    out << "\n  ]\n}\n";
}

void write_csv(std::ostream& out, const std::vector<Result>& results) {
    out << std::fixed << std::setprecision(6);
    out << "iteration,name,pattern,pass,seconds,user_seconds,system_seconds,accesses,hot_accesses,"
           "hot_major_faults,hot_minor_faults,major_faults,minor_faults,bytes_read,checksum\n";
    for (const Result& r : results) {
        csv_line(out, r, "total", r.result.total);
        for (std::size_t pass = 0; pass < r.result.passes.size(); pass++)
            csv_line(out, r, std::to_string(pass + 1), r.result.passes[pass]);
    }
}

void write_table_head(std::ostream& out) {
    out << std::left << std::setw(24) << "step" << std::right << std::setw(9) << "seconds"
        << std::setw(8) << "user" << std::setw(8) << "sys" << std::setw(11) << "accesses"
        << std::setw(9) << "major" << std::setw(9) << "minor" << std::setw(10) << "MiB read"
        << std::setw(10) << "hot" << std::setw(9) << "hot maj." << '\n';
}

void write_table(std::ostream& out, const Result& r) {
    table_line(out, r.step->name, r.result.total);
    for (std::size_t pass = 0; r.result.passes.size() > 1 && pass < r.result.passes.size(); pass++)
        table_line(out, "  pass " + std::to_string(pass + 1), r.result.passes[pass]);
    out << "  checksum " << hex(r.result.checksum) << std::endl;
}

} // namespace pagepatrol::bench
