// SPDX-License-Identifier: Apache-2.0
//
// Entry into the shim's own state: one lock per process, and a per-thread mark
// that makes a call from a signal handler, which interrupted this very thread
// inside the lock, pass straight through. Built on a futex alone: no pthread, no
// allocation.
//
// The host must not hang. A lock that one holder has for a second (a child made by a
// raw clone while another thread held it) is given up, and never waited for again
// until it is free. While its holder forks, patience is short: the fork handlers of an
// allocator (jemalloc, say) may be waiting for a lock that the thread has which waits
// here, to map or unmap memory. Less short for a file: few allocators map one, and its
// rules would be lost.
#pragma once

#include "sys.hpp"

#include <atomic>

namespace pagepatrol {

class Guard {
  public:
    // What it is for: how long it is waited for, and whether it can be had once it is closed.
    enum Call { of_memory, of_a_file, of_a_fork, of_a_filter };
    explicit Guard(Call call = of_memory) noexcept : owns_(enter(call)) {}
    ~Guard() { release(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    // False: pass straight through.
    explicit operator bool() const noexcept { return owns_; }
    // Before the end of the scope: for a real call that is none of the table's business.
    void release() noexcept {
        if (owns_)
            leave();
        owns_ = false;
    }

    // Around fork(): the child gets a table nobody is in the middle of changing, and a free lock.
    // A fork from a signal handler that interrupted either finds the lock in its own thread's
    // hands and leaves it there.
    static void before_fork() noexcept {
        if (forking_)
            ++nested_forks_;
        else if ((forking_ = enter(of_a_fork)))
            holder_forks_.store(true, std::memory_order_relaxed);
    }
    static void after_fork() noexcept {
        if (nested_forks_) {
            --nested_forks_;
        } else if (forking_) {
            forking_ = false;
            holder_forks_.store(false, std::memory_order_relaxed);
            leave();
        }
    }
    static void after_fork_in_child() noexcept {
        // without the lock it is in the hands of a thread that the child does not have
        if (!inside_ && word_.load(std::memory_order_relaxed) != free)
            stuck_.store(all_calls, std::memory_order_relaxed);
        after_fork();
    }

    // From now on, until open(), nobody gets in but for another filter or a fork, and nobody who
    // waits makes a system call. Under the Guard, that nobody is in.
    static void close() noexcept { closed_.store(true, std::memory_order_release); }
    static void open() noexcept { closed_.store(false, std::memory_order_release); }
    static bool closed() noexcept { return closed_.load(std::memory_order_acquire); }
    // It could not be had, and has not been free since.
    static bool stuck() noexcept { return stuck_.load(std::memory_order_relaxed) == all_calls; }

  private:
    static constexpr unsigned slice_ms = 20;         // of waiting, between two looks at the holder
    enum : int { free, held, contended };            // word_
    enum : int { no_call, memory_calls, all_calls }; // stuck_: which don't wait

    static bool shut(Call call) noexcept { return call <= of_a_file && closed(); }

    static unsigned patience_ms(Call call) noexcept {
        if (!holder_forks_.load(std::memory_order_relaxed) || call > of_a_file)
            return 1000;
        return call == of_memory ? slice_ms : 500;
    }

    static bool enter(Call call) noexcept {
        if (inside_)
            return false;
        inside_ = true;
        // the mark must be seen by a signal handler before the lock is
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (!shut(call) && lock(call)) {
            if (!shut(call))
                return true;
            leave();
        }
        inside_ = false;
        return false;
    }

    static void leave() noexcept {
        // closed: a waiter looks by itself, and a wake-up might not be allowed
        if (word_.exchange(free, std::memory_order_release) == contended && !closed())
            sys::futex_wake_one(reinterpret_cast<int*>(&word_));
        std::atomic_signal_fence(std::memory_order_seq_cst);
        inside_ = false;
    }

    static bool lock(Call call) noexcept {
        int seen = free;
        if (word_.compare_exchange_strong(seen, held, std::memory_order_acquire))
            return begin_turn();
        const int stuck = stuck_.load(std::memory_order_relaxed);
        if (stuck == all_calls || (stuck == memory_calls && call == of_memory))
            return false;
        unsigned turn = turn_.load(std::memory_order_relaxed);
        std::uint64_t last = sys::milliseconds(), waited = 0;
        while (word_.exchange(contended, std::memory_order_acquire) != free) {
            if (shut(call))
                return false;
            sys::futex_wait(reinterpret_cast<int*>(&word_), contended, slice_ms);
            // by the clock: a signal that comes often ends every wait early. But a process that was
            // stopped has not waited.
            const std::uint64_t now = sys::milliseconds();
            waited += now - last < 2 * slice_ms ? now - last : 2 * slice_ms;
            last = now;
            if (const unsigned turn_now = turn_.load(std::memory_order_relaxed); turn_now != turn) {
                turn = turn_now; // others are quicker: it is busy, not stuck
                waited = 0;
            } else if (waited >= patience_ms(call)) {
                stuck_.store(patience_ms(call) == slice_ms ? memory_calls : all_calls,
                             std::memory_order_relaxed);
                return false;
            }
        }
        return begin_turn();
    }

    static bool begin_turn() noexcept {
        turn_.store(turn_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        stuck_.store(no_call, std::memory_order_relaxed);
        return true;
    }

    static_assert(sizeof(std::atomic<int>) == sizeof(int));
    static inline std::atomic<int> word_{free};
    static inline std::atomic<int> stuck_{no_call};
    static inline std::atomic<unsigned> turn_{0}; // how often it was had
    static inline std::atomic<bool> holder_forks_{false};
    static inline std::atomic<bool> closed_{false};
    // initial-exec: a plain thread_local in a library calls __tls_get_addr, which may allocate
    [[gnu::tls_model("initial-exec")]] static inline thread_local bool inside_ = false;
    [[gnu::tls_model("initial-exec")]] static inline thread_local bool forking_ = false;
    [[gnu::tls_model("initial-exec")]] static inline thread_local unsigned nested_forks_ = 0;
    bool owns_;
};

} // namespace pagepatrol
