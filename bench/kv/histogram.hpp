// SPDX-License-Identifier: Apache-2.0
//
// Latencies, counted in buckets: 32 per power of two, so that a value is told to within
// 1.6 %, at a fixed size and without a comparison. Not for several threads: each has its
// own, merged at the end.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace pagepatrol::bench::kv {

class Histogram {
  public:
    void add(std::uint64_t value) {
        counts_[bucket(value)]++;
        count_++;
        sum_ += value;
        if (value > max_)
            max_ = value;
    }

    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < counts_.size(); i++)
            counts_[i] += other.counts_[i];
        count_ += other.count_;
        sum_ += other.sum_;
        if (other.max_ > max_)
            max_ = other.max_;
    }

    std::uint64_t count() const { return count_; }
    std::uint64_t max() const { return max_; }
    double mean() const {
        return count_ ? static_cast<double>(sum_) / static_cast<double>(count_) : 0;
    }

    // The smallest value that at least this share (0 to 1) of all values do not exceed.
    std::uint64_t percentile(double share) const {
        if (share >= 1)
            return max_;
        const double wanted = share * static_cast<double>(count_);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); i++) {
            seen += counts_[i];
            if (seen > 0 && static_cast<double>(seen) >= wanted) {
                const std::uint64_t value = middle(i);
                return value < max_ ? value : max_; // the largest is known exactly
            }
        }
        return max_;
    }

    // visit(value in the bucket's middle, count) for each bucket that holds anything
    template <typename Visit> void each(Visit visit) const {
        for (std::size_t i = 0; i < counts_.size(); i++)
            if (counts_[i])
                visit(middle(i), counts_[i]);
    }

  private:
    static constexpr unsigned bits = 5;
    static constexpr std::uint64_t sub = 1u << bits;

    // below 2 * sub each value has a bucket of its own
    static std::size_t bucket(std::uint64_t value) {
        if (value < 2 * sub)
            return value;
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - bits - 1;
        return shift * sub + (value >> shift);
    }
    static std::uint64_t middle(std::size_t bucket) {
        if (bucket < 2 * sub)
            return bucket;
        const std::uint64_t shift = bucket / sub - 1;
        return ((bucket - shift * sub) << shift) + (std::uint64_t{1} << shift) / 2;
    }

    std::array<std::uint64_t, (64 - bits + 1) * sub> counts_{};
    std::uint64_t count_ = 0, sum_ = 0, max_ = 0;
};

} // namespace pagepatrol::bench::kv
