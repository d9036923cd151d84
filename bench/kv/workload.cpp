// SPDX-License-Identifier: Apache-2.0
//
// The table of workloads; see workload.hpp. The mixes of ycsb-* are those of YCSB's core
// workloads (Cooper et al. 2010).
#include "workload.hpp"

#include <algorithm>
#include <string>

#include "../error.hpp"

namespace pagepatrol::bench::kv {

const std::vector<Workload>& workloads() {
    using enum Popularity;
    //                                  get update insert scan rmw look-up
    static const std::vector<Workload> all = {
        {"get-scan", zipf, {1, 0, 0, 0, 0, 0}, true, "point reads beside full scans"},
        {"ycsb-a", zipf, {0.5, 0.5, 0, 0, 0, 0}, false, "50 % reads, 50 % updates"},
        {"ycsb-b", zipf, {0.95, 0.05, 0, 0, 0, 0}, false, "95 % reads, 5 % updates"},
        {"ycsb-c", zipf, {1, 0, 0, 0, 0, 0}, false, "reads"},
        {"ycsb-d",
         latest,
         {0.95, 0, 0.05, 0, 0, 0},
         false,
         "95 % reads of new records, 5 % inserts"},
        {"ycsb-e",
         zipf,
         {0, 0, 0.05, 0.95, 0, 0},
         false,
         "95 % scans of 1 to 100 records, 5 % inserts"},
        {"ycsb-f", zipf, {0.5, 0, 0, 0, 0.5, 0}, false, "50 % reads, 50 % read-modify-writes"},
        {"uniform", uniform, {1, 0, 0, 0, 0, 0}, false, "reads, all records alike"},
        {"insert", uniform, {0, 0, 1, 0, 0, 0}, false, "inserts"},
        {"lookup-scan",
         zipf,
         {0, 0, 0, 0, 0, 1},
         true,
         "look-ups in the index beside scans of the table (sqlite)"},
    };
    return all;
}

const Workload& workload(std::string_view name) {
    std::string names;
    for (const Workload& workload : workloads()) {
        if (workload.name == name)
            return workload;
        names += (names.empty() ? "" : ", ") + std::string(workload.name);
    }
    throw Error("no workload '" + std::string(name) + "'; expected one of: " + names);
}

Kind Workload::choose(double unit) const {
    std::size_t last = 0;
    for (std::size_t i = 0; i < share.size(); i++) {
        if (share[i] <= 0)
            continue;
        last = i;
        if (unit < share[i])
            break;
        unit -= share[i];
    }
    return static_cast<Kind>(last); // the last one also where rounding left a rest
}

std::uint64_t Sequence::claim() {
    const std::lock_guard guard(lock_);
    return next_++;
}

void Sequence::done(std::uint64_t record) {
    const std::lock_guard guard(lock_);
    early_.insert(record);
    while (!early_.empty() && *early_.begin() == there_) {
        early_.erase(early_.begin());
        there_++;
    }
}

std::uint64_t Sequence::there() {
    const std::lock_guard guard(lock_);
    return there_;
}

std::uint64_t Chooser::choose(Random& random) const {
    switch (popularity_) {
    case Popularity::uniform:
        return random.below(records_);
    case Popularity::latest: {
        const std::uint64_t newest = sequence_.there() - 1;
        return newest - std::min(newest, zipf_.rank(random));
    }
    case Popularity::zipf:
        break;
    }
    return zipf_.rank(random);
}

} // namespace pagepatrol::bench::kv
