// SPDX-License-Identifier: Apache-2.0
//
// Starting the core without a policy: at the first call of the program's own, if
// there was none until then.
#pragma once

#include "core.hpp"
#include "guard.hpp"
#include "sys.hpp"

#include <atomic>
#include <pthread.h>
#include <sys/auxv.h>

namespace pagepatrol {

inline void start_core(const Policy* policy, const core::Source* source) noexcept {
    pthread_atfork(Guard::before_fork, Guard::after_fork, Guard::after_fork);
    core::start(policy, getauxval(AT_PAGESZ), source);
}

// Once; who comes second waits until it is done.
inline void start_core_if_needed() noexcept {
    static std::atomic<bool> begun{false};
    if (core::active.load(std::memory_order_acquire) || core::is_aside())
        return;
    if (!begun.exchange(true, std::memory_order_acq_rel))
        return start_core(nullptr, nullptr);
    while (!core::active.load(std::memory_order_acquire))
        sys::yield();
}

} // namespace pagepatrol
