// SPDX-License-Identifier: Apache-2.0
//
// The program's own calls under a name of their own: pp_pin() in a program that is
// linked with libpagepatrol-api.a is that library's, and looks for the preloaded
// library's by these. Never changed; another shape gets another number.
#pragma once

#include <cstddef>

extern "C" {
int pagepatrol_v1_pin(void* addr, std::size_t len) noexcept;
int pagepatrol_v1_unpin(void* addr, std::size_t len) noexcept;
int pagepatrol_v1_activate(void* addr, std::size_t len) noexcept;
int pagepatrol_v1_deactivate(void* addr, std::size_t len) noexcept;
}
