// SPDX-License-Identifier: Apache-2.0
//
// LMDB: one file, mapped whole by the library; values are read where they are mapped.
// Opened with MDB_NOTLS, as servers do whose threads are not theirs.
#include <lmdb.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "../error.hpp"
#include "../mapped_file.hpp"
#include "drop_behind.hpp"
#include "engine.hpp"
#include "mapping.hpp"

namespace pagepatrol::bench::kv {

namespace {

void check(int error, const std::string& what) {
    if (error)
        throw Error("lmdb: " + what + ": " + mdb_strerror(error));
}

MDB_val val(std::string_view text) {
    return {text.size(), const_cast<char*>(text.data())};
}
std::string_view view(const MDB_val& v) {
    return {static_cast<const char*>(v.mv_data), v.mv_size};
}

class Environment {
  public:
    Environment(const std::string& folder, std::uint64_t map_bytes, unsigned readers,
                unsigned flags)
        : folder_(folder) {
        check(mdb_env_create(&env_), "create");
        try {
            if (map_bytes)
                check(mdb_env_set_mapsize(env_, map_bytes), "map size");
            check(mdb_env_set_maxreaders(env_, readers), "readers");
            check(mdb_env_open(env_, folder.c_str(), flags | MDB_NOTLS, 0644), folder);
            Transaction transaction(env_, MDB_RDONLY);
            check(mdb_dbi_open(transaction.get(), nullptr, 0, &dbi_), folder + ": database");
        } catch (...) {
            mdb_env_close(env_);
            throw;
        }
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment() { mdb_env_close(env_); }

    class Transaction {
      public:
        Transaction(MDB_env* env, unsigned flags) {
            check(mdb_txn_begin(env, nullptr, flags, &txn_), "begin");
        }
        Transaction(const Transaction&) = delete;
        Transaction& operator=(const Transaction&) = delete;
        ~Transaction() {
            if (txn_)
                mdb_txn_abort(txn_);
        }
        MDB_txn* get() const { return txn_; }
        void commit() { check(mdb_txn_commit(std::exchange(txn_, nullptr)), "commit"); }

      private:
        MDB_txn* txn_ = nullptr;
    };

    MDB_env* get() const { return env_; }
    MDB_dbi dbi() const { return dbi_; }
    // The part of the mapping that the file fills. mdb_env_info() tells an address for
    // MDB_FIXEDMAP only; so it is where a value lies.
    Mapping mapping() const {
        Transaction transaction(env_, MDB_RDONLY);
        MDB_cursor* cursor;
        check(mdb_cursor_open(transaction.get(), dbi_, &cursor), "cursor");
        MDB_val key, value;
        const int error = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        mdb_cursor_close(cursor);
        check(error, folder_ + ": first record");
        MDB_envinfo info;
        check(mdb_env_info(env_, &info), "info");
        Mapping mapping = mapping_around(value.mv_data);
        mapping.bytes =
            std::min<std::uint64_t>(mapping.bytes, (info.me_last_pgno + 1) * page_size());
        return mapping;
    }
    int descriptor() const {
        int fd = -1;
        check(mdb_env_get_fd(env_, &fd), "descriptor");
        return fd;
    }

  private:
    std::string folder_;
    MDB_env* env_ = nullptr;
    MDB_dbi dbi_ = 0;
};

class LmdbSession : public Session {
  public:
    // `behind`: a scan drops what it has passed; the environment is then its own
    LmdbSession(Environment& env, bool behind)
        : env_(env), behind_(behind), reader_(env.get(), MDB_RDONLY) {
        mdb_txn_reset(reader_.get());
    }

    bool get(std::string_view key, const Visitor& visit) override {
        // a snapshot for each look-up, as each request to a server has its own
        const Reading reading(reader_.get());
        MDB_val k = val(key), value;
        const int error = mdb_get(reader_.get(), env_.dbi(), &k, &value);
        if (error == MDB_NOTFOUND)
            return false;
        check(error, "get");
        visit(key, view(value));
        return true;
    }

    void scan(std::string_view from, const Visitor& visit) override {
        const Reading reading(reader_.get());
        MDB_cursor* cursor;
        check(mdb_cursor_open(reader_.get(), env_.dbi(), &cursor), "cursor");
        const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> closer(cursor, mdb_cursor_close);
        DropBehind behind;
        if (behind_) {
            const auto [data, bytes] = env_.mapping();
            behind = DropBehind(data, bytes, env_.descriptor());
        }
        MDB_val key = val(from), value;
        MDB_cursor_op op = from.empty() ? MDB_FIRST : MDB_SET_RANGE;
        for (int error; (error = mdb_cursor_get(cursor, &key, &value, op)) != MDB_NOTFOUND;
             op = MDB_NEXT) {
            check(error, "cursor");
            behind.at(static_cast<const char*>(value.mv_data));
            if (!visit(view(key), view(value)))
                return;
        }
        behind.end();
    }

