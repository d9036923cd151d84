// SPDX-License-Identifier: Apache-2.0
//
// See config.hpp. PAGEPATROL_POLICY names the file (empty: none); otherwise the
// program's own name is looked up in the user's folders, then in the system's.
// Environment is read here only: before the constructor there may be none.
#include "config.hpp"

#include "log.hpp"
#include "policy.hpp"
#include "push.hpp"
#include "sys.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <sys/auxv.h>
#include <sys/mman.h>

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
    const std::string_view xdg = environment("XDG_CONFIG_HOME");
    std::string folders[3];
    if (!xdg.empty() && xdg[0] == '/')
        folders[0] = std::string(xdg) + "/pagepatrol/";
    if (!home.empty())
        folders[1] = std::string(home) + "/.config/pagepatrol/";
    folders[2] = "/etc/pagepatrol/policies/";
    for (const std::string& folder : folders)
        if (const std::string path = folder + name + ".toml"; !folder.empty() && exists(path))
            return path;
    return {};
}

// Without exceptions a failed allocation would end the host: make sure of the memory first.
bool memory_at_hand() noexcept {
    constexpr std::size_t enough = 16u << 20; // many times what a policy of ordinary size takes
    const long p = sys::mmap(nullptr, enough, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0);
    if (sys::failed(p))
        return false;
    sys::munmap(reinterpret_cast<void*>(p), enough);
    return true;
}

} // namespace

const Policy* find() noexcept {
    if (getauxval(AT_SECURE))
        return nullptr;
    log::verbose = environment("PAGEPATROL_VERBOSE") == "1";
    if (const std::string_view door = environment("PAGEPATROL_DOOR"); !door.empty())
        push::set_door(door.data());
    std::string_view home = environment("HOME");
    if (!home.empty() && home[0] != '/')
        home = {};

    const char* named = secure_getenv("PAGEPATROL_POLICY");
    if (named && !*named) {
        if (log::verbose)
            log::Line() << "no policy: PAGEPATROL_POLICY is empty";
        return nullptr;
    }
    if (!memory_at_hand()) {
        log::Line() << "no policy: not enough memory to read one";
        return nullptr;
    }
    const std::string file = named ? std::string(named) : look_up(home);
    if (file.empty()) {
        if (log::verbose)
            log::Line() << "no policy for \"" << program_name()
                        << "\". HINT: set PAGEPATROL_POLICY, or write "
                           "~/.config/pagepatrol/"
                        << program_name() << ".toml";
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
        log::Line() << "policy " << file << " (" << policy.value->rules.size() << " rules)";
    if (policy.value->rules.empty())
        return nullptr;
    return new (std::nothrow) Policy(std::move(*policy.value));
}

} // namespace pagepatrol::config
