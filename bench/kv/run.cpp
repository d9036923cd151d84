// SPDX-License-Identifier: Apache-2.0
//
// The threads of a run; see run.hpp.
#include "run.hpp"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "../error.hpp"
#include "control.hpp"
#include "records.hpp"

namespace pagepatrol::bench::kv {

void RoleResult::merge(const RoleResult& other) {
    threads += other.threads;
    operations += other.operations;
    scans += other.scans;
    not_found += other.not_found;
    checksum += other.checksum;
    seconds = std::max(seconds, other.seconds);
    usage += other.usage;
    latency.merge(other.latency);
    for (std::size_t i = 0; i < kinds.size(); i++)
        kinds[i].merge(other.kinds[i]);
    intervals.resize(std::max(intervals.size(), other.intervals.size()));
    for (std::size_t i = 0; i < other.intervals.size(); i++)
        intervals[i] += other.intervals[i];
}

namespace {

std::uint64_t now_ns() {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(t.tv_nsec);
}

// What the threads share.
struct Shared {
    Engine& engine;
    const RunOptions& options;
    Control control;
    Zipf zipf;
    Sequence sequence;
    unsigned amounts = 0; // threads that end by themselves
    bool amounts_only = false;
};

// What one thread has counted; nothing before begin().
class Tally {
  public:
    Tally(std::string name, double interval)
        : interval_(static_cast<std::uint64_t>(interval * 1e9)) {
        result.name = std::move(name);
        result.threads = 1;
    }
    bool counting() const { return started_ != 0; }
    void begin() {
        start_ = thread_usage();
        started_ = now_ns();
    }
    void end() {
        if (!counting())
            return;
        result.usage = thread_usage() - start_;
        result.seconds = result.usage.wall;
    }
    void operation(std::uint64_t at, std::uint64_t count = 1) {
        result.operations += count;
        const std::uint64_t slot = (at - started_) / interval_;
        if (slot >= result.intervals.size())
            result.intervals.resize(slot + 1);
        result.intervals[slot] += count;
    }

    RoleResult result;

  private:
    std::uint64_t interval_, started_ = 0;
    Usage start_;
};

// Reads, writes and checks records. One per thread.
class Operator {
  public:
    Operator(Shared& shared, Session& session, unsigned thread, Tally& tally)
        : shared_(shared), options_(shared.options), session_(session), tally_(tally),
          random_(mix64(options_.seed + 1) + mix64(thread)),
          chooser_(options_.workload.popularity, shared.zipf, options_.records, shared.sequence),
          version_((std::uint64_t{thread} + 1) << 40), value_(options_.value_bytes, '\0'),
          visit_([this](std::string_view key, std::string_view value) {
              check_value(key, value, options_.value_bytes);
              if (tally_.counting())
                  tally_.result.checksum += digest(value);
              return --wanted_ > 0;
          }) {}

    // One operation of the mix, timed.
    void step() {
        const Kind kind = options_.workload.choose(random_.unit());
        const std::uint64_t record =
            kind == Kind::insert ? shared_.sequence.claim() : chooser_.choose(random_);
        const std::string key = key_of(record);
        const std::uint64_t length = kind == Kind::scan ? 1 + random_.below(100) : 1;
        if (kind != Kind::get && kind != Kind::scan && kind != Kind::look_up)
            fill_value(value_, record, ++version_, options_.seed);
        const std::uint64_t start = now_ns();
        bool found = true;
        wanted_ = length;
        switch (kind) {
        case Kind::get:
            found = session_.get(key, visit_);
            break;
        case Kind::look_up:
            found = session_.look_up(key);
            break;
        case Kind::scan:
            session_.scan(key, visit_);
            break;
        case Kind::read_modify_write:
            found = session_.get(key, visit_);
            session_.put(key, value_);
            break;
        case Kind::update:
        case Kind::insert:
            session_.put(key, value_);
            break;
        }
        const std::uint64_t end = now_ns();
        if (kind == Kind::insert)
            shared_.sequence.done(record);
        if (!tally_.counting())
            return;
        tally_.operation(end);
        tally_.result.not_found += !found;
        tally_.result.latency.add(end - start);
        tally_.result.kinds[static_cast<std::size_t>(kind)].add(end - start);
    }

