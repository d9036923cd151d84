// SPDX-License-Identifier: Apache-2.0
//
// libpagepatrol-api.a: pagepatrol.h for a program that links it. Where the shim is
// preloaded the call is the shim's, as there must be one table in a process;
// otherwise the same core works here, without a policy. No C++ run time is needed:
// what the core wants of the policy library is answered here.
#include "begin.hpp"
#include "calls.hpp"
#include "policy.hpp"
#include "push.hpp"

#include <cstdlib>
#include <pagepatrol/pagepatrol.h>

#pragma weak pagepatrol_v1_pin
#pragma weak pagepatrol_v1_unpin
#pragma weak pagepatrol_v1_activate
#pragma weak pagepatrol_v1_deactivate

namespace pagepatrol {

std::size_t match(const Policy&, const MappedFile&, Segment (&)[max_segments], bool*) noexcept {
    return 0;
}

std::string_view to_string(Action) noexcept {
    return "";
}

namespace {

template <class Call> int result_of(Call call) noexcept {
    if (!core::active.load(std::memory_order_acquire))
        if (const char* door = secure_getenv("PAGEPATROL_DOOR"); door && *door)
            push::set_door(door);
    return answer_of(call);
}

} // namespace
} // namespace pagepatrol

using namespace pagepatrol;

extern "C" {

int pp_pin(void* addr, size_t len) {
    if (pagepatrol_v1_pin)
        return pagepatrol_v1_pin(addr, len);
    return result_of([=] { return core::pin(addr, len); });
}

int pp_unpin(void* addr, size_t len) {
    if (pagepatrol_v1_unpin)
        return pagepatrol_v1_unpin(addr, len);
    return result_of([=] { return core::unpin(addr, len); });
}

int pp_activate(void* addr, size_t len) {
    if (pagepatrol_v1_activate)
        return pagepatrol_v1_activate(addr, len);
    return result_of([=] { return core::act(addr, len, PP_ACTION_ACTIVATE); });
}

int pp_deactivate(void* addr, size_t len) {
    if (pagepatrol_v1_deactivate)
        return pagepatrol_v1_deactivate(addr, len);
    return result_of([=] { return core::act(addr, len, PP_ACTION_DEACTIVATE); });
}

} // extern "C"
