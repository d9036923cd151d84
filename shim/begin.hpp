// SPDX-License-Identifier: Apache-2.0
//
// Starting the core without a policy: at the first call of the program's own, if
// there was none until then.
#pragma once

#include "core.hpp"
#include "guard.hpp"
#include "sys.hpp"

#include <atomic>
#include <cerrno>
#include <pthread.h>
#include <sys/auxv.h>

namespace pagepatrol {

inline constinit std::atomic<bool> begun{false};

inline void start_core(const Policy* policy, const core::Source* source) noexcept {
    begun.store(true, std::memory_order_release);
    pthread_atfork(Guard::before_fork, Guard::after_fork, Guard::after_fork_in_child);
    core::start(policy, getauxval(AT_PAGESZ), source);
}

// Once; who comes second waits until it is done. False if it is not within a second: in a child,
// say, that was forked while another thread was at it.
inline bool start_core_if_needed() noexcept {
    static std::atomic<bool> in_vain{false};
    const auto done = [] {
        return core::active.load(std::memory_order_acquire) || core::is_aside();
    };
    if (done())
        return true;
    if (!begun.exchange(true, std::memory_order_acq_rel)) {
        start_core(nullptr, nullptr);
        return true;
    }
    for (const std::uint64_t start = sys::milliseconds(); !done(); sys::yield())
        if (in_vain.load(std::memory_order_relaxed) || sys::milliseconds() - start >= 1000) {
            in_vain.store(true, std::memory_order_relaxed);
            return false;
        }
    return true;
}

// What a call of pagepatrol.h returns: 0, or -1 with errno set.
template <class Call> int answer_of(Call call) noexcept {
    const int kept = errno;
    const long result = !start_core_if_needed() ? -EAGAIN : core::is_aside() ? -EPERM : call();
    errno = result == 0 ? kept : static_cast<int>(-result);
    return result == 0 ? 0 : -1;
}

} // namespace pagepatrol
