// SPDX-License-Identifier: Apache-2.0
//
// RocksDB with allow_mmap_reads and without compression: blocks are used where they are
// mapped. Otherwise as it comes: that includes MADV_RANDOM on each table
// (advise_random_on_open), which --advise normal turns off.
#include <rocksdb/c.h>
#include <rocksdb/version.h>

#include "lsm.hpp"

namespace pagepatrol::bench::kv {

namespace {

struct RocksDb {
    using Db = rocksdb_t;
    using Options = rocksdb_options_t;
    using ReadOptions = rocksdb_readoptions_t;
    using WriteOptions = rocksdb_writeoptions_t;
    using Iterator = rocksdb_iterator_t;
    static constexpr const char* name = "rocksdb";

    static Options* options(const EngineOptions& wanted) {
        Options* options = rocksdb_options_create();
        rocksdb_options_set_create_if_missing(options, wanted.write);
        rocksdb_options_set_compression(options, rocksdb_no_compression);
        rocksdb_options_set_allow_mmap_reads(options, 1);
        rocksdb_options_set_advise_random_on_open(options, !wanted.advice.normal);
        // small tables, as the data is small: several per level, not one
        rocksdb_options_set_target_file_size_base(options, 8 << 20);
        // as LevelDB has it: 64 MiB of unwritten records would be all of a small memory limit
        rocksdb_options_set_write_buffer_size(options, 4 << 20);
        return options;
    }
    // who only reads takes no lock, so that several processes may
    static Db* open(Options* options, const EngineOptions& wanted, char** error) {
        const char* folder = wanted.folder.c_str();
        return wanted.write ? rocksdb_open(options, folder, error)
                            : rocksdb_open_for_read_only(options, folder, 0, error);
    }
    static void close(Db* db) { rocksdb_close(db); }
    static void destroy(Options* o) { rocksdb_options_destroy(o); }
    static ReadOptions* read_options() { return rocksdb_readoptions_create(); }
    static void destroy(ReadOptions* o) { rocksdb_readoptions_destroy(o); }
    static WriteOptions* write_options() { return rocksdb_writeoptions_create(); }
    static void destroy(WriteOptions* o) { rocksdb_writeoptions_destroy(o); }
    static void free(char* text) { rocksdb_free(text); }

    static bool get(Db* db, ReadOptions* options, std::string_view key, const Visitor& visit,
                    char** error) {
        const std::unique_ptr<rocksdb_pinnableslice_t, void (*)(rocksdb_pinnableslice_t*)> slice(
            rocksdb_get_pinned(db, options, key.data(), key.size(), error),
            rocksdb_pinnableslice_destroy);
        if (!slice)
            return false;
        std::size_t bytes = 0;
        const char* data = rocksdb_pinnableslice_value(slice.get(), &bytes);
        visit(key, {data, bytes});
        return true;
    }
    static void put(Db* db, WriteOptions* options, std::string_view key, std::string_view value,
                    char** error) {
        rocksdb_put(db, options, key.data(), key.size(), value.data(), value.size(), error);
    }

    static Iterator* iterator(Db* db, ReadOptions* o) { return rocksdb_create_iterator(db, o); }
    static void destroy(Iterator* it) { rocksdb_iter_destroy(it); }
    static void seek(Iterator* it, std::string_view from) {
        rocksdb_iter_seek(it, from.data(), from.size());
    }
    static bool valid(Iterator* it) { return rocksdb_iter_valid(it); }
    static void next(Iterator* it) { rocksdb_iter_next(it); }
    static std::string_view key(Iterator* it) {
        std::size_t bytes = 0;
        const char* data = rocksdb_iter_key(it, &bytes);
        return {data, bytes};
    }
    static std::string_view value(Iterator* it) {
        std::size_t bytes = 0;
        const char* data = rocksdb_iter_value(it, &bytes);
        return {data, bytes};
    }
    static void iterator_error(Iterator* it, char** error) { rocksdb_iter_get_error(it, error); }

    // the memory's tables, too, go to disk; nothing is compacted while a run is measured
    static void settle(Db* db, char** error) {
        rocksdb_flushoptions_t* flush = rocksdb_flushoptions_create();
        rocksdb_flush(db, flush, error);
        rocksdb_flushoptions_destroy(flush);
        rocksdb_compact_range(db, nullptr, 0, nullptr, 0);
    }

    static std::string version() {
        return std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." +
               std::to_string(ROCKSDB_PATCH);
    }
};

} // namespace

std::unique_ptr<Engine> open_rocksdb(const EngineOptions& options) {
    return std::make_unique<Lsm<RocksDb>>(options);
}

} // namespace pagepatrol::bench::kv
