// SPDX-License-Identifier: Apache-2.0
//
// Deterministic random numbers: the same seed gives the same accesses on every
// machine. Not for secrets.
#pragma once

#include <cmath>
#include <cstdint>

namespace pagepatrol::bench {

// splitmix64 (Steele, Lea, Flood 2014): one addition and a mix per number
inline std::uint64_t mix64(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() { return mix64(state_ += 0x9e3779b97f4a7c15u); }

    // in [0, bound), bound > 0; the bias of at most bound/2^64 does not matter here
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
    }

    // in [0, 1)
    double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  private:
    std::uint64_t state_;
};

// Zipf-distributed ranks 0 ... n-1 with exponent theta in (0, 1), by the
// approximation of Gray et al. 1994 ("Quickly generating billion-record
// synthetic databases"); set-up is O(n), each number O(1).
class Zipf {
  public:
    Zipf(std::uint64_t n, double theta) : n_(n), alpha_(1 / (1 - theta)) {
        for (std::uint64_t i = 1; i <= n; i++)
            zeta_ += 1 / std::pow(static_cast<double>(i), theta);
        second_ = 1 + std::pow(0.5, theta);
        eta_ = (1 - std::pow(2.0 / static_cast<double>(n), 1 - theta)) / (1 - second_ / zeta_);
    }

    std::uint64_t rank(Random& random) const {
        const double u = random.unit();
        const double uz = u * zeta_;
        if (uz < 1 || n_ < 2)
            return 0;
        if (uz < second_ || n_ < 3)
            return 1;
        const double r = static_cast<double>(n_) * std::pow(eta_ * u - eta_ + 1, alpha_);
        const auto rank = static_cast<std::uint64_t>(r);
        return rank < n_ ? rank : n_ - 1;
    }

    // the same, but popular items lie scattered, as in a real file
    std::uint64_t scattered(Random& random) const {
        return static_cast<std::uint64_t>(
            (static_cast<unsigned __int128>(mix64(rank(random) + 0x5bd1e995u)) * n_) >> 64);
    }

  private:
    std::uint64_t n_;
    double alpha_, zeta_ = 0, second_ = 0, eta_ = 0;
};

} // namespace pagepatrol::bench
