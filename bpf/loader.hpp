// SPDX-License-Identifier: Apache-2.0
// Loading and unloading of the kernel side: module, BPF programs, pins. All of
// it needs root. It parses nothing and prints nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pagepatrol/abi.h>
#include <pagepatrol/result.hpp>

namespace pagepatrol {

struct LoadOptions {
    std::string module_path;                  ///< pagepatrol.ko; empty: as modprobe finds it
    std::optional<uint32_t> tables_per_user;  ///< processes with ranges one user may have
    std::optional<uint64_t> kept_pages_per_user;  ///< what these may keep together; 0: no limit
    std::optional<uint32_t> keep_percent;     ///< of its memory limit, what a process may keep
    std::optional<uint32_t> margin_pages;     ///< "no room" for a stream: fewer pages left
    std::optional<uint32_t> lag_pages;        ///< pages kept behind a stream's reader
    std::optional<uint32_t> share_pages;      ///< from which on streams share them out evenly
    std::optional<uint32_t> valve_questions;  ///< "yes" to reclaim that a page reclaimed pays for
    std::optional<uint32_t> valve_sweeps_activate;  ///< sweeps over what is kept, in vain, until
    std::optional<uint32_t> valve_sweeps_pin;       ///< ... it gives way

    bool operator==(const LoadOptions&) const = default;
};

/// Inserts the module if it is neither there nor built in, loads and attaches the programs, pins
/// programs, links and maps. Nothing is left behind on failure but a module
/// that was there before. EEXIST: already loaded.
Result<void> load(const LoadOptions& options);

/// Drops the programs (the kernel's default from then on), then the module if it is one.
/// Waits for the module's users; ENOENT if nothing was loaded.
Result<void> unload();

struct RangeStatus {
    pp_range range;
    uint64_t keep_pages;  ///< from its start, what the budget lets pin and activate keep
    std::string file;     ///< mapped there now, as /proc/PID/maps names it; "" if none is
    uint64_t stats[PP_NR_RANGE_STATS];
};

struct ProcessStatus {
    uint64_t mm;  ///< key of the address space
    uint32_t tgid, uid;
    std::string comm;
    bool subscribed;
    bool attached;        ///< root put its table there
    uint64_t kept_pages;  ///< what the budgets let all its ranges keep
    uint32_t subscribe_errors;
    std::vector<RangeStatus> ranges;
};

/// What the processes of a user have together.
struct UserStatus {
    uint32_t uid;
    int64_t processes, kept_pages;
};

/// What the streams of a cgroup have read, as far as it comes by again.
struct StreamStatus {
    uint64_t cgroup_id;
    std::string cgroup;               ///< its path; empty: it is gone
    uint64_t read_pages, left_pages;  ///< of its files; left in the cache, at most
    double share;                     ///< of each block that is left; 1: all of it
    uint64_t margin_grown_pages;      ///< by how much Limits::margin_pages has grown
};

/// The administrator's limits, see LoadOptions.
struct Limits {
    uint32_t processes_per_user = 0, keep_percent = 0, margin_pages = 0, lag_pages = 0;
    uint64_t kept_pages_per_user = 0;  ///< 0: no limit
};

struct Status {
    bool module = false;    ///< inserted or built in
    bool built_in = false;
    std::string module_version;
    int subscriptions = 0;  ///< address spaces subscribed in the module
    bool loaded = false;    ///< door and engine are in force
    std::vector<std::string> programs;
    Limits limits;
    std::vector<UserStatus> users;      ///< that have any, by uid
    std::vector<StreamStatus> streams;  ///< by cgroup_id
    std::vector<ProcessStatus> processes;
    uint64_t totals[PP_NR_STATS] = {};
};

Result<Status> status();

/// Names the address space that a process has now, to see that it is the same later.
/// ESRCH: no such process; EINVAL: a kernel thread. Needs root, as the next two do.
Result<uint64_t> address_space_of(uint32_t pid);

struct Granted {
    uint64_t asked, granted;  ///< pages
    uint32_t limited_by;      ///< PP_LIMITED_*
};

/// Puts a table in force for a running process. `budget`: see pp_request. ESTALE: it has another
/// address space by now. EBUSY: it has a table of its own; `force` replaces that.
Result<Granted> attach(uint32_t pid, uint64_t address_space, const std::vector<pp_range>& ranges,
                       uint32_t budget, bool force);

/// Takes such a table out of force. ENOENT: there is none.
Result<void> detach(uint32_t pid, bool force);

/// Names of the counters, in the order of PP_STAT_*.
extern const char* const stat_names[PP_NR_STATS];
/// Names of the actions, in the order of PP_ACTION_*.
extern const char* const action_names[PP_NR_ACTIONS];

} // namespace pagepatrol
