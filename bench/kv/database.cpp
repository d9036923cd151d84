// SPDX-License-Identifier: Apache-2.0
//
// The folder of a database; see database.hpp.
#include "database.hpp"

#include <fcntl.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "../error.hpp"

namespace pagepatrol::bench::kv {

namespace fs = std::filesystem;

namespace {

constexpr char marker[] = "pp-kv.toml";

void sync_path(const fs::path& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        throw Error::of_errno(path.string() + ": cannot open");
    if (fsync(fd) < 0) {
        const Error error = Error::of_errno(path.string() + ": fsync");
        close(fd);
        throw error;
    }
    close(fd);
}

} // namespace

void prepare_folder(const std::string& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        throw Error(folder + ": cannot make the folder: " + error.message());
    if (!fs::is_empty(folder, error) || error)
        throw Error(folder + ": expected an empty folder, or none");
}

void finish_folder(const std::string& folder, Database& database) {
    database.disk_bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (!entry.is_regular_file())
            continue;
        sync_path(entry.path());
        database.disk_bytes += entry.file_size();
    }
    const fs::path path = fs::path(folder) / marker;
    std::ofstream out(path);
    out << toml::table{{"engine", database.engine},
                       {"records", static_cast<std::int64_t>(database.records)},
                       {"value_bytes", static_cast<std::int64_t>(database.value_bytes)},
                       {"seed", static_cast<std::int64_t>(database.seed)},
                       {"disk_bytes", static_cast<std::int64_t>(database.disk_bytes)}}
        << '\n';
    out.close();
    if (!out)
        throw Error::of_errno(path.string() + ": cannot write");
    sync_path(path);
    sync_path(folder);
}

Database read_folder(const std::string& folder, const std::string& engine) {
    const std::string path = folder + "/" + marker;
    toml::table table;
    try {
        table = toml::parse_file(path);
    } catch (const toml::parse_error& error) {
        throw Error(path + ": " + std::string(error.description()) +
                    "; expected a folder that "
                    "pp-kv load has filled. HINT: pp-kv load " +
                    engine + " " + folder + " --records N --value-size B");
    }
    Database database;
    database.engine = table["engine"].value_or(std::string());
    if (database.engine != engine)
        throw Error(folder + ": holds a database of " + database.engine + ", not of " + engine);
    const auto positive = [&](const char* key) {
        const std::int64_t value = table[key].value_or(std::int64_t{0});
        if (value <= 0)
            throw Error(path + ": " + key + ": expected a positive number");
        return static_cast<std::uint64_t>(value);
    };
    database.records = positive("records");
    database.value_bytes = positive("value_bytes");
    database.seed = positive("seed");
    database.disk_bytes = positive("disk_bytes");
    return database;
}

} // namespace pagepatrol::bench::kv
