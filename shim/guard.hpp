// SPDX-License-Identifier: Apache-2.0
//
// Entry into the shim's own state: one lock per process, and a per-thread mark
// that makes a call from a signal handler, which interrupted this very thread
// inside the lock, pass straight through. Built on a futex alone: no pthread, no
// allocation. A lock that can't be had in a second (a child made by a raw clone
// while another thread held it) is given up, never waited for again until it is
// free: the host must not hang. While its holder forks, patience is short: the
// fork handlers of an allocator (jemalloc, say) may be waiting for a lock that the
// thread has which waits here, to unmap memory.
#pragma once

#include "sys.hpp"

#include <atomic>

namespace pagepatrol {

class Guard {
  public:
    Guard() noexcept : owns_(enter()) {}
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
        else if ((forking_ = enter()))
            holder_forks_.store(true, std::memory_order_relaxed);
    }
    static void after_fork() noexcept {
        if (nested_forks_) {
            --nested_forks_;
        } else if (forking_) {
            forking_ = false;
            holder_forks_.store(false, std::memory_order_relaxed);
            stuck_.store(false, std::memory_order_relaxed);
            leave();
        }
    }
    static unsigned passed() noexcept { return passed_.load(std::memory_order_relaxed); }

  private:
    static constexpr unsigned patience_ms = 1000;
    static constexpr unsigned slice_ms = 20; // of waiting, between two looks at the holder
    enum : int { free, held, contended };

    static bool enter() noexcept {
        if (!inside_) {
            inside_ = true;
            // the mark must be seen by a signal handler before the lock is
            std::atomic_signal_fence(std::memory_order_seq_cst);
            if (lock())
                return true;
            inside_ = false;
        }
        passed_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }

    static void leave() noexcept {
        if (word_.exchange(free, std::memory_order_release) == contended)
            sys::futex_wake_one(reinterpret_cast<int*>(&word_));
        std::atomic_signal_fence(std::memory_order_seq_cst);
        inside_ = false;
    }

    static bool lock() noexcept {
        int seen = free;
        if (word_.compare_exchange_strong(seen, held, std::memory_order_acquire)) {
            stuck_.store(false, std::memory_order_relaxed);
            return true;
        }
        if (stuck_.load(std::memory_order_relaxed))
            return false;
        unsigned waited_ms = 0;
        while (word_.exchange(contended, std::memory_order_acquire) != free)
            if (sys::futex_wait(reinterpret_cast<int*>(&word_), contended, slice_ms) &&
                ((waited_ms += slice_ms) >= patience_ms ||
                 holder_forks_.load(std::memory_order_relaxed))) {
                stuck_.store(true, std::memory_order_relaxed);
                return false;
            }
        return true;
    }

    static_assert(sizeof(std::atomic<int>) == sizeof(int));
    static inline std::atomic<int> word_{free};
    static inline std::atomic<bool> stuck_{false};
    static inline std::atomic<bool> holder_forks_{false};
    static inline std::atomic<unsigned> passed_{0};
    // initial-exec: a plain thread_local in a library calls __tls_get_addr, which may allocate
    [[gnu::tls_model("initial-exec")]] static inline thread_local bool inside_ = false;
    [[gnu::tls_model("initial-exec")]] static inline thread_local bool forking_ = false;
    [[gnu::tls_model("initial-exec")]] static inline thread_local unsigned nested_forks_ = 0;
    bool owns_;
};

} // namespace pagepatrol
