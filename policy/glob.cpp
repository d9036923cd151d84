// SPDX-License-Identifier: Apache-2.0
//
// The glob matcher: check once, expand braces once, then match by two
// backtracking points (`*` and `**`), without recursion or allocation. Only the
// last star of each kind has to be remembered: what an earlier one would take
// more, a later one can take as well. Still cubic at worst, so the steps are counted.
// Must not touch the file system.
#include "glob.hpp"

#include <algorithm>

namespace pagepatrol {
namespace {

constexpr auto npos = std::string_view::npos;

// Index of the ']' that closes the class opened at `open`, or npos. A ']' right after
// '[' or '[!' is an ordinary member.
std::size_t class_end(std::string_view s, std::size_t open) noexcept {
    std::size_t i = open + 1;
    if (i < s.size() && (s[i] == '!' || s[i] == '^'))
        ++i;
    for (bool first = true; i < s.size(); ++i, first = false) {
        if (s[i] == '\\')
            ++i;
        else if (s[i] == ']' && !first)
            return i;
    }
    return npos;
}

// `s[open]` is a '[' that class_end() found closed at `end`.
bool class_matches(std::string_view s, std::size_t open, std::size_t end, char c,
                   bool plain) noexcept {
    std::size_t i = open + 1;
    const bool negated = s[i] == '!' || s[i] == '^';
    if (negated)
        ++i;
    auto member = [&]() noexcept {
        if (s[i] == '\\' && i + 1 < end)
            ++i;
        return static_cast<unsigned char>(s[i++]);
    };
    bool found = false;
    const auto wanted = static_cast<unsigned char>(c);
    while (i < end) {
        const unsigned char low = member();
        unsigned char high = low;
        if (i + 1 < end && s[i] == '-') {
            ++i;
            high = member();
        }
        found = found || (low <= wanted && wanted <= high);
    }
    return (plain || c != '/') && found != negated;
}

bool fail(GlobError& error, std::size_t offset, std::string what, std::string expected,
          std::string hint = {}) {
    error = {offset, std::move(what), std::move(expected), std::move(hint)};
    return false;
}

bool check_class(std::string_view s, std::size_t open, std::size_t end, bool plain,
                 GlobError& error) {
    std::size_t i = open + 1;
    if (s[i] == '!' || s[i] == '^')
        ++i;
    while (i < end) {
        if (s[i] == '\\')
            ++i;
        const char low = s[i];
        if (low == '/' && !plain)
            return fail(error, i, "'/' in a [...] class",
                        "a class without '/': it never matches one");
        if (i + 2 < end && s[i + 1] == '-') {
            std::size_t j = i + 2;
            if (s[j] == '\\' && j + 1 < end)
                ++j;
            if (static_cast<unsigned char>(s[j]) < static_cast<unsigned char>(low))
                return fail(error, i, "range in a [...] class runs backwards",
                            "the lower character first",
                            std::string("write [") + s[j] + "-" + low + "]");
            i = j;
        }
        ++i;
    }
    return true;
}

bool check(std::string_view s, bool plain, GlobError& error) {
    std::vector<std::size_t> braces; // still open
    unsigned groups = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
        switch (s[i]) {
        case '\0':
            return fail(error, i, "a NUL character", plain ? "text without it" : "a path");
        case '\\':
            if (++i == s.size())
                return fail(error, i - 1, "'\\' at the end", "a character after it",
                            "write \\\\ for a backslash");
            break;
        case '[': {
            const std::size_t end = class_end(s, i);
            if (end == npos)
                return fail(error, i, "'[' is never closed", "a ']'",
                            "write \\[ for the character");
            if (!check_class(s, i, end, plain, error))
                return false;
            i = end;
            break;
        }
        case '{':
            if (++groups > Glob::max_groups)
                return fail(error, i, "more than 64 groups {...}", "fewer",
                            plain ? "use '*'" : "use '*' or several rules");
            braces.push_back(i);
            break;
        case '}':
            if (braces.empty())
                return fail(error, i, "'}' without '{'", "a '{' before it",
                            "write \\} for the character");
            braces.pop_back();
            break;
        case '*':
            if (!plain && s.substr(i, 3) == "***")
                return fail(error, i, "'***'", "'*' (within a folder) or '**' (across folders)");
            break;
        default:
            break;
        }
    }
    if (!braces.empty())
        return fail(error, braces.back(), "'{' is never closed", "a '}'",
                    "write \\{ for the character");
    return true;
}

// Behind the '}' that ends the group which s[i] is in.
std::size_t group_end(std::string_view s, std::size_t i) noexcept {
    for (unsigned depth = 1; depth > 0; ++i) {
        if (s[i] == '\\')
            ++i;
        else if (s[i] == '[')
            i = class_end(s, i);
        else if (s[i] == '{')
            ++depth;
        else if (s[i] == '}')
            --depth;
    }
    return i;
}

// Behind the '{' or ',' in front of the n-th alternative of the group that opens at `open`;
// npos: it has fewer.
std::size_t alternative(std::string_view s, std::size_t open, unsigned n) noexcept {
    std::size_t i = open + 1;
    for (unsigned depth = 1; n > 0; ++i) {
        if (s[i] == '\\')
            ++i;
        else if (s[i] == '[')
            i = class_end(s, i);
        else if (s[i] == '{')
            ++depth;
        else if (s[i] == '}' && --depth == 0)
            return npos;
        else if (s[i] == ',' && depth == 1)
            --n;
    }
    return i;
}

// Appends every combination of the alternatives in `s` to `out`; false when there are too many.
// `s` has passed check(). Not by recursion: who writes the glob must not choose the depth of our
// stack. The choices made at the groups met on the way are an odometer, the last turns first.
bool expand(std::string_view s, std::vector<std::string>& out) {
    struct Choice {
        std::size_t open;
        unsigned taken;
    };
    std::vector<Choice> choices;
    std::string one;
    for (;;) {
        one.clear();
        std::size_t met = 0;
        unsigned inside = 0; // alternatives that we are in
        for (std::size_t i = 0; i < s.size();) {
            if (s[i] == '{') {
                if (met == choices.size())
                    choices.push_back({i, 0});
                i = alternative(s, i, choices[met++].taken);
                ++inside;
            } else if (inside > 0 && (s[i] == ',' || s[i] == '}')) {
                i = group_end(s, i);
                --inside;
            } else {
                const std::size_t from = i;
                i = s[i] == '\\' ? i + 2 : s[i] == '[' ? class_end(s, i) + 1 : i + 1;
                one.append(s, from, i - from);
            }
        }
        if (out.size() == Glob::max_alternatives)
            return false;
        out.push_back(one);
        while (!choices.empty() &&
               alternative(s, choices.back().open, ++choices.back().taken) == npos)
            choices.pop_back();
        if (choices.empty())
            return true;
    }
}

std::string escaped(std::string_view literal) {
    std::string out;
    for (char c : literal) {
        if (std::string_view("*?[]{}\\").find(c) != npos)
            out += '\\';
        out += c;
    }
    return out;
}

// A component that no path has: paths are absolute and resolved, those of files end in a name.
// Sets `offset` to where in `s`, an alternative, it stands.
const char* dead_component(std::string_view s, std::size_t& offset) noexcept {
    std::size_t characters = 0, dots = 0; // of the component so far
    offset = 0;
    for (std::size_t i = 0; i <= s.size(); ++i) {
        if (i == s.size() || s[i] == '/' || s.substr(i, 2) == "\\/") {
            const bool last = i == s.size();
            if (characters == 0 && offset > 0)
                return last ? "it ends in '/'" : "it holds '//'";
            if (characters > 0 && characters == dots && dots <= 2)
                return dots == 1 ? "it holds a folder '.'" : "it holds a folder '..'";
            characters = dots = 0;
            i += !last && s[i] == '\\';
            offset = i + 1;
            continue;
        }
        if (s[i] == '[')
            i = class_end(s, i);
        else if (s[i] == '\\')
            ++i;
        dots += s[i] == '.';
        ++characters;
    }
    return nullptr;
}

// Does the single-character pattern at p[i] accept c? Moves i behind it.
bool one(std::string_view p, std::size_t& i, char c, bool plain) noexcept {
    switch (p[i]) {
    case '?':
        ++i;
        return plain || c != '/';
    case '[': {
        const std::size_t open = i, end = class_end(p, i);
        i = end + 1;
        return class_matches(p, open, end, c, plain);
    }
    case '\\':
        ++i;
        [[fallthrough]];
    default:
        return p[i++] == c;
    }
}

bool wild(std::string_view p, std::string_view t, bool plain, std::uint32_t& steps) noexcept {
    std::size_t i = 0, j = 0;
    std::size_t deep_i = npos, deep_j = 0; // where to go on after `**` takes one more
    std::size_t flat_i = npos, flat_j = 0; // the same for `*`
    bool folders = false;                  // that `**` is a `**/`: it takes whole folders
    for (;;) {
        if (steps == 0)
            return false;
        --steps;
        if (i < p.size() && p[i] == '*') {
            std::size_t k = i;
            while (k < p.size() && p[k] == '*')
                ++k;
            if (k - i == 1 && !plain) {
                flat_i = i = k;
                flat_j = j;
                continue;
            }
            folders = !plain && (i == 0 || p[i - 1] == '/') && k < p.size() && p[k] == '/';
            deep_i = i = folders ? k + 1 : k;
            deep_j = j;
            flat_i = npos;
            continue;
        }
        if (i == p.size() && j == t.size())
            return true;
        if (i < p.size() && j < t.size()) {
            const std::size_t from = i;
            const bool good = one(p, i, t[j], plain);
            steps -= std::min<std::uint32_t>(steps, static_cast<std::uint32_t>(i - from) / 16);
            if (good) {
                ++j;
                continue;
            }
        }
        if (flat_i != npos && flat_j < t.size() && t[flat_j] != '/') {
            j = ++flat_j;
            i = flat_i;
            continue;
        }
        if (deep_i == npos)
            return false;
        if (folders)
            deep_j = t.find('/', deep_j);
        if (deep_j >= t.size())
            return false;
        j = ++deep_j;
        i = deep_i;
        flat_i = npos;
    }
}

} // namespace

