// SPDX-License-Identifier: Apache-2.0
//
// The phases of a run, common to its threads: warm-up, measuring, stop.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>

namespace pagepatrol::bench::kv {

enum class Phase { warm_up, measure, stop };

class Control {
  public:
    explicit Control(const std::atomic<bool>* interrupted) : interrupted_(interrupted) {}

    Phase phase() const { return phase_.load(std::memory_order_acquire); }

    // Main's side. A phase is never followed by an earlier one.
    void set(Phase phase) {
        const std::lock_guard guard(lock_);
        if (phase > this->phase())
            phase_.store(phase, std::memory_order_release);
        changed_.notify_all();
    }
    // Waits until so many threads have warmed up, or done their amount; false: stopped
    // before, by an error or a signal.
    bool wait_warm(unsigned threads) { return wait(&warm_, threads, never()); }
    bool wait_done(unsigned threads) { return wait(&done_, threads, never()); }
    bool sleep_until(std::chrono::steady_clock::time_point end) { return wait(&never_, 1, end); }
    bool interrupted() const { return interrupted_ && *interrupted_; }
    void rethrow() const {
        if (error_)
            std::rethrow_exception(error_);
    }

    // The threads' side.
    void warmed_up() {
        std::unique_lock guard(lock_);
        warm_++;
        changed_.notify_all();
        changed_.wait(guard, [&] { return phase() != Phase::warm_up; });
    }
    void done() {
        const std::lock_guard guard(lock_);
        done_++;
        changed_.notify_all();
    }
    // The first error ends the run.
    void failed(std::exception_ptr error) {
        {
            const std::lock_guard guard(lock_);
            if (!error_)
                error_ = error;
        }
        set(Phase::stop);
    }

  private:
    using Clock = std::chrono::steady_clock;
    static Clock::time_point never() { return Clock::time_point::max(); }

    // A signal's handler may not notify: looked at ten times a second.
    bool wait(const unsigned* count, unsigned wanted, Clock::time_point end) {
        std::unique_lock guard(lock_);
        while (phase() != Phase::stop && !interrupted() && *count < wanted) {
            const auto now = Clock::now();
            if (now >= end)
                return true;
            changed_.wait_until(guard, std::min(end, now + std::chrono::milliseconds(100)));
        }
        return phase() != Phase::stop && !interrupted();
    }

    std::atomic<Phase> phase_{Phase::warm_up};
    const std::atomic<bool>* interrupted_;
    std::mutex lock_; // all below
    std::condition_variable changed_;
    unsigned warm_ = 0, done_ = 0;
    const unsigned never_ = 0;
    std::exception_ptr error_;
};

} // namespace pagepatrol::bench::kv
