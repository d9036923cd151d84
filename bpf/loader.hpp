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
    std::optional<uint32_t> keep_percent;     ///< of its memory limit, what a process may keep
    std::optional<uint32_t> margin_pages;     ///< "no room" for a stream: fewer pages left
    std::optional<uint32_t> lag_pages;        ///< pages kept behind a stream's reader
    std::optional<uint32_t> valve_questions;  ///< "yes" to reclaim that a page reclaimed pays for
    std::optional<uint32_t> valve_sweeps_activate;  ///< sweeps over what is kept, in vain, until
    std::optional<uint32_t> valve_sweeps_pin;       ///< ... it gives way

    bool operator==(const LoadOptions&) const = default;
};

/// Inserts the module if it isn't there, loads and attaches the programs, pins
/// programs, links and maps. Nothing is left behind on failure but a module
/// that was there before. EEXIST: already loaded.
Result<void> load(const LoadOptions& options);

/// Drops the programs (the kernel's default from then on), then the module.
/// Waits for the module's users; ENOENT if nothing was loaded.
Result<void> unload();

struct RangeStatus {
    pp_range range;
    uint64_t keep_pages;  ///< from its start, what the budget lets pin and activate keep
    uint64_t stats[PP_NR_RANGE_STATS];
};

struct ProcessStatus {
    uint64_t mm;  ///< key of the address space
    uint32_t tgid, uid;
    std::string comm;
    bool subscribed;
    uint32_t subscribe_errors;
    std::vector<RangeStatus> ranges;
};

struct Status {
    bool module = false;
    std::string module_version;
    int subscriptions = 0;  ///< address spaces subscribed in the module
    bool loaded = false;    ///< door and engine are in force
    std::vector<std::string> programs;
    std::vector<ProcessStatus> processes;
    uint64_t totals[PP_NR_STATS] = {};
};

Result<Status> status();

/// Names of the counters, in the order of PP_STAT_*.
extern const char* const stat_names[PP_NR_STATS];
/// Names of the actions, in the order of PP_ACTION_*.
extern const char* const action_names[PP_NR_ACTIONS];

} // namespace pagepatrol