    void put(std::string_view key, std::string_view value) override {
        Environment::Transaction transaction(env_.get(), 0);
        MDB_val k = val(key), v = val(value);
        check(mdb_put(transaction.get(), env_.dbi(), &k, &v, 0), "put");
        transaction.commit();
    }

  private:
    struct Reading {
        explicit Reading(MDB_txn* txn) : txn(txn) { check(mdb_txn_renew(txn), "renew"); }
        Reading(const Reading&) = delete;
        Reading& operator=(const Reading&) = delete;
        ~Reading() { mdb_txn_reset(txn); }
        MDB_txn* txn;
    };

    Environment& env_;
    bool behind_;
    Environment::Transaction reader_;
};

class Lmdb : public Engine {
  public:
    explicit Lmdb(const EngineOptions& options)
        : options_(options),
          env_(options.folder, options.write ? map_bytes(options) : 0, readers(options),
               (options.write ? MDB_NOSYNC : MDB_RDONLY) |
                   (options.advice.random ? MDB_NORDAHEAD : 0)) {
        if (!options.advice.behind)
            return;
        if (options.write)
            throw Error("lmdb: --advise behind: a second environment on the same file can't see "
                        "what the first one writes; expected a workload that only reads");
        scanned_ = std::make_unique<Environment>(options.folder, 0, readers(options),
                                                 MDB_RDONLY | MDB_NOLOCK);
        const auto [data, bytes] = scanned_->mapping();
        if (madvise(data, bytes, MADV_SEQUENTIAL) < 0)
            throw Error::of_errno("lmdb: MADV_SEQUENTIAL");
    }

    void load(const Source& next) override {
        std::string key, value;
        for (bool more = true; more;) {
            Environment::Transaction transaction(env_.get(), 0);
            for (unsigned i = 0; i < batch && (more = next(key, value)); i++) {
                MDB_val k = val(key), v = val(value);
                check(mdb_put(transaction.get(), env_.dbi(), &k, &v, MDB_APPEND), "put");
            }
            transaction.commit();
        }
        check(mdb_env_sync(env_.get(), 1), "sync");
    }

    std::unique_ptr<Session> session(Purpose purpose) override {
        const bool behind = purpose == Purpose::scan && scanned_;
        return std::make_unique<LmdbSession>(behind ? *scanned_ : env_, behind);
    }

    std::uint64_t lock_hot(const std::function<bool(std::string& key)>& next) override {
        std::uint64_t locked = 0;
        const std::uint64_t page = page_size();
        const auto [data, bytes] = env_.mapping();
        std::vector<bool> seen(bytes / page + 1);
        LmdbSession session(env_, false);
        for (std::string key; locked < options_.advice.lock_hot && next(key);)
            session.get(key, [&](std::string_view, std::string_view value) {
                const auto first = static_cast<std::uint64_t>(value.data() - data) / page;
                const auto last =
                    (static_cast<std::uint64_t>(value.data() - data) + value.size() - 1) / page;
                for (std::uint64_t i = first; i <= last; i++)
                    if (!seen[i]) {
                        if (mlock2(data + i * page, page, MLOCK_ONFAULT) < 0)
                            throw Error::of_errno("lmdb: mlock2 after " + std::to_string(locked) +
                                                  " bytes (HINT: ulimit -l, vm.max_map_count)");
                        seen[i] = true;
                        locked += page;
                    }
                return true;
            });
        return locked;
    }

    std::string version() const override { return mdb_version(nullptr, nullptr, nullptr); }

  private:
    static constexpr unsigned batch = 10000; // records per transaction of the load

    static unsigned readers(const EngineOptions& options) { return options.threads + 16; }
    // twice what it takes, as pages are half full after splits; only address space
    static std::uint64_t map_bytes(const EngineOptions& options) {
        return (64u << 20) + 4 * options.records * (options.value_bytes + 64);
    }

    EngineOptions options_;
    Environment env_;
    std::unique_ptr<Environment> scanned_; // of its own: Advice::behind
};

} // namespace

std::unique_ptr<Engine> open_lmdb(const EngineOptions& options) {
    return std::make_unique<Lmdb>(options);
}

} // namespace pagepatrol::bench::kv
