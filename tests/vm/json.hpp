// SPDX-License-Identifier: Apache-2.0
// Reads the JSON that pp-bench and ppctl write: enough of RFC 8259 to refuse what
// is malformed. Numbers are doubles: exact up to 2^53. It writes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vmtest {

class Json {
  public:
    using Array = std::vector<Json>;
    using Object = std::map<std::string, Json, std::less<>>;

    /// Throws std::runtime_error, with the offset, on anything but one JSON value.
    static Json parse(std::string_view text);

    bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
    // These throw std::runtime_error if the value is of another type or not there.
    bool boolean() const { return get<bool>("a boolean"); }
    double number() const { return get<double>("a number"); }
    std::uint64_t count() const { return static_cast<std::uint64_t>(number()); }
    const std::string& string() const { return get<std::string>("a string"); }
    const Array& array() const { return get<Array>("an array"); }
    const Object& object() const { return get<Object>("an object"); }
    const Json& operator[](std::string_view key) const {
        const auto found = object().find(key);
        if (found == object().end())
            throw std::runtime_error("JSON: no key \"" + std::string(key) + "\"");
        return found->second;
    }

  private:
    friend class Parser;
    template <typename T> const T& get(const char* what) const {
        if (const T* value = std::get_if<T>(&value_))
            return *value;
        throw std::runtime_error(std::string("JSON: a value is not ") + what);
    }

    std::variant<std::nullptr_t, bool, double, std::string, Array, Object> value_;
};

} // namespace vmtest