    // Everything, `after_each` record; false from it ends the scan.
    template <typename AfterEach> void scan_all(AfterEach after_each) {
        const std::uint64_t start = now_ns();
        bool whole = true;
        session_.scan_all([&](std::string_view key, std::string_view value) {
            check_value(key, value, options_.value_bytes);
            if (tally_.counting()) {
                tally_.result.checksum += digest(value);
                pending_++;
            }
            // the clock once in 64 records: it costs as much as a record
            if (pending_ == 64)
                flush(now_ns());
            return whole = after_each();
        });
        const std::uint64_t end = now_ns();
        flush(end);
        if (tally_.counting() && whole) {
            tally_.result.scans++;
            tally_.result.latency.add(end - start);
        }
    }

  private:
    void flush(std::uint64_t at) {
        if (pending_)
            tally_.operation(at, pending_);
        pending_ = 0;
    }

    Shared& shared_;
    const RunOptions& options_;
    Session& session_;
    Tally& tally_;
    Random random_;
    Chooser chooser_;
    std::uint64_t version_, wanted_ = 0, pending_ = 0;
    std::string value_;
    Visitor visit_;
};

// This thread's part of a total.
std::uint64_t part(std::uint64_t total, unsigned thread, unsigned threads) {
    return total / threads + (thread < total % threads ? 1 : 0);
}

std::uint64_t warm_up_of(std::uint64_t amount, double share) {
    return static_cast<std::uint64_t>(std::ceil(static_cast<double>(amount) * share));
}

void point_thread(Shared& shared, unsigned thread, Tally& tally) {
    const RunOptions& options = shared.options;
    Control& control = shared.control;
    const auto session = shared.engine.session(Purpose::point);
    Operator worker(shared, *session, thread, tally);
    const std::uint64_t amount = part(options.operations, thread, options.threads);
    const std::uint64_t warm_up = warm_up_of(amount, options.warm_up);
    for (std::uint64_t n = 0;; n++) {
        const Phase phase = control.phase();
        if (phase == Phase::stop)
            break;
        if (phase == Phase::warm_up && shared.amounts_only && n >= warm_up) {
            control.warmed_up();
            continue;
        }
        if (phase == Phase::measure && !tally.counting()) {
            tally.begin();
            n = 0;
        }
        if (tally.counting() && options.operations && n >= amount)
            break;
        worker.step();
    }
    tally.end();
    if (options.operations)
        control.done();
}

// A scan that a change of phase catches is broken off: what is counted begins with a scan.
void scan_thread(Shared& shared, Tally& tally) {
    const RunOptions& options = shared.options;
    Control& control = shared.control;
    const auto session = shared.engine.session(Purpose::scan);
    Operator worker(shared, *session, options.threads, tally);
    // beside point threads their warm-up is the scanner's
    const bool own_warm_up = shared.amounts_only && !options.points;
    const std::uint64_t warm_up = warm_up_of(options.scans, options.warm_up);
    for (std::uint64_t n = 0;; n++) {
        const Phase phase = control.phase();
        if (phase == Phase::stop)
            break;
        if (phase == Phase::warm_up && own_warm_up && n >= warm_up) {
            control.warmed_up();
            continue;
        }
        if (phase == Phase::measure && !tally.counting()) {
            tally.begin();
            n = 0;
        }
        if (tally.counting() && options.scans && n >= options.scans)
            break;
        worker.scan_all([&] { return control.phase() == phase; });
    }
    tally.end();
    if (options.scans)
        control.done();
}

// Both roles in one thread: the same accesses in the same order in every run, whatever
// the machine does. Faults of the look-ups are told apart by two readings each.
void interleaved_thread(Shared& shared, Tally& points, Tally& scanner) {
    const RunOptions& options = shared.options;
    Control& control = shared.control;
    const auto point_session = shared.engine.session(Purpose::point);
    const auto scan_session = shared.engine.session(Purpose::scan);
    Operator point_worker(shared, *point_session, 0, points);
    Operator scan_worker(shared, *scan_session, 1, scanner);
    const std::uint64_t warm_up = warm_up_of(options.scans, options.warm_up);
    Usage by_points;
    std::uint64_t records = 0;
    for (std::uint64_t n = 0; n < warm_up + options.scans; n++) {
        if (n == warm_up) {
            control.warmed_up();
            points.begin();
            scanner.begin();
        }
        scan_worker.scan_all([&] {
            if (++records % options.interleave == 0) {
                const Usage before = thread_usage();
                point_worker.step();
                if (points.counting())
                    by_points += thread_usage() - before;
            }
            return control.phase() != Phase::stop;
        });
        if (control.phase() == Phase::stop)
            break;
    }
    scanner.end();
    if (scanner.counting()) {
        points.result.usage = by_points;
        points.result.seconds = by_points.wall;
        scanner.result.usage = scanner.result.usage - by_points;
        scanner.result.seconds = scanner.result.usage.wall;
    }
    control.done();
}

template <typename Body> std::thread start(Control& control, Body body) {
    return std::thread([&control, body] {
        try {
            body();
        } catch (...) {
            control.failed(std::current_exception());
        }
    });
}

} // namespace

RunResult run(Engine& engine, const RunOptions& options) {
    const bool scanner = options.workload.full_scans && options.scanner;
    Shared shared{engine, options, Control(options.interrupted),
                  Zipf(options.records, options.theta), Sequence(options.records)};
    Control& control = shared.control;
    shared.amounts_only = options.seconds == 0;
    const double interval = options.interval;
    std::vector<Tally> points(options.points ? options.threads : 0,
                              Tally(options.workload.full_scans ? "get" : "mix", interval));
    Tally scan("scan", interval);

    unsigned warming = 0;
    std::vector<std::thread> threads;
    if (options.interleave) {
        shared.amounts = warming = 1;
        threads.push_back(start(control, [&] { interleaved_thread(shared, points[0], scan); }));
    } else {
        for (unsigned i = 0; i < points.size(); i++)
            threads.push_back(start(control, [&, i] { point_thread(shared, i, points[i]); }));
        if (scanner)
            threads.push_back(start(control, [&] { scan_thread(shared, scan); }));
        warming = options.points ? options.threads : 1;
        shared.amounts = (options.points && options.operations ? options.threads : 0) +
                         (scanner && options.scans ? 1 : 0);
    }

    RunResult result;
    const auto begin = std::chrono::steady_clock::now();
    const auto in = [](double seconds) {
        return std::chrono::steady_clock::now() +
               std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                   std::chrono::duration<double>(seconds));
    };
    shared.amounts_only ? control.wait_warm(warming)
                        : control.sleep_until(in(options.seconds * options.warm_up));
    const std::optional<std::uint64_t> bytes = disk_bytes();
    const Usage before = process_usage();
    control.set(Phase::measure);
    if (!shared.amounts_only)
        control.sleep_until(in(options.seconds));
    else // with no amount at all: until a signal comes
        control.wait_done(shared.amounts ? shared.amounts : UINT32_MAX);
    result.interrupted = control.interrupted();
    control.set(Phase::stop);
    for (std::thread& thread : threads)
        thread.join();
    control.rethrow();

    result.process = process_usage() - before;
    if (const auto bytes_after = disk_bytes(); bytes && bytes_after)
        result.bytes_read = *bytes_after - *bytes;
    result.seconds = result.process.wall;
    result.warmup_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() -
        result.seconds;
    if (!points.empty()) {
        RoleResult all = points[0].result;
        for (std::size_t i = 1; i < points.size(); i++)
            all.merge(points[i].result);
        result.roles.push_back(std::move(all));
    }
    if (scanner)
        result.roles.push_back(std::move(scan.result));
    return result;
}

} // namespace pagepatrol::bench::kv
