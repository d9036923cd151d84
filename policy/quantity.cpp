// SPDX-License-Identifier: Apache-2.0
//
// See quantity.hpp. Whole numbers with a binary unit, or per cent with up to two
// decimals: no floating point, whose reader the shim leaves out.
#include "quantity.hpp"

namespace pagepatrol {
namespace {

constexpr std::uint64_t whole = 10000;

bool digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

std::string quoted(std::string_view s) {
    return "\"" + std::string(s) + "\"";
}

std::string unit_hint(std::string_view number, std::string_view unit) {
    if (unit.empty() || unit == "B" || unit == "bytes")
        return "write " + std::string(number) + " without quotes for bytes";
    if (const char c = static_cast<char>(unit[0] & ~0x20);
        c == 'K' || c == 'M' || c == 'G' || c == 'T')
        return "did you mean \"" + std::string(number) + c + "iB\"?";
    return {};
}

} // namespace

std::optional<Quantity> parse_quantity(std::string_view s, unsigned may_be, const char* expected,
                                       QuantityError& error) {
    const auto fail = [&](std::size_t offset, std::string what, std::string right,
                          std::string hint = {}) -> std::optional<Quantity> {
        error = {offset, std::move(what), std::move(right), std::move(hint)};
        return std::nullopt;
    };
    Quantity out;
    std::size_t i = 0;
    if (i < s.size() && s[i] == '-') {
        out.negative = true;
        ++i;
    }
    const std::size_t first = i;
    bool overflow = false;
    for (; i < s.size() && digit(s[i]); ++i)
        overflow |= __builtin_mul_overflow(out.amount, 10u, &out.amount) ||
                    __builtin_add_overflow(out.amount, unsigned(s[i] - '0'), &out.amount);
    if (i == first)
        return fail(0, "bad size " + quoted(s), expected);
    std::size_t decimals = 0;
    if (i + 1 < s.size() && s[i] == '.' && digit(s[i + 1])) {
        const std::size_t point = i;
        for (++i; i < s.size() && digit(s[i]); ++i)
            if (++decimals <= 2)
                overflow |= __builtin_mul_overflow(out.amount, 10u, &out.amount) ||
                            __builtin_add_overflow(out.amount, unsigned(s[i] - '0'), &out.amount);
        if (s.find('%') == s.npos)
            return fail(point, "a fraction in size " + quoted(s), "a whole number and a unit",
                        "use the next smaller unit");
        if (decimals > 2)
            return fail(point, "more than two decimals in " + quoted(s),
                        "a share such as \"0.25%\"");
    }
    const std::string_view number = s.substr(first, i - first);
    while (i < s.size() && s[i] == ' ')
        ++i;
    const std::string_view unit = s.substr(i);
    if (out.negative && !(may_be & may_be_negative))
        return fail(0, "a negative size", expected);
    if (unit == "%") {
        if (!(may_be & may_be_share))
            return fail(0, "a share " + quoted(s), expected);
        for (; decimals < 2; ++decimals)
            overflow |= __builtin_mul_overflow(out.amount, 10u, &out.amount);
        if (overflow || out.amount > whole)
            return fail(0, "share " + quoted(s) + " is more than the whole", "at most 100%");
        out.is_share = true;
        return out;
    }
    const unsigned shift = unit == "KiB"   ? 10
                           : unit == "MiB" ? 20
                           : unit == "GiB" ? 30
                           : unit == "TiB" ? 40
                                           : 0;
    if (shift == 0)
        return fail(i, "bad unit in size " + quoted(s),
                    may_be & may_be_share ? "KiB, MiB, GiB, TiB or % after a number"
                                          : "KiB, MiB, GiB or TiB after a whole number",
                    unit_hint(number, unit));
    // signed: places in a file are
    if (overflow || out.amount > (static_cast<std::uint64_t>(INT64_MAX) >> shift))
        return fail(0, "size " + quoted(s) + " is too large", "less than 8388608 TiB");
    out.amount <<= shift;
    return out;
}

} // namespace pagepatrol
