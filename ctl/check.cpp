// SPDX-License-Identifier: Apache-2.0
// ppctl check: reads policies as the shim would and tells what is wrong, which rule
// takes what of a file and why, or where a program's policy comes from. Needs no
// root and no kernel side.
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <explain.hpp>
#include <lookup.hpp>
#include <quantity.hpp>
#include <words.hpp>

#include "command.hpp"

namespace ppctl {

using namespace pagepatrol;

namespace {

struct Asked {
    std::vector<std::string> files;
    std::optional<std::string> explain, program;
    int prot = PROT_READ;
    bool shared = true;
    std::uint32_t filesystem = 0;
    bool about_mapping = false; // one of --prot, --private, --filesystem
};

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value && value[0] == '/' ? value : "";
}

std::string resolved(const std::string& path) {
    char buffer[PATH_MAX];
    return realpath(path.c_str(), buffer) ? buffer : "";
}

std::optional<Policy> read(const std::string& file) {
    Result<Policy> policy = load_policy(file, environment("HOME"));
    for (const Error& error : policy.errors)
        std::fprintf(stderr, "%s\n", to_string(error).c_str());
    return std::move(policy.value);
}

bool check(const std::string& file) {
    const auto policy = read(file);
    if (!policy)
        return false;
    for (const Error& warning : warnings(*policy)) {
        std::fflush(stdout);
        std::fprintf(stderr, "%s (a warning)\n", to_string(warning).c_str());
    }
    const std::size_t n = policy->rules.size();
    std::printf("%s: %zu rule%s, ok\n", file.c_str(), n, n == 1 ? "" : "s");
    return true;
}

bool read_size(const std::string& text, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error == std::errc() && end == text.data() + text.size())
        return true;
    QuantityError why;
    const auto quantity = parse_quantity(text, 0, "", why);
    if (quantity)
        out = quantity->amount;
    return quantity.has_value();
}

// PATH[:SIZE] -> what a mapping of it would be; "" or what is wrong.
std::string describe(const Asked& asked, std::string& path, MappedFile& file) {
    path = *asked.explain;
    bool sized = false;
    struct stat st;
    if (stat(path.c_str(), &st) != 0) {
        const std::size_t colon = path.rfind(':');
        if (colon != std::string::npos && read_size(path.substr(colon + 1), file.size)) {
            path.resize(colon);
            sized = true;
        }
    }
    if (path.empty())
        return "no path";
    if (stat(path.c_str(), &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return path + " is not a regular file: no rule is ever about it";
        path = resolved(path);
        if (!sized)
            file.size = static_cast<std::uint64_t>(st.st_size);
        struct statfs fs;
        if (statfs(path.c_str(), &fs) == 0)
            file.filesystem = static_cast<std::uint32_t>(fs.f_type);
    } else if (!sized) {
        return path + " is not there\n  HINT: give its size, as in " + path + ":64MiB";
    } else if (path[0] != '/') {
        path = resolved(".") + "/" + path;
    }
    if (asked.filesystem)
        file.filesystem = asked.filesystem;
    file.path = path;
    file.prot = asked.prot;
    file.shared = asked.shared;
    return {};
}

bool never_looked_at(std::string_view path) {
    return path.starts_with("/dev/") || path.starts_with("/proc/") || path.starts_with("/sys/");
}

void print(const Policy& policy, const MappedFile& file) {
    const Explanation all = explain(policy, file);
    std::string prot;
    for (const Word& word : prot_words)
        if (static_cast<unsigned>(file.prot) & word.value)
            prot += ", " + std::string(word.text);
    std::printf("%s: %llu bytes, %s%s, %s\n", std::string(file.path).c_str(),
                static_cast<unsigned long long>(file.size), file.shared ? "shared" : "private",
                prot.c_str(),
                file.filesystem ? word_for(filesystem_words, file.filesystem).c_str()
                                : "any filesystem");
    std::uint64_t done = 0;
    bool gap = false;
    for (std::size_t i = 0; i < all.count; ++i) {
        const Segment& s = all.segments[i];
        std::printf("  %s: %s, %s\n", part_text(s.start, s.end).c_str(), rule_text(*s.rule).c_str(),
                    std::string(to_string(s.rule->action)).c_str());
        gap |= s.start > done;
        done = s.end;
    }
    if (all.count == 0)
        std::printf("  no rule: the kernel's default\n");
    else if (gap || done < file.size)
        std::printf("  the rest: no rule, the kernel's default\n");
    for (const Verdict& verdict : all.verdicts)
        std::printf("  %s %s\n", rule_text(*verdict.rule).c_str(), verdict.why.c_str());
    if (never_looked_at(file.path))
        std::printf("  but files in /dev, /proc and /sys are never looked at\n");
}

int explain_file(const Asked& asked) {
    const auto policy = read(asked.files[0]);
    if (!policy)
        return 1;
    std::string path;
    MappedFile file{.path = {}, .size = 0};
    if (const std::string wrong = describe(asked, path, file); !wrong.empty())
        return fail("check", wrong);
    print(*policy, file);
    return 0;
}

// The program's own file, as /proc/self/exe will say it; "" if there is none.
std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos)
        return resolved(name);
    const char* variable = std::getenv("PATH");
    std::string_view folders = variable ? variable : "/usr/local/bin:/usr/bin:/bin";
    while (true) {
        const std::size_t colon = folders.find(':');
        const std::string path = std::string(folders.substr(0, colon)) + "/" + name;
        struct stat st;
        if (access(path.c_str(), X_OK) == 0 && stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode))
            return resolved(path);
        if (colon == std::string_view::npos)
            return {};
        folders.remove_prefix(colon + 1);
    }
}

