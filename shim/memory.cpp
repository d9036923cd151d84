// SPDX-License-Identifier: Apache-2.0
//
// memcpy, memmove and memset for this library alone (hidden). libc's names may be
// somebody else's: ThreadSanitizer's and AddressSanitizer's see every write made
// through them, but not the Guard, and a program built with -fsanitize=thread would
// be told of races in the shim, and fail. Must not call anything; the compiler must
// not turn these loops into calls of themselves.
#include <cstddef>
#include <cstdint>

namespace {

using Block = std::uint64_t __attribute__((vector_size(16), aligned(1), may_alias));

inline void barrier() noexcept {
    asm volatile("" ::: "memory"); // keeps the loop a loop
}

} // namespace

// an attribute is ignored on names that the compiler knows
asm(".hidden memcpy, memmove, memset");

extern "C" {

void* memmove(void* to, const void* from, std::size_t n) noexcept {
    auto* out = static_cast<unsigned char*>(to);
    const auto* in = static_cast<const unsigned char*>(from);
    if (reinterpret_cast<std::uintptr_t>(out) - reinterpret_cast<std::uintptr_t>(in) >= n) {
        for (; n >= sizeof(Block); n -= sizeof(Block), barrier()) {
            *reinterpret_cast<Block*>(out) = *reinterpret_cast<const Block*>(in);
            out += sizeof(Block);
            in += sizeof(Block);
        }
        for (; n; --n, barrier())
            *out++ = *in++;
    } else { // the target overlaps the source's end: from behind
        for (; n >= sizeof(Block); barrier()) {
            n -= sizeof(Block);
            *reinterpret_cast<Block*>(out + n) = *reinterpret_cast<const Block*>(in + n);
        }
        for (; n; barrier()) {
            --n;
            out[n] = in[n];
        }
    }
    return to;
}

void* memcpy(void* to, const void* from, std::size_t n) noexcept {
    return memmove(to, from, n);
}

void* memset(void* to, int value, std::size_t n) noexcept {
    auto* out = static_cast<unsigned char*>(to);
    const std::uint64_t byte = static_cast<unsigned char>(value), word = byte * 0x0101010101010101;
    for (; n >= sizeof(Block); n -= sizeof(Block), out += sizeof(Block), barrier())
        *reinterpret_cast<Block*>(out) = Block{word, word};
    for (; n; --n, barrier())
        *out++ = static_cast<unsigned char>(value);
    return to;
}

} // extern "C"
