// SPDX-License-Identifier: Apache-2.0
//
// What pp-kv stores: record number -> key and value, the same on every machine, and the
// check that what is read is what was written.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "../error.hpp"
#include "../random.hpp"
#include "../text.hpp"

namespace pagepatrol::bench::kv {

// Records 0 ... n-1 lie scattered in the order of keys, as YCSB has them: mix64 is a
// bijection of 64 bits, so no two records share a key, and popular ones (small
// numbers) are no neighbours.
inline std::uint64_t scrambled(std::uint64_t record) {
    return mix64(record + 0x5bd1e995u);
}

inline std::string key_of(std::uint64_t record) {
    return hex(scrambled(record));
}

inline constexpr std::size_t key_bytes = 16;
inline constexpr std::size_t min_value_bytes = 16; // record and version

// Bytes that don't compress; the version changes with each update. Returns into `value`,
// whose size it keeps.
inline void fill_value(std::string& value, std::uint64_t record, std::uint64_t version,
                       std::uint64_t seed) {
    Random random(mix64(seed ^ scrambled(record)) + version);
    char* at = value.data();
    std::memcpy(at, &record, 8);
    std::memcpy(at + 8, &version, 8);
    std::size_t i = 16;
    for (; i + 8 <= value.size(); i += 8) {
        const std::uint64_t word = random.next();
        std::memcpy(at + i, &word, 8);
    }
    const std::uint64_t last = random.next();
    std::memcpy(at + i, &last, value.size() - i);
}

// Of every byte: a program that reads a value reads it whole. Summed up, the order in
// which threads read does not matter.
inline std::uint64_t digest(std::string_view value) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    std::size_t i = 0;
    std::uint64_t word = 0;
    for (; i + 8 <= value.size(); i += 8) {
        std::memcpy(&word, value.data() + i, 8);
        hash = (hash ^ word) * 0x100000001b3u;
    }
    word = 0;
    std::memcpy(&word, value.data() + i, value.size() - i);
    return mix64(hash ^ word);
}

// Throws unless `value` is one that was stored under `key`.
inline void check_value(std::string_view key, std::string_view value, std::size_t bytes) {
    std::uint64_t record = 0;
    if (value.size() == bytes)
        std::memcpy(&record, value.data(), 8);
    if (value.size() != bytes || key_of(record) != key)
        throw Error("key " + std::string(key) + ": holds " + std::to_string(value.size()) +
                    " bytes of another record; expected " + std::to_string(bytes) +
                    " bytes of its own. The database is damaged, or not written by pp-kv load");
}

} // namespace pagepatrol::bench::kv
