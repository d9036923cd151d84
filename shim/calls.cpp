// SPDX-License-Identifier: Apache-2.0
//
// pagepatrol.h as the preloaded library has it: under the names of the header, for
// programs that look them up, and under those of calls.hpp. Names and errno alone;
// the work is in api.cpp.
#include "calls.hpp"

#include "begin.hpp"
#include "core.hpp"

#include <pagepatrol/abi.h>
#include <pagepatrol/pagepatrol.h>

using namespace pagepatrol;

#pragma GCC visibility push(default)
extern "C" {

int pagepatrol_v1_pin(void* addr, size_t len) noexcept {
    return answer_of([=] { return core::pin(addr, len); });
}

int pagepatrol_v1_unpin(void* addr, size_t len) noexcept {
    return answer_of([=] { return core::unpin(addr, len); });
}

int pagepatrol_v1_activate(void* addr, size_t len) noexcept {
    return answer_of([=] { return core::act(addr, len, PP_ACTION_ACTIVATE); });
}

int pagepatrol_v1_deactivate(void* addr, size_t len) noexcept {
    return answer_of([=] { return core::act(addr, len, PP_ACTION_DEACTIVATE); });
}

int pp_pin(void* addr, size_t len) {
    return pagepatrol_v1_pin(addr, len);
}

int pp_unpin(void* addr, size_t len) {
    return pagepatrol_v1_unpin(addr, len);
}

int pp_activate(void* addr, size_t len) {
    return pagepatrol_v1_activate(addr, len);
}

int pp_deactivate(void* addr, size_t len) {
    return pagepatrol_v1_deactivate(addr, len);
}

} // extern "C"
#pragma GCC visibility pop
