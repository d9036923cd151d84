// SPDX-License-Identifier: Apache-2.0
//
// SQLite with PRAGMA mmap_size: a table by row number, an index on its keys built after it,
// so that table and index lie one after the other in the file. Each session has a
// connection, and so a mapping, of its own; dirty pages are in its own cache (WAL).
#include <sqlite3.h>
#include <sys/mman.h>

#include <algorithm>
#include <filesystem>

#include "../error.hpp"
#include "engine.hpp"

namespace pagepatrol::bench::kv {

namespace {

class Connection {
  public:
    Connection(const std::string& path, int flags) : path_(path) {
        // NOMUTEX: each connection is used by one thread
        if (sqlite3_open_v2(path.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX, nullptr) !=
            SQLITE_OK) {
            const std::string text = db_ ? sqlite3_errmsg(db_) : "out of memory";
            sqlite3_close(db_);
            throw Error("sqlite: " + path + ": " + text);
        }
        try {
            sqlite3_busy_timeout(db_, 60'000);
            run("PRAGMA mmap_size = 1099511627776");
            // the library's own cache holds what the mapping can't: dirty pages
            run("PRAGMA cache_size = -2000");
        } catch (...) {
            sqlite3_close(db_);
            throw;
        }
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { sqlite3_close(db_); }

    void check(int result, std::initializer_list<int> fine, const char* what) const {
        if (std::find(fine.begin(), fine.end(), result) == fine.end())
            throw Error("sqlite: " + path_ + ": " + what + ": " + sqlite3_errmsg(db_));
    }
    void run(const char* sql) {
        check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), {SQLITE_OK}, sql);
    }
    sqlite3* get() const { return db_; }

    std::int64_t number(const char* sql) const;

    // Where the file is mapped. xFetch is how the library itself gets at its mapping.
    char* mapping() const {
        number("SELECT count(*) FROM sqlite_master"); // it maps with the first read
        sqlite3_file* file = nullptr;
        void* page = nullptr;
        check(sqlite3_file_control(db_, "main", SQLITE_FCNTL_FILE_POINTER, &file), {SQLITE_OK},
              "file pointer");
        if (file->pMethods->iVersion < 3 ||
            file->pMethods->xFetch(file, 0, 512, &page) != SQLITE_OK || !page)
            throw Error("sqlite: " + path_ + ": is not mapped, so there is nothing to advise");
        // counted as in use only as long as we hold it, and it is never shrunk
        file->pMethods->xUnfetch(file, 0, page);
        return static_cast<char*>(page);
    }

  private:
    std::string path_;
    sqlite3* db_ = nullptr;
};

class Statement {
  public:
    Statement(const Connection& db, const char* sql) : db_(db), sql_(sql) {
        db.check(
            sqlite3_prepare_v3(db.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr),
            {SQLITE_OK}, sql);
    }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement() { sqlite3_finalize(statement_); }

    // the text must live until reset()
    void bind(int column, std::string_view value, bool blob) {
        if (!value.data())
            value = ""; // a null pointer would be NULL, which compares with nothing
        const int bytes = static_cast<int>(value.size());
        db_.check(blob ? sqlite3_bind_blob(statement_, column, value.data(), bytes, SQLITE_STATIC)
                       : sqlite3_bind_text(statement_, column, value.data(), bytes, SQLITE_STATIC),
                  {SQLITE_OK}, sql_);
    }
    bool row() {
        const int result = sqlite3_step(statement_);
        db_.check(result, {SQLITE_ROW, SQLITE_DONE}, sql_);
        return result == SQLITE_ROW;
    }
    std::string_view column(int i) {
        const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, i));
        return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, i))};
    }
    std::int64_t integer(int i) { return sqlite3_column_int64(statement_, i); }
    void reset() { sqlite3_reset(statement_); }

  private:
    const Connection& db_;
    const char* sql_;
    sqlite3_stmt* statement_ = nullptr;
};

std::int64_t Connection::number(const char* sql) const {
    Statement statement(*this, sql);
    if (!statement.row())
        throw Error("sqlite: " + path_ + ": nothing found by: " + sql);
    return statement.integer(0);
}

// Ends a statement's run, whatever happens in between.
struct Running {
    explicit Running(Statement& statement) : statement(statement) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { statement.reset(); }
    Statement& statement;
};

class SqliteSession : public Session {
  public:
    SqliteSession(const std::string& path, int flags, bool write, bool random) : db_(path, flags) {
        if (write)
            db_.run("PRAGMA synchronous = OFF");
        const auto bytes = static_cast<std::size_t>(db_.number("PRAGMA page_count") *
                                                    db_.number("PRAGMA page_size"));
        if (random && madvise(db_.mapping(), bytes, MADV_RANDOM) < 0)
            throw Error::of_errno("sqlite: MADV_RANDOM");
    }

