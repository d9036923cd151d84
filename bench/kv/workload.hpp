// SPDX-License-Identifier: Apache-2.0
//
// The workloads: which operations, in which shares, on which records. Chooses; does
// nothing itself.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <set>
#include <string_view>
#include <vector>

#include "../random.hpp"

namespace pagepatrol::bench::kv {

// What a point thread does. `look_up` finds a key in the index without its value.
enum class Kind { get, update, insert, scan, read_modify_write, look_up };
inline constexpr std::array<std::string_view, 6> kind_names = {
    "get", "update", "insert", "scan", "read-modify-write", "look-up"};

enum class Popularity { zipf, uniform, latest };

struct Workload {
    std::string_view name;
    Popularity popularity;
    std::array<double, kind_names.size()> share; // of each Kind; 1 in all
    bool full_scans = false;                     // a thread beside that reads everything
    std::string_view what;                       // for --help

    bool has(Kind kind) const { return share[static_cast<std::size_t>(kind)] > 0; }
    bool writes() const {
        return has(Kind::update) || has(Kind::insert) || has(Kind::read_modify_write);
    }
    Kind choose(double unit) const; // of a number in [0, 1)
};

const std::vector<Workload>& workloads();
const Workload& workload(std::string_view name); // throws

// Numbers of new records. What was handed out counts as there only when all before it is
// there too, so that nobody looks for a record that is not written yet.
class Sequence {
  public:
    explicit Sequence(std::uint64_t records) : next_(records), there_(records) {}
    std::uint64_t claim();
    void done(std::uint64_t record);
    std::uint64_t there();

  private:
    std::mutex lock_; // all below
    std::uint64_t next_, there_;
    std::set<std::uint64_t> early_; // written, but not all before them
};

// Which record an operation is about. One per thread; Zipf and Sequence are shared.
class Chooser {
  public:
    Chooser(Popularity popularity, const Zipf& zipf, std::uint64_t records, Sequence& sequence)
        : popularity_(popularity), zipf_(zipf), records_(records), sequence_(sequence) {}
    std::uint64_t choose(Random& random) const;

  private:
    Popularity popularity_;
    const Zipf& zipf_;
    std::uint64_t records_;
    Sequence& sequence_;
};

} // namespace pagepatrol::bench::kv
