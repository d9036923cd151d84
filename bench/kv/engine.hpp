// SPDX-License-Identifier: Apache-2.0
//
// One small interface to the key-value stores that pp-kv drives: unmodified Debian
// libraries, each used as its documentation says. Knows nothing of workloads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pagepatrol::bench::kv {

// false: no more, please
using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
// Fills key and value with the next record; false: that was all.
using Source = std::function<bool(std::string& key, std::string& value)>;

// What the author of a server could say to the kernel himself: the measure for what a
// policy can reach. Each engine says which of these it lets one do.
struct Advice {
    bool random = false;        // no read-ahead for look-ups
    bool normal = false;        // not the advice that the library gives by itself
    bool behind = false;        // a scan drops what it has passed
    std::uint64_t lock_hot = 0; // bytes: the pages of the most popular records stay
    bool lock_index = false;    // the pages of the index stay
};

struct EngineOptions {
    std::string folder;
    bool write = false;        // put() will be called
    std::uint64_t records = 0; // that are, or will be, in it; with inserts
    std::uint64_t value_bytes = 0;
    unsigned threads = 1;
    Advice advice;
};

enum class Purpose { point, scan };

// What one thread does with an open database. Throws Error.
class Session {
  public:
    virtual ~Session() = default;
    // The value is valid while `visit` runs; false: no such key.
    virtual bool get(std::string_view key, const Visitor& visit) = 0;
    // By the index alone, without the value; only engines that have one apart.
    virtual bool look_up(std::string_view key);
    // In order of keys, from the first that is not less; the visitor ends it.
    virtual void scan(std::string_view from, const Visitor& visit) = 0;
    // All, in the order in which they are stored.
    virtual void scan_all(const Visitor& visit) { scan({}, visit); }
    virtual void put(std::string_view key, std::string_view value) = 0;
};

class Engine {
  public:
    virtual ~Engine() = default;
    // Into an empty database, in ascending order of keys.
    virtual void load(const Source& next) = 0;
    virtual std::unique_ptr<Session> session(Purpose purpose) = 0;
    // Advice::lock_hot: keys in order of popularity; returns the bytes that are locked.
    virtual std::uint64_t lock_hot(const std::function<bool(std::string& key)>& next);
    virtual std::string version() const = 0;
    // What a policy may want to know of the files, in words; empty: nothing.
    virtual std::string layout() { return {}; }
};

struct EngineInfo {
    std::string_view name;
    std::string_view package; // of Debian, that it is built with
    // null: pp-kv was built without the package
    std::unique_ptr<Engine> (*open)(const EngineOptions& options);
    bool processes;                       // several may have one database open
    std::vector<std::string_view> advice; // words of --advice that it allows
    std::string_view no_advice;           // why not the others
};

const std::vector<EngineInfo>& engines();
// Throws if there is no such engine, or not in this build.
const EngineInfo& engine(std::string_view name);

// Defined in NAME.cpp, as far as built.
std::unique_ptr<Engine> open_lmdb(const EngineOptions& options);
std::unique_ptr<Engine> open_leveldb(const EngineOptions& options);
std::unique_ptr<Engine> open_rocksdb(const EngineOptions& options);
std::unique_ptr<Engine> open_sqlite(const EngineOptions& options);

} // namespace pagepatrol::bench::kv