    bool get(std::string_view key, const Visitor& visit) override {
        const Running running(get_);
        get_.bind(1, key, false);
        if (!get_.row())
            return false;
        visit(key, get_.column(0));
        return true;
    }
    bool look_up(std::string_view key) override {
        const Running running(look_up_);
        look_up_.bind(1, key, false);
        return look_up_.row();
    }
    void scan(std::string_view from, const Visitor& visit) override {
        const Running running(range_);
        range_.bind(1, from, false);
        all(range_, visit);
    }
    void scan_all(const Visitor& visit) override {
        const Running running(table_);
        all(table_, visit);
    }
    void put(std::string_view key, std::string_view value) override {
        const Running running(put_);
        put_.bind(1, key, false);
        put_.bind(2, value, true);
        put_.row();
    }

  private:
    static void all(Statement& statement, const Visitor& visit) {
        while (statement.row())
            if (!visit(statement.column(0), statement.column(1)))
                return;
    }

    Connection db_;
    Statement get_{db_, "SELECT value FROM entry WHERE key = ?1"};
    // rowid is in the index: the table is not touched
    Statement look_up_{db_, "SELECT id FROM entry WHERE key = ?1"};
    Statement range_{db_, "SELECT key, value FROM entry WHERE key >= ?1 ORDER BY key"};
    Statement table_{db_, "SELECT key, value FROM entry NOT INDEXED"};
    Statement put_{db_, "INSERT INTO entry (key, value) VALUES (?1, ?2)"
                        " ON CONFLICT (key) DO UPDATE SET value = excluded.value"};
};

class Sqlite : public Engine {
  public:
    explicit Sqlite(const EngineOptions& options)
        : options_(options), path_(options.folder + "/data.db") {
        if (options.write || options.advice.lock_index)
            main_ = std::make_unique<Connection>(path_, flags());
        if (options.write)
            main_->run("PRAGMA journal_mode = WAL");
        if (options.advice.lock_index)
            lock_index();
    }

    void load(const Source& next) override {
        main_->run("PRAGMA journal_mode = OFF");
        main_->run("PRAGMA synchronous = OFF"); // finish_folder syncs
        main_->run("CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT NOT NULL,"
                   " value BLOB NOT NULL)");
        main_->run("BEGIN");
        {
            Statement put(*main_, "INSERT INTO entry (key, value) VALUES (?1, ?2)");
            for (std::string key, value; next(key, value);) {
                const Running running(put);
                put.bind(1, key, false);
                put.bind(2, value, true);
                put.row();
            }
        }
        main_->run("CREATE UNIQUE INDEX entry_key ON entry (key)");
        main_->run("COMMIT");
        main_->run("PRAGMA journal_mode = WAL");
    }

    std::unique_ptr<Session> session(Purpose purpose) override {
        return std::make_unique<SqliteSession>(path_, flags(), options_.write,
                                               options_.advice.random && purpose == Purpose::point);
    }

    std::string version() const override { return sqlite3_libversion(); }

    std::string layout() override {
        const auto [from, to] = index_range();
        return "index: bytes " + std::to_string(from) + " to " + std::to_string(to) +
               " of data.db\n";
    }

  private:
    int flags() const {
        // a reader of a WAL database writes to the -shm file all the same
        return SQLITE_OPEN_READWRITE | (options_.write ? SQLITE_OPEN_CREATE : 0);
    }

    // The index was made after the table: from its root to the end.
    std::pair<std::uint64_t, std::uint64_t> index_range() {
        const std::int64_t page = main_->number("PRAGMA page_size");
        const std::int64_t root =
            main_->number("SELECT rootpage FROM sqlite_master WHERE name = 'entry_key'");
        return {static_cast<std::uint64_t>((root - 1) * page),
                static_cast<std::uint64_t>(main_->number("PRAGMA page_count") * page)};
    }

    // Through a connection that stays: its mapping and its lock on the pages last as long.
    void lock_index() {
        const auto [from, to] = index_range();
        if (mlock2(main_->mapping() + from, to - from, MLOCK_ONFAULT) < 0)
            throw Error::of_errno("sqlite: mlock2 of " + std::to_string(to - from) +
                                  " bytes (HINT: ulimit -l)");
    }

    EngineOptions options_;
    std::string path_;
    std::unique_ptr<Connection> main_;
};

} // namespace

std::unique_ptr<Engine> open_sqlite(const EngineOptions& options) {
    return std::make_unique<Sqlite>(options);
}

} // namespace pagepatrol::bench::kv
