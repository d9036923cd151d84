// SPDX-License-Identifier: Apache-2.0
//
// The shim's own memcpy, memmove and memset, linked in here in libc's place: every
// length, alignment and overlap that takes another path, against one byte at a time.
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace {

constexpr std::size_t size = 256;

std::vector<unsigned char> numbers() {
    std::vector<unsigned char> v(size);
    for (std::size_t i = 0; i < size; ++i)
        v[i] = static_cast<unsigned char>(i * 7 + 1);
    return v;
}

// volatile: the compiler must neither see through the call nor make another of it
void* (*volatile move)(void*, const void*, std::size_t) = std::memmove;
void* (*volatile copy)(void*, const void*, std::size_t) = std::memcpy;
void* (*volatile set)(void*, int, std::size_t) = std::memset;

TEST(Memory, MovesOverAnyOverlap) {
    for (std::size_t n = 0; n <= 80; ++n)
        for (std::size_t from = 60; from < 80; ++from)
            for (std::size_t to = 0; to < 160; ++to) {
                std::vector<unsigned char> v = numbers(), expected = v;
                const std::vector<unsigned char> source = v;
                for (std::size_t i = 0; i < n; ++i)
                    expected[to + i] = source[from + i];
                ASSERT_EQ(move(&v[to], &v[from], n), &v[to]);
                ASSERT_EQ(v, expected) << n << " bytes from " << from << " to " << to;
            }
}

TEST(Memory, CopiesAndSets) {
    for (std::size_t n = 0; n <= 100; ++n)
        for (std::size_t to = 0; to < 20; ++to) {
            std::vector<unsigned char> v = numbers(), expected = v;
            const std::vector<unsigned char> source = v;
            for (std::size_t i = 0; i < n; ++i)
                expected[to + i] = source[150 + i];
            ASSERT_EQ(copy(&v[to], &source[150], n), &v[to]);
            ASSERT_EQ(v, expected);
            for (std::size_t i = 0; i < n; ++i)
                expected[to + i] = 0xa5;
            ASSERT_EQ(set(&v[to], 0x7a5, n), &v[to]);
            ASSERT_EQ(v, expected);
        }
}

} // namespace
