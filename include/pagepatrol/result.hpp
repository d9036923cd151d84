// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or an errno with what was being done and a hint. For the
// tools and libraries around PagePatrol; the shim has no use for it. The policy
// library has types of the same names: an inline namespace tells them apart where one
// program has both (never in one file).
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace pagepatrol {
inline namespace tools {

struct Error {
    int code = 0;        ///< positive errno
    std::string what;    ///< what was being done, to what
    std::string hint;    ///< what the user can do about it; may be empty

    /// "what: Operation not permitted\n  HINT: hint"
    std::string text() const {
        std::string all = what;
        if (code)
            all += std::string(": ") + std::strerror(code);
        if (!hint.empty())
            all += "\n  HINT: " + hint;
        return all;
    }
};

template <typename T> class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::move(value)) {}
    Result(Error error) : state_(std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& value() { return std::get<0>(state_); }
    const T& value() const { return std::get<0>(state_); }
    T& operator*() { return value(); }
    T* operator->() { return &value(); }
    const Error& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

template <> class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    explicit operator bool() const { return !error_; }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

} // namespace tools
} // namespace pagepatrol
