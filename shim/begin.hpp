// SPDX-License-Identifier: Apache-2.0
//
// Starting the core without a policy: at the first call of the program's own, if
// there was none until then.
#pragma once

#include "core.hpp"
#include "guard.hpp"
#include "sandbox.hpp"
#include "sys.hpp"

#include <atomic>
#include <pthread.h>
#include <sys/auxv.h>

namespace pagepatrol {

// Where it would end the program it stands aside instead.
inline void start_core(const Policy* policy, const core::Source* source) noexcept {
    if (sandbox::kills_for_bpf())
        return core::stand_aside();
    pthread_atfork(Guard::before_fork, Guard::after_fork, Guard::after_fork);
    core::start(policy, getauxval(AT_PAGESZ), source);
}

// Once; who comes second waits until it is done. False if it is not within a second: in a child,
// say, that was forked while another thread was at it.
inline bool start_core_if_needed() noexcept {
    static std::atomic<bool> begun{false};
    if (core::active.load(std::memory_order_acquire) || core::is_aside())
        return true;
    if (!begun.exchange(true, std::memory_order_acq_rel)) {
        start_core(nullptr, nullptr);
        return true;
    }
    const std::uint64_t start = sys::milliseconds();
    while (!core::active.load(std::memory_order_acquire) && !core::is_aside()) {
        if (sys::milliseconds() - start >= 1000)
            return false;
        sys::yield();
    }
    return true;
}

} // namespace pagepatrol
