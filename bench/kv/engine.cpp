// SPDX-License-Identifier: Apache-2.0
//
// The table of engines; see engine.hpp. PP_KV_* come from meson: which were built.
#include "engine.hpp"

#include "../error.hpp"

namespace pagepatrol::bench::kv {

#ifndef PP_KV_LMDB
#define open_lmdb nullptr
#endif
#ifndef PP_KV_LEVELDB
#define open_leveldb nullptr
#endif
#ifndef PP_KV_ROCKSDB
#define open_rocksdb nullptr
#endif
#ifndef PP_KV_SQLITE
#define open_sqlite nullptr
#endif

const std::vector<EngineInfo>& engines() {
    static const std::vector<EngineInfo> all = {
        {"lmdb",
         "liblmdb-dev",
         open_lmdb,
         true,
         {"random", "behind", "lock-hot"},
         "LMDB does not say where its branch pages lie"},
        {"leveldb",
         "libleveldb-dev",
         open_leveldb,
         false,
         {},
         "LevelDB shows neither its mappings nor its descriptors"},
        {"rocksdb",
         "librocksdb-dev",
         open_rocksdb,
         true,
         {"normal"},
         "RocksDB shows neither its mappings nor its descriptors, and says MADV_RANDOM itself"},
        {"sqlite",
         "libsqlite3-dev",
         open_sqlite,
         true,
         {"random", "lock-index"},
         "SQLite does not say where in the file a row lies"},
    };
    return all;
}

const EngineInfo& engine(std::string_view name) {
    std::string names;
    for (const EngineInfo& info : engines()) {
        if (info.name == name) {
            if (!info.open)
                throw Error("engine " + std::string(name) +
                            ": not in this build. HINT: apt-get "
                            "install " +
                            std::string(info.package) + ", then meson setup --wipe");
            return info;
        }
        names += (names.empty() ? "" : ", ") + std::string(info.name);
    }
    throw Error("no engine '" + std::string(name) + "'; expected one of: " + names);
}

bool Session::look_up(std::string_view) {
    throw Error("this engine has no index apart from the values");
}

std::uint64_t Engine::lock_hot(const std::function<bool(std::string&)>&) {
    throw Error("this engine does not say where a value lies");
}

} // namespace pagepatrol::bench::kv
