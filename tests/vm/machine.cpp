// SPDX-License-Identifier: Apache-2.0
// See machine.hpp.
#include "machine.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include <bpf/bpf.h>
#include <pagepatrol/abi.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace vmtest {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string built(std::string_view path) {
    return PP_BUILD_FOLDER "/" + std::string(path);
}

std::string source(std::string_view path) {
    return PP_SOURCE_FOLDER "/" + std::string(path);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        throw std::system_error(errno, std::generic_category(), path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, std::string_view text) {
    std::ofstream file(path);
    file << text << std::flush;
    if (!file)
        throw std::system_error(errno, std::generic_category(),
                                "writing \"" + std::string(text) + "\" to " + path);
}

// --- cgroups ---

MemoryCgroup::MemoryCgroup(std::uint64_t limit) {
    static int number = 0;
    path_ = "/sys/fs/cgroup/vmtest-" + std::to_string(getpid()) + "-" + std::to_string(++number);
    fs::create_directory(path_);
    write_file(path_ + "/memory.max", limit == no_limit ? "max" : std::to_string(limit));
    write_file(path_ + "/memory.swap.max", "0");
}

MemoryCgroup::~MemoryCgroup() {
    try {
        write_file(path_ + "/cgroup.kill", "1");
        std::error_code error;
        // a killed process leaves the cgroup at its very end
        if (!wait_until([&] { return fs::remove(path_, error); }, 10s))
            ADD_FAILURE() << path_ << " can't be removed: " << error.message();
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
    }
}

std::uint64_t MemoryCgroup::event(const std::string& name) const {
    std::istringstream events(read_file(path_ + "/memory.events"));
    std::string found;
    for (std::uint64_t value; events >> found >> value;)
        if (found == name)
            return value;
    throw std::runtime_error(path_ + "/memory.events: no " + name);
}

// --- files ---

TemporaryFolder::TemporaryFolder() {
    char name[] = "/dev/shm/vmtest-XXXXXX";
    if (!mkdtemp(name))
        throw std::system_error(errno, std::generic_category(), name);
    path_ = name;
    fs::permissions(path_, fs::perms(0755));
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::file(std::string_view name, std::string_view text) const {
    const std::string path = path_ + "/" + std::string(name);
    write_file(path, text);
    return path;
}

const std::string Data::folder = "/scratch";

static void make_file(std::uint64_t size, const std::string& path, int seed) {
    if (fs::exists(path))
        return;
    must_run({{built("bench/make-file"), std::to_string(size), path, "--text", "--seed",
               std::to_string(seed)}});
}

std::string Data::need(std::string_view name) {
    const std::string path = folder + "/" + std::string(name);
    if (name == "hot")
        make_file(hot, path, 1);
    else if (name == "scan")
        make_file(scan, path, 2);
    else
        make_file(loop, path, 3);
    return path;
}

// Pieces of the scan file: what they hold does not matter, and writing is quicker.
std::string Data::need_many(std::uint64_t size) {
    const std::uint64_t count = size / MiB;
    const std::string many = folder + "/many-" + std::to_string(count);
    if (fs::exists(many))
        return many;
    std::ifstream from(need("scan"), std::ios::binary);
    const std::string unfinished = many + ".tmp";
    fs::create_directory(unfinished);
    std::string piece(MiB, '\0');
    char name[32];
    for (std::uint64_t i = 0; i < count; ++i) {
        std::snprintf(name, sizeof name, "/%03d.txt", static_cast<int>(i));
        from.seekg(static_cast<std::streamoff>(i * MiB % scan));
        if (!from.read(piece.data(), static_cast<std::streamsize>(piece.size())))
            throw std::runtime_error("the scan file is too short");
        write_file(unfinished + name, piece);
    }
    fs::rename(unfinished, many);
    return many;
}

bool full() {
    return std::getenv("PAGEPATROL_TEST_FULL") != nullptr;
}

std::string lru() {
    const int enabled = std::stoi(read_file("/sys/kernel/mm/lru_gen/enabled"), nullptr, 0);
    return enabled & 1 ? "mglru" : "classic";
}

void drop_caches() {
    sync();
    write_file("/proc/sys/vm/drop_caches", "3");
}

std::uint64_t disk_bytes_read() {
    struct ::stat st {};
    if (stat(Data::folder.c_str(), &st) != 0)
        throw std::system_error(errno, std::generic_category(), Data::folder);
    std::istringstream lines(read_file("/proc/diskstats"));
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        unsigned device_major = 0, device_minor = 0;
        std::string name;
        std::uint64_t reads = 0, merged = 0, sectors = 0;
        fields >> device_major >> device_minor >> name >> reads >> merged >> sectors;
        if (device_major == major(st.st_dev) && device_minor == minor(st.st_dev))
            return sectors * 512; // whatever the disk's own sector size
    }
    throw std::runtime_error(Data::folder + " is on no disk that /proc/diskstats knows");
}

// --- PagePatrol ---

namespace pagepatrol_ctl {

static Ended ppctl(Argv arguments) {
    arguments.insert(arguments.begin(), built("ctl/ppctl"));
    return run({arguments}, 60s);
}

Ended unload() {
    return ppctl({"unload"});
}

Ended load(const Argv& options) {
    const char* named = std::getenv("PAGEPATROL_MODULE");
    utsname names{};
    uname(&names);
    // else where scripts/build-module puts it
    const std::string module =
        named ? named : built("kernel/" + std::string(names.release) + "/pagepatrol.ko");
    Argv arguments = {"load"};
    if (!built_in())
        arguments.insert(arguments.end(), {"--module", module});
    arguments.insert(arguments.end(), options.begin(), options.end());
    return ppctl(arguments);
}

Json status() {
    const Ended ended = ppctl({"status", "--json"});
    if (!ended.good())
        throw std::runtime_error("ppctl status --json: " + ended.text());
    return Json::parse(ended.out);
}

const Json* process(const Json& status, pid_t pid) {
    for (const Json& process : status["processes"].array())
        if (process["pid"].number() == pid)
            return &process;
    return nullptr;
}

std::uint64_t total(const Json& status, std::string_view counter) {
    return status["totals"][counter].count();
}

bool module_inserted() {
    return access("/sys/module/pagepatrol/initstate", F_OK) == 0;
}

bool built_in() {
    return access("/sys/module/pagepatrol", F_OK) == 0 && !module_inserted();
}

std::uint64_t subscriptions() {
    return std::stoull(read_file("/sys/module/pagepatrol/parameters/subscriptions"));
}

std::size_t map_entries(const char* name) {
    const std::string path = PP_PIN_PRIVATE "/" + std::string(name);
    const int map = bpf_obj_get(path.c_str());
    if (map < 0)
        throw std::system_error(errno, std::generic_category(), path);
    std::size_t entries = 0;
    char key[64], next[64]; // larger than any key of ours
    while (bpf_map_get_next_key(map, entries ? key : nullptr, next) == 0) {
        std::copy(std::begin(next), std::end(next), key);
        ++entries;
    }
    close(map);
    return entries;
}

std::size_t map_memory(const char* name) {
    const int map = bpf_obj_get((PP_PIN_PRIVATE "/" + std::string(name)).c_str());
    if (map < 0)
        throw std::system_error(errno, std::generic_category(), name);
    std::istringstream info(read_file("/proc/self/fdinfo/" + std::to_string(map)));
    close(map);
    std::string key;
    for (std::string line; std::getline(info, line);) {
        std::istringstream words(line);
        std::size_t value = 0;
        if (words >> key >> value && key == "memlock:")
            return value;
    }
    throw std::runtime_error(std::string(name) + ": no memlock in fdinfo");
}

static void load_anew(const Argv& options) {
    if (const Ended ended = unload(); !ended.good())
        throw std::runtime_error("ppctl unload: " + ended.text());
    if (const Ended ended = load(options); !ended.good())
        throw std::runtime_error("ppctl load: " + ended.text());
}

LoadedWith::LoadedWith(const Argv& options) {
    load_anew(options);
}

LoadedWith::~LoadedWith() {
    try {
        load_anew({});
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
    }
}

LoadedAtEnd::~LoadedAtEnd() {
    try {
        if (status()["loaded"].boolean())
            return;
        if (const Ended loaded = load(); !loaded.good())
            ADD_FAILURE() << "ppctl load: " << loaded.text();
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
    }
}

} // namespace pagepatrol_ctl

} // namespace vmtest
