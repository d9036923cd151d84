// SPDX-License-Identifier: Apache-2.0
//
// See config.hpp. PAGEPATROL_POLICY names the file (empty: none); otherwise the
// program's own name is looked up in the user's folders, then in the system's.
// Environment is read in the constructor only: before it there may be none, after it
// the program changes it. What reading anew needs of it is copied.
#include "config.hpp"

#include "log.hpp"
#include "lookup.hpp"
#include "policy.hpp"
#include "push.hpp"
#include "runtime.hpp"
#include "sys.hpp"

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/auxv.h>
#include <sys/mman.h>

namespace pagepatrol::config {
namespace {

constexpr std::size_t path_size = 4096;

// A string from the time of the constructor; empty if it is too long.
class Kept {
  public:
    bool set(std::string_view text) noexcept {
        if (text.size() >= sizeof text_)
            text = {};
        std::memcpy(text_, text.data(), text.size());
        size_ = text.size();
        text_[size_] = 0;
        return size_ != 0;
    }
    std::string_view view() const noexcept { return {text_, size_}; }
    const char* c_str() const noexcept { return text_; }

  private:
    char text_[path_size];
    std::size_t size_;
};

Kept file, home, program;               // absolute; program: the executable
const char* const* arguments = nullptr; // a copy, without argv[0]
std::size_t nr_arguments = 0;

// A policy and the memory that it is in; two, as the old one is given back after the change.
struct Loaded {
    runtime::Arena memory;
    const Policy* policy = nullptr;
};
constinit Loaded loaded[2]; // an initialiser might run after the constructor

// In and out of read_here(), which runs on a stack of its own.
struct {
    std::jmp_buf out_of_memory;
    runtime::Arena scratch;
    Loaded* to;
    struct ::stat seen;
    int fd;     // to be closed whatever happens; -1: none
    bool first; // in the constructor
    bool enough;
    bool later; // what went wrong may pass
    bool quiet; // ... and has been said before
} job;

std::string_view environment(const char* name) noexcept {
    const char* value = secure_getenv(name);
    return value ? value : std::string_view();
}

std::string_view program_name() noexcept {
    return program.view().substr(program.view().rfind('/') + 1);
}

void find_program() noexcept {
    char path[path_size];
    const long size = sys::readlink("/proc/self/exe", path, sizeof path);
    std::string_view name(path, size > 0 ? static_cast<std::size_t>(size) : 0);
    constexpr std::string_view deleted = " (deleted)";
    if (name.size() > deleted.size() && name.substr(name.size() - deleted.size()) == deleted)
        name.remove_suffix(deleted.size());
    program.set(name);
}

// The program may overwrite its arguments: a copy. Without the memory for one, none.
void copy_arguments(int count, char** from) noexcept {
    std::size_t bytes = 0;
    for (int i = 1; i < count; ++i)
        bytes += std::strlen(from[i]) + 1 + sizeof(char*);
    if (bytes == 0)
        return;
    const long p =
        sys::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sys::failed(p))
        return;
    auto** list = reinterpret_cast<const char**>(p);
    char* text = reinterpret_cast<char*>(list + count - 1);
    for (int i = 1; i < count; ++i) {
        list[i - 1] = text;
        text = stpcpy(text, from[i]) + 1;
    }
    arguments = list;
    nr_arguments = static_cast<std::size_t>(count - 1);
}

bool exists(const char* path) noexcept {
    struct ::stat st;
    const long error = sys::stat(path, &st);
    return error != -ENOENT && error != -ENOTDIR; // whatever else it is, loading it will say
}

// The policy file that goes by the program's name.
[[gnu::noinline]] bool look_up() {
    if (program_name().empty())
        return false;
    std::string places[nr_policy_places];
    policy_places(program_name(), environment("XDG_CONFIG_HOME"), home.view(), places);
    for (const std::string& place : places)
        if (!place.empty() && exists(place.c_str()))
            return file.set(place);
    return false;
}

bool look_up_in_scratch() noexcept {
    if (setjmp(job.out_of_memory) != 0) {
        runtime::disarm();
        job.scratch.unmap();
        log::Line() << "not enough memory to look for a policy; the program runs without it";
        return false;
    }
    runtime::arm(job.scratch, job.out_of_memory);
    const bool found = look_up();
    runtime::disarm();
    job.scratch.unmap();
    return found;
}

// A relative name is one in the folder that the program starts in.
bool name_file(std::string_view named) noexcept {
    if (named[0] == '/')
        return file.set(named);
    char path[path_size];
    const long size = sys::getcwd(path, sizeof path); // its final 0 counts
    const std::size_t n = size > 1 ? static_cast<std::size_t>(size) : 0;
    if (n == 0 || path[0] != '/' || n + named.size() >= sizeof path)
        return false;
    path[n - 1] = '/';
    std::memcpy(path + n, named.data(), named.size());
    return file.set({path, n + named.size()});
}

void say(ErrorKind kind, std::string what, const char* expected) {
    log::Line() << to_string(
        Error{kind, std::string(file.view()), 0, 0, "", std::move(what), expected, ""});
}

bool passes(long error) noexcept {
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EINTR ||
           error == -EIO || error == -EAGAIN;
}

// Something that may pass went wrong. True if it is to be said.
bool wait_for_later() noexcept {
    job.later = !job.first;
    job.quiet = job.later && !log::first(log::policy_later);
    return !job.quiet;
}

bool read_text(std::string& text) {
    const long fd = sys::open(file.c_str());
    const auto words = [](const char* what, long error) {
        const char* known = strerrordesc_np(static_cast<int>(-error));
        return std::string(what) + (known ? known : "unknown error");
    };
    if (fd < 0) {
        if (!passes(fd) || wait_for_later())
            say(ErrorKind::unreadable, words("can't be opened: ", fd), "a readable policy file");
        return false;
    }
    job.fd = static_cast<int>(fd);
    long got = sys::fstat(job.fd, &job.seen);
    if (got != 0 || !S_ISREG(job.seen.st_mode)) {
        say(ErrorKind::unreadable, "is not a regular file", "a policy file");
        return false;
    }
    const auto size = static_cast<std::uint64_t>(job.seen.st_size);
    if (size <= max_policy_bytes) {
        text.resize(size + 1); // one more shows that it has grown
        std::size_t have = 0;
        while (have < text.size()) {
            got = sys::read(job.fd, text.data() + have, text.size() - have);
            if (got <= 0 && got != -EINTR)
                break;
            have += got > 0 ? static_cast<std::size_t>(got) : 0;
        }
        text.resize(have);
    }
    if (got < 0) {
        if (!passes(got) || wait_for_later())
            say(ErrorKind::unreadable, words("can't be read: ", got), "a readable policy file");
    } else if (size > max_policy_bytes)
        say(ErrorKind::too_large, "larger than 1 MiB", "a policy file");
    else
        return true;
    return false;
}

const Policy* parse() {
    std::string text;
    if (!read_text(text))
        return nullptr;
    Result<Policy> result = parse_policy(text, file.view(), home.view());
    for (const Error& error : result.errors)
        log::Line() << to_string(error);
    if (!result)
        return nullptr;
    Policy& policy = *result.value;
    const bool ours = is_for(policy, program.view(), arguments, nr_arguments);
    if (log::verbose) {
        log::Line line;
        line << "policy " << file.view();
        if (ours)
            line << (job.first ? "" : ", read anew") << ", " << policy.rules.size() << " rules";
        else
            line << " is not for " << program.view();
    }
    if (!ours)
        policy.rules.clear();
    // in its own memory, without what parsing has left behind
    runtime::disarm();
    runtime::arm(job.to->memory, job.out_of_memory);
    return new Policy(policy);
}

// Parsing leaves nothing to be destroyed: the memory goes as a whole.
void read_here() noexcept {
    if (setjmp(job.out_of_memory) == 0) {
        runtime::arm(job.scratch, job.out_of_memory);
        job.to->policy = parse();
    } else {
        job.enough = false;
        job.to->policy = nullptr;
    }
    runtime::disarm();
}

const Policy* read(struct ::stat& seen, bool& later) noexcept {
    const int kept = errno;
    job.to = &loaded[loaded[0].policy ? 1 : 0];
    job.enough = true;
    job.later = job.quiet = false;
    job.fd = -1;
    job.seen = seen;
    if (!runtime::on_own_stack(read_here))
        job.enough = false;
    if (job.fd >= 0)
        sys::close(job.fd);
    if (job.scratch.over_limit() || job.to->memory.over_limit())
        log::Line() << "the policy takes more than " << runtime::Arena::limit / 1024 / 1024
                    << " MiB of memory to read";
    else if (!job.enough && wait_for_later())
        log::Line() << "not enough memory to read the policy";
    job.scratch.unmap();
    const Policy* policy = job.to->policy;
    if (policy)
        seen = job.seen;
    else
        job.to->memory.unmap();
    later = job.later;
    if (!policy && !job.quiet)
        log::Line() << (job.first ? "the program runs without policy"
                                  : "the policy from before stays");
    errno = kept;
    return policy;
}

void release(const Policy* policy) noexcept {
    for (Loaded& one : loaded)
        if (one.policy == policy) {
            one.memory.unmap();
            one.policy = nullptr;
        }
}

} // namespace

