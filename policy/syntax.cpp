// SPDX-License-Identifier: Apache-2.0
//
// See syntax.hpp. One function per place where people slip; each sees the line
// and where in it the reader stopped.
#include "syntax.hpp"

#include <algorithm>

namespace pagepatrol {
namespace {

constexpr unsigned max_key_parts = 16;
constexpr auto npos = std::string_view::npos;

struct Slip {
    std::string what, expected, hint = {};
    std::size_t at = npos; // where to point to, if not where the reader stopped
};

struct Spot {
    std::string_view line;   // without its end
    std::size_t at;          // bytes into it; its size: the end
    std::string_view detail; // toml++'s sentence
    bool end() const noexcept { return at >= line.size(); }
    char c() const noexcept { return end() ? '\n' : line[at]; }
    bool said(std::string_view part) const noexcept { return detail.find(part) != npos; }
};

bool blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

std::string_view trimmed(std::string_view s) noexcept {
    while (!s.empty() && blank(s.front()))
        s.remove_prefix(1);
    while (!s.empty() && (blank(s.back()) || s.back() == '\r'))
        s.remove_suffix(1);
    return s;
}

std::size_t first_character(std::string_view line) noexcept {
    std::size_t i = 0;
    while (i < line.size() && blank(line[i]))
        ++i;
    return i;
}

std::string quoted(std::string_view s) {
    return "\"" + std::string(s) + "\"";
}

// The word in '...' of toml++'s sentence.
std::string_view named(std::string_view detail) noexcept {
    const std::size_t open = detail.find('\''), close = detail.find('\'', open + 1);
    return open == npos || close == npos ? std::string_view()
                                         : detail.substr(open + 1, close - open - 1);
}

// The key in front of the '=' before `at`, or at the line's start.
std::string_view key_before(const Spot& spot) noexcept {
    std::string_view head = spot.line.substr(0, spot.at);
    if (const std::size_t cut = head.find_last_of("{,"); cut != npos)
        head = head.substr(cut + 1);
    return trimmed(head.substr(0, head.find('=')));
}

// A value that is no value: most often text without quotes.
std::optional<Slip> bare_value(const Spot& spot) {
    std::size_t start = spot.at;
    while (start > 0 && std::string_view("=[,").find(spot.line[start - 1]) == npos)
        --start;
    start += first_character(spot.line.substr(start));
    const std::size_t end = spot.line.find_first_of(",]}#", start);
    const std::string_view word =
        trimmed(spot.line.substr(start, end == npos ? npos : end - start));
    if (word.empty())
        return std::nullopt;
    if (word[0] == '=')
        return Slip{"'=' twice", "one '=' between key and value", {}, start};
    if (word.substr(0, 2) == "\xe2\x80") // the block of typographic quotes
        return Slip{"a typographic quote", "a plain \" or '", "word processors put it there",
                    start};
    if (word[0] == '"' || word[0] == '\'')
        return std::nullopt;
    std::string lower;
    for (char c : word)
        lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower == "true" || lower == "false")
        return Slip{quoted(word) + " is not in small letters", "true or false", "write " + lower,
                    start};
    if (lower == "yes" || lower == "no")
        return Slip{quoted(word) + " is no value", "true or false, or text in quotes",
                    lower == "yes" ? "write true" : "write false", start};
    return Slip{std::string(word) + " is not in quotes", "text in quotes", "write " + quoted(word),
                start};
}

std::optional<Slip> in_number(const Spot& spot) {
    if (spot.said("leading zeroes"))
        return Slip{"a number with a 0 in front", "a number without it"};
    if (spot.said("not representable"))
        return Slip{"number " + std::string(named(spot.detail)) + " is too large",
                    "less than 9223372036854775808"};
    return bare_value(spot);
}

std::optional<Slip> in_string(const Spot& spot) {
    if (spot.said("escape sequence"))
        return Slip{"'" + std::string(named(spot.detail)) + "' in a string in \"\"",
                    "one of TOML's escapes, such as \\\\ for a backslash",
                    "in '' a backslash is only itself"};
    if (spot.end() || spot.said("end-of-file"))
        return Slip{"a string without its closing quote", "a quote on the same line"};
    if (spot.said("control characters"))
        return Slip{"a control character in a string", "text without it"};
    return std::nullopt;
}

std::optional<Slip> twice(const Spot& spot) {
    const std::string name(named(spot.detail));
    const std::size_t start = first_character(spot.line);
    if (!spot.said("table header"))
        return Slip{"key " + quoted(name) + " a second time", "each key once in its table",
                    "a further rule begins with [[rule]]", start};
    const bool list = spot.said("as array-of-tables");
    const std::string hint = name == "rule" ? "write [[rule]], with two brackets, each time" : "";
    if (spot.said("existing array"))
        return Slip{"[" + name + "] after [[" + name + "]]", "[[" + name + "]]", hint};
    if (list && spot.said("existing table"))
        return Slip{"[[" + name + "]] after [" + name + "]", "one of the two forms", hint};
    if (spot.said("existing table"))
        return Slip{"[" + name + "] a second time", "each table once", hint};
    return Slip{quoted(name) + " as a table, but it has a value above", "one of the two"};
}

std::optional<Slip> in_header(const Spot& spot) {
    if (spot.said("cannot redefine"))
        return twice(spot);
    if (spot.said("blank bare keys"))
        return Slip{"a table without a name", "[app], [defaults] or [[rule]]"};
    if (spot.said("expected ']'") || spot.said("end-of-file"))
        return Slip{"a table's name without closing bracket", "[app], [defaults] or [[rule]]"};
    return std::nullopt;
}

std::optional<Slip> after_value(const Spot& spot) {
    if (spot.line[first_character(spot.line)] == '[')
        return Slip{"'" + std::string(1, spot.c()) + "' after a table's name",
                    "the end of the line", spot.c() == ']' ? "as many ']' as '['" : ""};
    if (spot.line.substr(spot.at, 2) == "//" || spot.c() == ';')
        return Slip{"'" + std::string(1, spot.c()) + "' after the value", "the end of the line",
                    "a comment begins with #"};
    if (spot.c() == ',')
        return Slip{"',' after the value", "the end of the line"};
    if (spot.c() == '"' || spot.c() == '\'')
        return Slip{"a quote after the value", "the end of the line",
                    "several values: [\"a\", \"b\"]"};
    // a number with a unit, as in 64 KiB, but not `a = 1 b = 2`
    const std::size_t equals = spot.line.find('=');
    if (spot.line.find('=', equals + 1) == npos)
        if (auto slip = bare_value(spot))
            return slip;
    return Slip{"text after the value", "the end of the line", "one key on each line"};
}

std::optional<Slip> in_pair(const Spot& spot) {
    if (spot.said("cannot redefine"))
        return twice(spot);
    if (spot.said("expected value"))
        return Slip{"no value for key " + quoted(key_before(spot)),
                    "a value after '=', such as \"pin\" or 1"};
    if (spot.said("comment or whitespace"))
        return after_value(spot);
    if (!spot.said("expected '='"))
        return std::nullopt;
    const std::string key(key_before(spot));
    if (spot.c() == ':')
        return Slip{"':' after key " + quoted(key), "'='"};
    if (spot.end() && (key == "rule" || key == "app" || key == "defaults"))
        return Slip{quoted(key) + " alone on its line", "KEY = VALUE",
                    key == "rule" ? "write [[rule]]" : "write [" + key + "]"};
    if (spot.end())
        return Slip{"no '=' after key " + quoted(key), "KEY = VALUE"};
    return Slip{"no '=' after key " + quoted(key), "KEY = VALUE",
                spot.line.find('=') == npos ? "" : "a key is one word, such as min_size"};
}

std::optional<Slip> in_array(const Spot& spot) {
    const bool new_line = !spot.end() && first_character(spot.line) == spot.at;
    if (spot.said("end-of-file") || (new_line && spot.line.find('=') != npos) || spot.c() == '[')
        return Slip{"an array without its ']'", "',' between elements, ']' at the end"};
    if (spot.said("comma"))
        return Slip{"no ',' between the elements of an array",
                    "',' between elements, ']' at the end"};
    return std::nullopt;
}

std::optional<Slip> in_inline_table(const Spot& spot) {
    if (spot.said("dangling comma"))
        return Slip{"',' before '}'", "a key after ',', or '}' without it"};
    if (spot.end() || spot.said("end-of-file"))
        return Slip{"{...} is not closed on its line", "'}' on the same line",
                    "it can't be spread over lines"};
    if (spot.said("comma"))
        return Slip{"no ',' between the keys in {...}", "',' between keys, '}' at the end"};
    return std::nullopt;
}

std::optional<Slip> at_top(const Spot& spot) {
    if (spot.c() == '/' || spot.c() == ';')
        return Slip{"a line that begins with '" + std::string(1, spot.c()) + "'",
                    "KEY = VALUE or a table", "a comment begins with #"};
    if (spot.c() == '=')
        return Slip{"no key before '='", "KEY = VALUE"};
    if (static_cast<unsigned char>(spot.c()) < 0x80)
        return Slip{"a line that begins with '" + std::string(1, spot.c()) + "'",
                    "KEY = VALUE or a table"};
    return Slip{"a key with a character beyond A-Z, a-z, 0-9, '_' and '-'",
                "KEY = VALUE or a table"};
}

std::optional<Slip> slip_at(const Spot& spot) {
    if (spot.said("utf-8"))
        return Slip{"a byte that is not UTF-8", "text in UTF-8"};
    if (spot.said("exceeded maximum nested"))
        return Slip{"arrays or tables nested too deeply", "at most 16 levels"};
    if (spot.said("parsing value") || spot.said("parsing boolean"))
        return bare_value(spot);
    if (spot.said("integer") && !spot.said("cannot redefine"))
        return in_number(spot);
    if (spot.said("parsing string") || spot.said("parsing literal string"))
        return in_string(spot);
    if (spot.said("parsing table header"))
        return spot.said("comment or whitespace") ? after_value(spot) : in_header(spot);
    if (spot.said("parsing array"))
        return in_array(spot);
    if (spot.said("parsing inline table"))
        return in_inline_table(spot);
    if (spot.said("parsing key-value pair"))
        return in_pair(spot);
    if (spot.said("parsing root table"))
        return at_top(spot);
    return std::nullopt;
}

bool continuation(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

} // namespace

Error syntax_error(std::string_view text, std::string_view file, unsigned line, unsigned column,
                   std::string_view detail) {
    std::size_t start = 0;
    for (unsigned n = 1; n < line && start < text.size(); ++n)
        start = std::min(text.find('\n', start), text.size() - 1) + 1;
    Spot spot{text.substr(start, text.substr(start).find('\n')), 0, detail};
    for (unsigned n = 1; n < column && spot.at < spot.line.size(); ++n)
        for (++spot.at; spot.at < spot.line.size() && continuation(spot.line[spot.at]);)
            ++spot.at;
    if (!spot.line.empty() && spot.line.back() == '\r' && spot.at + 1 == spot.line.size())
        spot.at = spot.line.size();

    auto slip = slip_at(spot);
    if (!slip)
        slip = Slip{"not TOML (" + std::string(detail) + ")", "valid TOML"};
    if (slip->at != npos) {
        column = 1;
        for (std::size_t i = 0; i < slip->at; ++i)
            column += !continuation(spot.line[i]);
    }
    return {
        ErrorKind::syntax,         std::string(file),    line, column, "", std::move(slip->what),
        std::move(slip->expected), std::move(slip->hint)};
}

std::optional<Error> nesting_error(std::string_view text, std::string_view file) {
    unsigned line = 1, parts = 1;
    std::size_t line_start = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '#') {
            i = std::min(text.find('\n', i), text.size()) - 1;
        } else if (c == '"' || c == '\'') {
            const bool several = text.substr(i, 3) == std::string(3, c);
            const std::size_t quotes = several ? 3 : 1;
            for (i += quotes; i < text.size(); ++i) {
                if (c == '"' && text[i] == '\\')
                    ++i;
                else if (!several && text[i] == '\n') {
                    --i; // an error of its own
                    break;
                } else if (text.substr(i, quotes) == std::string(quotes, c))
                    break;
                if (i < text.size() && text[i] == '\n') {
                    ++line;
                    line_start = i + 1;
                }
            }
            i += quotes - 1;
            for (unsigned n = 0; several && n < 2 && i + 1 < text.size() && text[i + 1] == c; ++n)
                ++i; // """x"""" ends in a quote of its own
        } else if (c == '\n') {
            parts = 1;
            ++line;
            line_start = i + 1;
        } else if (c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') {
            parts = 1;
        } else if (c == '.' && ++parts > max_key_parts) {
            return Error{ErrorKind::syntax,
                         std::string(file),
                         line,
                         static_cast<unsigned>(i - line_start + 1),
                         "",
                         "a key of more than 16 parts",
                         "a key of this format",
                         ""};
        }
    }
    return std::nullopt;
}

} // namespace pagepatrol
