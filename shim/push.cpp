// SPDX-License-Identifier: Apache-2.0
//
// See push.hpp. The door is opened at the first need and kept. Its number is
// high and close-on-exec, but it lives in the program's own descriptor table: the
// program may close it or put another file there. So nothing is assumed about the
// number, and it is closed only after a look at what it is.
#include "push.hpp"

#include "log.hpp"
#include "sandbox.hpp"
#include "sys.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>

namespace pagepatrol::push {
namespace {

constexpr unsigned busy_tries = 64;       // -EAGAIN: another thread is in the upload program
constexpr std::uint64_t reopen_ms = 1000; // between two attempts to open the door
constexpr std::int64_t no_answer = 1;     // what request.result is before the door sets it
constexpr const char* limits_file = "/etc/pagepatrol/limits.toml";
constexpr long high_fd = 512; // out of the way of programs that count on low numbers

const char* door_path = PP_PIN_DOOR;
char door_copy[4096]; // what the environment says may be overwritten (setproctitle)
int door = -1;
std::uint32_t door_id = 0;  // the kernel's number of the program behind `door`
long door_error = 0;        // why it could not be opened
std::uint64_t next_try = 0; // ms; no attempt before
bool told = false;          // has the program behind `door` had a table of ours?
std::uint32_t process_budget = 0;
std::uint64_t page = 4096;                               // bytes
std::uint64_t missed_start = UINT64_MAX, missed_end = 0; // changes not handed over yet

std::uint64_t pointer(const void* p) noexcept {
    return reinterpret_cast<std::uint64_t>(p);
}

// The kernel's id of the BPF program behind a descriptor; 0 if it is none.
std::uint32_t program_id(int fd) noexcept {
    struct bpf_prog_info info;
    std::memset(&info, 0, sizeof info);
    union bpf_attr attr;
    std::memset(&attr, 0, sizeof attr);
    attr.info.bpf_fd = static_cast<std::uint32_t>(fd);
    attr.info.info_len = sizeof info;
    attr.info.info = pointer(&info);
    return sys::bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) == 0 ? info.id : 0;
}

void close_door() noexcept {
    // A map's or link's id can't be taken for ours: their info has no id at this place that
    // is the same by more than chance, and a regular file has no info at all.
    if (door >= 0 && door_id != 0 && program_id(door) == door_id)
        sys::close(door);
    door = -1;
    door_id = 0;
}

long open_door() noexcept {
    const std::uint64_t now = sys::milliseconds();
    if (door_error && now < next_try)
        return door_error;
    next_try = now + reopen_ms;
    if (sandbox::on_bpf() != sandbox::Verdict::none)
        return door_error = -EPERM;
    union bpf_attr attr;
    std::memset(&attr, 0, sizeof attr);
    attr.pathname = pointer(door_path);
    attr.file_flags = BPF_F_RDONLY;
    const long fd = sys::bpf(BPF_OBJ_GET, &attr, sizeof attr);
    if (fd < 0)
        return door_error = fd;
    const long limit = sys::fd_limit();
    const long from = limit > high_fd + 64 ? high_fd : std::max(limit - 8, 3l);
    const long high = sys::fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, from);
    if (high >= 0) {
        sys::close(static_cast<int>(fd));
        door = static_cast<int>(high);
    } else {
        door = static_cast<int>(fd); // bpf() descriptors are close-on-exec already
    }
    door_id = program_id(door);
    told = false;
    return door_error = 0;
}

// One call of the upload program. `answered` says whether it was that program.
long call_door(struct pp_request& request, bool& answered) noexcept {
    // as much of it as is used: the kernel copies what it is given, at every mapping of a file
    union bpf_attr attr;
    constexpr std::size_t used = offsetof(union bpf_attr, test.ctx_in) + sizeof attr.test.ctx_in;
    std::memset(&attr, 0, used);
    attr.test.prog_fd = static_cast<std::uint32_t>(door);
    attr.test.ctx_in = pointer(&request); // comes back in place; ctx_out has to be 0
    attr.test.ctx_size_in = sizeof request;
    for (unsigned i = 0;; ++i) {
        request.result = no_answer;
        const long error = sys::bpf(BPF_PROG_TEST_RUN, &attr, used);
        answered = error == 0 && request.result != no_answer;
        if (!answered)
            return error ? error : -EBADF;
        if (request.result != -EAGAIN || i == busy_tries)
            return request.result;
        sys::yield();
    }
}

void widen(const struct pp_range* ranges, std::uint32_t count, std::uint64_t& start,
           std::uint64_t& end) noexcept {
    if (count == 0)
        return;
    const bool empty = start == end;
    start = empty ? ranges[0].start : std::min<std::uint64_t>(start, ranges[0].start);
    end = std::max<std::uint64_t>(end, ranges[count - 1].end);
}

// A request to the upload program, opening the door if need be. `fill` completes it, once the
// door is open. `answered` says whether it was that program, and in office.
template <class Fill> long ask(struct pp_request& request, bool& answered, Fill fill) noexcept {
    long error = 0;
    // twice: the number may have been reused, or PagePatrol loaded anew, since the last call
    for (int round = 0; round < 2; ++round) {
        answered = false;
        if (door < 0 && (error = open_door()) != 0)
            break;
        request = {};
        request.version = PP_ABI_VERSION;
        fill(request);
        error = call_door(request, answered);
        if (answered && error != -ENODEV)
            break;
        if (!answered && error != -EBADF && error != -EINVAL)
            break;
        close_door();
        if (answered) // unloaded: no other try so soon
            door_error = error;
        answered = false;
    }
    if (!answered && door < 0) // no new try at each mapping
        door_error = error;
    return error;
}

