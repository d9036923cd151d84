// SPDX-License-Identifier: Apache-2.0
//
// See config.hpp. PAGEPATROL_POLICY names the file (empty: none); otherwise the
// program's own name is looked up in the user's folders, then in the system's.
// Environment is read here only: before the constructor there may be none.
#include "config.hpp"

#include "log.hpp"
#include "lookup.hpp"
#include "policy.hpp"
#include "push.hpp"
#include "runtime.hpp"
#include "sys.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <sys/auxv.h>

namespace pagepatrol::config {
namespace {

std::string_view environment(const char* name) noexcept {
    const char* value = secure_getenv(name);
    return value ? value : std::string_view();
}

std::string program_name() {
    char path[4096];
    const long size = sys::readlink("/proc/self/exe", path, sizeof path);
    if (size <= 0 || size == static_cast<long>(sizeof path))
        return {};
    std::string_view name(path, static_cast<std::size_t>(size));
    constexpr std::string_view deleted = " (deleted)";
    if (name.size() > deleted.size() && name.substr(name.size() - deleted.size()) == deleted)
        name.remove_suffix(deleted.size());
    return std::string(name.substr(name.rfind('/') + 1));
}

bool exists(const std::string& path) noexcept {
    struct ::stat st;
    const long error = sys::stat(path.c_str(), &st);
    return error != -ENOENT && error != -ENOTDIR; // whatever else it is, loading it will say
}

// The policy file of this program, or "".
std::string look_up(std::string_view home) {
    const std::string name = program_name();
    if (name.empty())
        return {};
    std::string places[nr_policy_places];
    policy_places(name, environment("XDG_CONFIG_HOME"), home, places);
    for (const std::string& path : places)
        if (!path.empty() && exists(path))
            return path;
    return {};
}

[[gnu::noinline]] void read_switches() noexcept {
    log::remember_stderr();
    log::verbose = environment("PAGEPATROL_VERBOSE") == "1";
    if (const std::string_view door = environment("PAGEPATROL_DOOR"); !door.empty())
        push::set_door(door.data());
}

// Not inlined: its locals must not live in the frame that a longjmp comes back to.
[[gnu::noinline]] const Policy* read_policy(const char* named) {
    std::string_view home = environment("HOME");
    if (!home.empty() && home[0] != '/')
        home = {};
    const std::string file = named ? std::string(named) : look_up(home);
    if (file.empty()) {
        if (log::verbose) {
            const std::string name = program_name();
            log::Line() << "no policy for \"" << name
                        << "\". HINT: set PAGEPATROL_POLICY, or write ~/.config/pagepatrol/" << name
                        << ".toml";
        }
        return nullptr;
    }
    Result<Policy> policy = load_policy(file, home);
    if (!policy) {
        for (const Error& error : policy.errors)
            log::Line() << to_string(error);
        log::Line() << "the program runs without policy";
        return nullptr;
    }
    if (log::verbose)
        log::Line() << "policy " << file << ", " << policy.value->rules.size() << " rules";
    if (policy.value->rules.empty())
        return nullptr;
    return new Policy(std::move(*policy.value));
}

} // namespace

const Policy* find() noexcept {
    if (getauxval(AT_SECURE))
        return nullptr;
    read_switches();
    const char* named = secure_getenv("PAGEPATROL_POLICY");
    if (named && !*named) {
        if (log::verbose)
            log::Line() << "no policy: PAGEPATROL_POLICY is empty";
        return nullptr;
    }
    std::jmp_buf out_of_memory;
    if (setjmp(out_of_memory) != 0) {
        runtime::disarm();
        log::Line() << "not enough memory to read the policy; the program runs without it";
        return nullptr;
    }
    runtime::arm(out_of_memory);
    const Policy* policy = read_policy(named);
    runtime::disarm();
    return policy;
}

} // namespace pagepatrol::config