std::optional<Glob> Glob::compile(std::string_view text, std::string_view home, GlobError& error) {
    if (text.empty()) {
        fail(error, 0, "an empty glob", "a path such as \"/data/*.db\"");
        return {};
    }
    if (text.size() > max_length) {
        fail(error, 0, "a glob of more than 4096 bytes", "a path");
        return {};
    }
    if (!check(text, false, error))
        return {};
    while (home.size() > 1 && home.back() == '/')
        home.remove_suffix(1);
    std::string full(text);
    if (text[0] == '~') {
        if (text.size() > 1 && text[1] != '/') {
            fail(error, 1, "'~' with a user's name", "'~/'",
                 "write the folder out, as in /home/NAME");
            return {};
        }
        if (home.empty()) {
            fail(error, 0, "'~' but HOME is not set", "an absolute path");
            return {};
        }
        full = (home == "/" && text.size() > 1 ? std::string() : escaped(home)) + full.substr(1);
    }
    Glob glob;
    glob.text_ = text;
    if (!expand(full, glob.alternatives_)) {
        fail(error, 0, "more than 256 alternatives in {...}", "fewer", "use '*' or several rules");
        return {};
    }
    for (const std::string& a : glob.alternatives_) {
        if (a.empty() || (a[0] != '/' && a[0] != '*')) {
            fail(error, 0, "a relative path", "a glob that begins with '/', '~/' or '**/'",
                 "write \"**/" + std::string(text) + "\" for any folder");
            return {};
        }
        if (a[0] == '*' && a.substr(0, 2) != "**") {
            fail(error, 0, "'*' in front can't match: paths begin with '/'",
                 "a glob that begins with '/', '~/' or '**/'",
                 "write \"**/" + std::string(text) + "\" for any folder");
            return {};
        }
        std::size_t offset = 0;
        if (const char* what = dead_component(a, offset)) {
            const bool as_written = a == text; // else braces or '~' moved it
            fail(error, as_written ? offset : 0, std::string("it can never match: ") + what,
                 "a path as the kernel names files: no '//', no '.' or '..', no '/' at the end",
                 text.back() == '/' ? "write \"" + std::string(text) + "**\" for all files below"
                 : as_written       ? std::string()
                                    : "written out it is \"" + a + "\"");
            return {};
        }
    }
    return glob;
}

std::optional<Glob> Glob::compile_plain(std::string_view text, GlobError& error) {
    if (text.size() > max_length) {
        fail(error, 0, "a glob of more than 4096 bytes", "a shorter one");
        return {};
    }
    if (!check(text, true, error))
        return {};
    Glob glob;
    glob.text_ = text;
    glob.plain_ = true;
    if (!expand(text, glob.alternatives_)) {
        fail(error, 0, "more than 256 alternatives in {...}", "fewer", "use '*'");
        return {};
    }
    return glob;
}

bool Glob::matches(std::string_view path, std::uint32_t& steps) const noexcept {
    for (const std::string& a : alternatives_)
        if (wild(a, path, plain_, steps))
            return true;
    return false;
}

std::size_t Glob::memory() const noexcept {
    std::size_t bytes = text_.size();
    for (const std::string& a : alternatives_)
        bytes += a.size();
    return bytes + (alternatives_.size() - 1) * sizeof(std::string);
}

} // namespace pagepatrol
