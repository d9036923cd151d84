// SPDX-License-Identifier: Apache-2.0
//
// LevelDB as a server has it that does not tune it: on 64 bits it maps its tables, up to
// 1000 at a time (kDefaultMmapLimit in util/env_posix.cc), and reads the rest by pread. Without
// compression, so that values are read where they are mapped; block cache 8 MiB.
#include <leveldb/c.h>

#include "lsm.hpp"

namespace pagepatrol::bench::kv {

namespace {

struct LevelDb {
    using Db = leveldb_t;
    using Options = leveldb_options_t;
    using ReadOptions = leveldb_readoptions_t;
    using WriteOptions = leveldb_writeoptions_t;
    using Iterator = leveldb_iterator_t;
    static constexpr const char* name = "leveldb";

    static Options* options(const EngineOptions& wanted) {
        Options* options = leveldb_options_create();
        leveldb_options_set_create_if_missing(options, wanted.write);
        leveldb_options_set_compression(options, leveldb_no_compression);
        return options;
    }
    static Db* open(Options* options, const EngineOptions& wanted, char** error) {
        return leveldb_open(options, wanted.folder.c_str(), error);
    }
    static void close(Db* db) { leveldb_close(db); }
    static void destroy(Options* o) { leveldb_options_destroy(o); }
    static ReadOptions* read_options() { return leveldb_readoptions_create(); }
    static void destroy(ReadOptions* o) { leveldb_readoptions_destroy(o); }
    static WriteOptions* write_options() { return leveldb_writeoptions_create(); }
    static void destroy(WriteOptions* o) { leveldb_writeoptions_destroy(o); }
    static void free(char* text) { leveldb_free(text); }

    static bool get(Db* db, ReadOptions* options, std::string_view key, const Visitor& visit,
                    char** error) {
        std::size_t bytes = 0;
        const std::unique_ptr<char, void (*)(char*)> value(
            leveldb_get(db, options, key.data(), key.size(), &bytes, error), free);
        if (!value)
            return false;
        visit(key, {value.get(), bytes});
        return true;
    }
    static void put(Db* db, WriteOptions* options, std::string_view key, std::string_view value,
                    char** error) {
        leveldb_put(db, options, key.data(), key.size(), value.data(), value.size(), error);
    }

    static Iterator* iterator(Db* db, ReadOptions* o) { return leveldb_create_iterator(db, o); }
    static void destroy(Iterator* it) { leveldb_iter_destroy(it); }
    static void seek(Iterator* it, std::string_view from) {
        leveldb_iter_seek(it, from.data(), from.size());
    }
    static bool valid(Iterator* it) { return leveldb_iter_valid(it); }
    static void next(Iterator* it) { leveldb_iter_next(it); }
    static std::string_view key(Iterator* it) {
        std::size_t bytes = 0;
        const char* data = leveldb_iter_key(it, &bytes);
        return {data, bytes};
    }
    static std::string_view value(Iterator* it) {
        std::size_t bytes = 0;
        const char* data = leveldb_iter_value(it, &bytes);
        return {data, bytes};
    }
    static void iterator_error(Iterator* it, char** error) { leveldb_iter_get_error(it, error); }

    // the log, too, becomes tables; nothing is compacted while a run is measured
    static void settle(Db* db, char**) { leveldb_compact_range(db, nullptr, 0, nullptr, 0); }

    static std::string version() {
        return std::to_string(leveldb_major_version()) + "." +
               std::to_string(leveldb_minor_version());
    }
};

} // namespace

std::unique_ptr<Engine> open_leveldb(const EngineOptions& options) {
    return std::make_unique<Lsm<LevelDb>>(options);
}

} // namespace pagepatrol::bench::kv
