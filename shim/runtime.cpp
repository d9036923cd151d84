// SPDX-License-Identifier: Apache-2.0
//
// What stands in for the C++ run time's throwing parts: in a library that must
// not end its host, "out of memory" while a policy is read means "no policy".
// Because these are defined here, none of libstdc++'s exception or locale code is
// linked in, and nothing of it has to be initialised in every process.
#include "runtime.hpp"

#include <charconv>
#include <cstdlib>
#include <memory>
#include <new>

namespace pagepatrol::runtime {
namespace {

// Set while the constructor reads the policy: the only time anything here is called.
std::jmp_buf* way_out = nullptr;

[[noreturn]] void give_up() noexcept {
    if (way_out)
        std::longjmp(*way_out, 1);
    std::abort(); // not reachable: nothing allocates outside of arm() ... disarm()
}

} // namespace

void arm(std::jmp_buf& out) noexcept {
    way_out = &out;
}
void disarm() noexcept {
    way_out = nullptr;
}

} // namespace pagepatrol::runtime

using pagepatrol::runtime::give_up;

void* operator new(std::size_t size) {
    if (void* p = std::malloc(size ? size : 1))
        return p;
    give_up();
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size ? size : 1);
}

void* operator new(std::size_t size, std::align_val_t align) {
    const auto a = static_cast<std::size_t>(align);
    if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a))
        return p;
    give_up();
}

void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    std::free(p);
}

// libstdc++'s own names for "throw"; hidden, so that only this library's containers get them.
namespace std {
void __throw_bad_alloc() {
    give_up();
}
void __throw_bad_array_new_length() {
    give_up();
}
void __throw_length_error(const char*) {
    give_up();
}
void __throw_logic_error(const char*) {
    give_up();
}
void __throw_out_of_range_fmt(const char*, ...) {
    give_up();
}

// The library's own brings its exceptions along. A policy has no use for a floating-point
// number but to be told that it is one: its value does not matter, nor does the locale.
from_chars_result from_chars(const char* first, const char* last, double& value,
                             chars_format) noexcept {
    value = 0;
    return {first == last ? first : last, errc()};
}

// Asked only of a shared_ptr made by code with other RTTI flags: there is none in here.
bool _Sp_make_shared_tag::_S_eq(const type_info&) noexcept {
    return false;
}
} // namespace std

extern "C" void __cxa_pure_virtual() {
    std::abort();
}