const Policy* find(int count, char** argv, core::Source& source) noexcept {
    if (getauxval(AT_SECURE))
        return nullptr;
    log::remember_stderr();
    log::verbose = environment("PAGEPATROL_VERBOSE") == "1";
    if (const std::string_view door = environment("PAGEPATROL_DOOR"); !door.empty())
        push::set_door(door.data()); // copied
    const char* named = secure_getenv("PAGEPATROL_POLICY");
    if (named && !*named) {
        if (log::verbose)
            log::Line() << "no policy: PAGEPATROL_POLICY is empty";
        return nullptr;
    }
    if (const std::string_view folder = environment("HOME"); !folder.empty() && folder[0] == '/')
        home.set(folder);
    find_program();
    if (named ? !name_file(named) : !look_up_in_scratch()) {
        if (named)
            log::Line() << "no policy: the path of " << std::string_view(named)
                        << " is too long, or its folder is gone; the program runs without policy";
        else if (log::verbose)
            log::Line() << "no policy for \"" << program_name()
                        << "\". HINT: set PAGEPATROL_POLICY, or write ~/.config/pagepatrol/"
                        << program_name() << ".toml";
        return nullptr;
    }
    copy_arguments(count, argv);
    job.first = true;
    source.seen = {};
    bool later;
    const Policy* policy = read(source.seen, later);
    job.first = false;
    if (!policy)
        return nullptr;
    if (policy->rules.empty()) {
        release(policy);
        return nullptr;
    }
    if (!policy->app.inherit)
        unsetenv("PAGEPATROL_POLICY");
    source.file = file.c_str();
    source.read = read;
    source.release = release;
    return policy;
}

} // namespace pagepatrol::config
