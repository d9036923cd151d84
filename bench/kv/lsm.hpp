// SPDX-License-Identifier: Apache-2.0
//
// What LevelDB and RocksDB have in common: their C interfaces have the same shape. `Api`
// names the functions; a difference in behaviour belongs there, not here.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "../error.hpp"
#include "engine.hpp"

namespace pagepatrol::bench::kv {

// The error text of one call, as these libraries hand it out.
template <typename Api> class LsmError {
  public:
    explicit LsmError(const char* what) : what_(what) {}
    LsmError(const LsmError&) = delete;
    LsmError& operator=(const LsmError&) = delete;
    ~LsmError() {
        if (text_)
            Api::free(text_);
    }
    char** out() { return &text_; }
    void check() const {
        if (text_)
            throw Error(std::string(Api::name) + ": " + what_ + ": " + text_);
    }

  private:
    const char* what_;
    char* text_ = nullptr;
};

template <typename Api> class LsmSession : public Session {
  public:
    explicit LsmSession(typename Api::Db* db) : db_(db) {}

    bool get(std::string_view key, const Visitor& visit) override {
        LsmError<Api> error("get");
        const bool found = Api::get(db_, read_.get(), key, visit, error.out());
        error.check();
        return found;
    }

    void scan(std::string_view from, const Visitor& visit) override {
        const std::unique_ptr<typename Api::Iterator, void (*)(typename Api::Iterator*)> iterator(
            Api::iterator(db_, read_.get()), Api::destroy);
        auto* it = iterator.get();
        for (Api::seek(it, from); Api::valid(it); Api::next(it))
            if (!visit(Api::key(it), Api::value(it)))
                return;
        LsmError<Api> error("iterator");
        Api::iterator_error(it, error.out());
        error.check();
    }

    void put(std::string_view key, std::string_view value) override {
        LsmError<Api> error("put");
        Api::put(db_, write_.get(), key, value, error.out());
        error.check();
    }

  private:
    typename Api::Db* db_;
    std::unique_ptr<typename Api::ReadOptions, void (*)(typename Api::ReadOptions*)> read_{
        Api::read_options(), Api::destroy};
    std::unique_ptr<typename Api::WriteOptions, void (*)(typename Api::WriteOptions*)> write_{
        Api::write_options(), Api::destroy};
};

template <typename Api> class Lsm : public Engine {
  public:
    explicit Lsm(const EngineOptions& options)
        : options_(Api::options(options), Api::destroy), db_(nullptr, Api::close) {
        LsmError<Api> error("open");
        db_.reset(Api::open(options_.get(), options, error.out()));
        error.check();
    }

    void load(const Source& next) override {
        LsmSession<Api> session(db_.get());
        for (std::string key, value; next(key, value);)
            session.put(key, value);
        LsmError<Api> error("flush");
        Api::settle(db_.get(), error.out());
        error.check();
    }

    std::unique_ptr<Session> session(Purpose) override {
        return std::make_unique<LsmSession<Api>>(db_.get());
    }

    std::string version() const override { return Api::version(); }

  private:
    std::unique_ptr<typename Api::Options, void (*)(typename Api::Options*)> options_;
    std::unique_ptr<typename Api::Db, void (*)(typename Api::Db*)> db_;
};

} // namespace pagepatrol::bench::kv
