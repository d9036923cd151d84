// SPDX-License-Identifier: Apache-2.0
//
// The one exception of the benchmark tools: what was wrong and where, in words
// for the user. Thrown anywhere, printed once by main.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace pagepatrol::bench {

class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;

    static Error of_errno(const std::string& what) {
        return Error(what + ": " + std::strerror(errno));
    }
};

} // namespace pagepatrol::bench