void report(long error, bool have_door) noexcept {
    if (!have_door) {
        if (!log::first(log::no_kernel_side))
            return;
        log::Line line;
        line << "the policy has no effect: ";
        if (error == -ENOENT || error == -ENOTDIR)
            line << "PagePatrol is not loaded (no " << door_path
                 << "); the program runs without it. HINT: run `ppctl load` as root";
        else if (error == -ENODEV)
            line << "PagePatrol was unloaded; the program goes on without it. HINT: run `ppctl "
                    "load` as "
                    "root";
        else if (sandbox::on_bpf() == sandbox::Verdict::kills)
            line << "a seccomp filter from before the program's start ends it for bpf(2); the "
                    "program runs without it. HINT: have the filter allow bpf (systemd: "
                    "SystemCallFilter=bpf)";
        else if (sandbox::on_bpf() == sandbox::Verdict::unknown)
            line << "the program was started under a seccomp filter, and no child can be had to "
                    "find out whether it ends programs for bpf(2); the program runs without it. "
                    "HINT: have the filter and the limits (RLIMIT_NPROC) allow a fork";
        else if (error == -EPERM || error == -ENOSYS)
            line << "bpf(2) is denied here (" << door_path << ": ",
                line.error(error)
                    << "); the program runs without it. HINT: a container's seccomp filter has "
                       "to allow bpf(2)";
        else if (error == -EACCES)
            line << "no permission for " << door_path
                 << "; the program runs without it. HINT: ask the administrator who may use "
                    "PagePatrol";
        else
            line << door_path << ": ", line.error(error) << "; the program runs without it. HINT: "
                                                            "`ppctl status` as root says more";
        return;
    }
    if (!log::first(log::refused))
        return;
    log::Line line;
    line << "the kernel side refused a table of ranges: ";
    if (error == -EPROTO)
        line << "it is of another version than this library. HINT: `ppctl unload`, then `ppctl "
                "load` of the same version";
    else if (error == -EDQUOT)
        line << "this user has as many processes with ranges as one may have; this one runs "
                "without. HINT: the limit is in "
             << limits_file;
    else if (error == -E2BIG)
        line << "more than " << PP_MAX_RANGES
             << " ranges; the last table it took stays. HINT: `min_size`, `exclude` or a narrower "
                "`path` in the policy";
    else
        line.error(error) << "; the last table it took stays";
}

// Pages as "72 MiB".
void memory(log::Line& line, std::uint64_t pages) noexcept {
    const std::uint64_t kib = pages * (page / 1024);
    if (kib >= 10 * 1024)
        line << kib / 1024 << " MiB";
    else
        line << kib << " KiB";
}

// The budgets let less be kept than the table asks for.
void report_limit(const struct pp_request& request) noexcept {
    if (request.limited_by == PP_LIMITED_NO || request.granted >= request.asked)
        return;
    const bool by_user = request.limited_by == PP_LIMITED_USER;
    if (!by_user && !log::verbose)
        return;
    const log::Kind kind = by_user                                 ? log::limited_by_user
                           : request.limited_by == PP_LIMITED_RULE ? log::limited_by_rule
                                                                   : log::limited_by_process;
    if (!log::first(kind))
        return;
    log::Line line;
    line << "of ", memory(line, request.asked);
    line << " to keep ", memory(line, request.granted);
    if (by_user)
        line << " fit this user's limit of kept memory; the rest follows the kernel's default. "
                "HINT: "
             << limits_file;
    else if (kind == log::limited_by_rule)
        line << " fit the budget of their rule";
    else
        line << " fit the process's budget";
}

} // namespace

Quiet::Quiet() noexcept : before_(log::quiet) {
    log::quiet = true;
}

Quiet::~Quiet() {
    log::quiet = before_;
}

void set_budget(std::uint32_t process, std::uint64_t page_size) noexcept {
    process_budget = process;
    page = page_size;
}

void set_door(const char* path) noexcept {
    const std::size_t size = std::strlen(path) + 1;
    if (size > sizeof door_copy)
        return;
    std::memcpy(door_copy, path, size);
    door_path = door_copy;
}

long table(const struct pp_range* ranges, std::uint32_t count, std::uint64_t start,
           std::uint64_t end) noexcept {
    if (missed_end > missed_start) {
        start = start == end ? missed_start : std::min(start, missed_start);
        end = std::max(end, missed_end);
    }
    struct pp_request request;
    bool answered = false;
    const long error = ask(request, answered, [&](struct pp_request& r) noexcept {
        if (!told) // a door that was not open knows nothing of us
            widen(ranges, count, start, end);
        r.op = PP_OP_SET;
        r.ranges = pointer(ranges);
        r.nr_ranges = count;
        r.budget = process_budget;
        r.start = start;
        r.end = end;
    });
    if (error == 0) {
        missed_start = UINT64_MAX;
        missed_end = 0;
        told = true;
        report_limit(request);
        return 0;
    }
    if (start < end) {
        missed_start = start;
        missed_end = end;
    }
    // a program that never got a range across and has none now has lost nothing
    if (count != 0)
        report(error, answered);
    return error;
}

long act(std::uint32_t action, std::uint64_t start, std::uint64_t end) noexcept {
    struct pp_request request;
    bool answered = false;
    return ask(request, answered, [&](struct pp_request& r) noexcept {
        r.op = PP_OP_ACT;
        r.action = action;
        r.start = start;
        r.end = end;
    });
}

} // namespace pagepatrol::push