int check_for(const std::string& name) {
    const std::string program = find_program(name);
    if (program.empty())
        return fail("check", "no program " + name + "\n  HINT: give its path");
    std::string places[nr_policy_places];
    if (const char* named = std::getenv("PAGEPATROL_POLICY"); named && !*named) {
        std::printf("%s: no policy, PAGEPATROL_POLICY is empty\n", program.c_str());
        return 0;
    } else if (named) {
        places[0] = named;
    } else {
        policy_places(program.substr(program.rfind('/') + 1), environment("XDG_CONFIG_HOME"),
                      environment("HOME"), places);
    }
    for (const std::string& place : places) {
        if (place.empty())
            continue;
        struct stat st;
        if (stat(place.c_str(), &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
            std::printf("%s: not there\n", place.c_str());
            continue;
        }
        if (!check(place))
            return 1;
        auto policy = read(place);
        if (policy)
            policy->app.arguments.clear(); // it is not known which ones it will have
        if (policy && !is_for(*policy, program, nullptr, 0))
            std::printf("%s: its [app] is not for %s\n", place.c_str(), program.c_str());
        return 0;
    }
    std::printf("%s: no policy\n", program.c_str());
    return 0;
}

bool read_prot(const std::string& text, int& prot) {
    prot = 0;
    for (const char c : text)
        switch (c) {
        case 'r':
            prot |= PROT_READ;
            break;
        case 'w':
            prot |= PROT_WRITE;
            break;
        case 'x':
            prot |= PROT_EXEC;
            break;
        default:
            return false;
        }
    return !text.empty();
}

int run(const Arguments& arguments) {
    Asked asked;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& name = arguments[i];
        if (!name.starts_with("--")) {
            asked.files.push_back(name);
            continue;
        }
        if (name == "--private") {
            asked.shared = false;
            asked.about_mapping = true;
            continue;
        }
        if (name != "--explain" && name != "--for" && name != "--prot" && name != "--filesystem")
            return misused(check_command, "unknown option " + name);
        if (++i == arguments.size())
            return misused(check_command, "no value after " + name);
        const std::string& value = arguments[i];
        if (name == "--explain") {
            asked.explain = value;
        } else if (name == "--for") {
            asked.program = value;
        } else if (name == "--prot") {
            asked.about_mapping = true;
            if (!read_prot(value, asked.prot))
                return misused(check_command, "--prot " + value + ": letters of r, w, x expected");
        } else {
            asked.about_mapping = true;
            const Word* word = find_word(filesystem_words, value);
            if (!word)
                return misused(check_command, "unknown filesystem " + value + "\n  HINT: one of " +
                                                  list_words(filesystem_words));
            asked.filesystem = word->value;
        }
    }
    if (asked.about_mapping && !asked.explain)
        return misused(check_command, "--prot, --private and --filesystem go with --explain");
    if (asked.program)
        return asked.files.empty() && !asked.explain
                   ? check_for(*asked.program)
                   : misused(check_command, "--for PROGRAM stands alone");
    if (asked.files.empty())
        return misused(check_command, "no policy file");
    if (asked.explain)
        return asked.files.size() == 1 ? explain_file(asked)
                                       : misused(check_command, "--explain wants one policy file");
    bool good = true;
    for (const std::string& file : asked.files)
        good &= check(file);
    return good ? 0 : 1;
}

} // namespace

const Command check_command = {
    "check",
    "what is wrong with a policy, or which rule takes a file and why",
    "FILE...\n"
    "       ppctl check FILE --explain PATH[:SIZE] [--prot LETTERS] [--private] [--filesystem "
    "NAME]\n"
    "       ppctl check --for PROGRAM",
    run,
};

} // namespace ppctl
