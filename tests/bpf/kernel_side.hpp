// SPDX-License-Identifier: Apache-2.0
// The kernel side as the tests see it: brought into the state a test wants, and looked
// at from outside. Loading takes seconds on an emulated processor, so tests that want
// the same parameters share one load.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <loader.hpp>

namespace pagepatrol::test {

/// The long forms are wanted: PAGEPATROL_TEST_FULL=1.
bool full();

/// Options with the module of this run (PAGEPATROL_MODULE).
LoadOptions options();
/// Options under which memory counts as tight whatever is free: a stream always drops.
LoadOptions always_tight();

/// Loads, unless it is loaded with these options already; the test's failure if it can't.
void require_loaded(const LoadOptions& wanted);
void require_unloaded();

/// status(), or a failure of the test and nothing.
Status look();
/// What the process uploaded; nothing if it has no table.
std::optional<ProcessStatus> table_of(pid_t pid);
std::vector<pp_range> ranges_of(pid_t pid);
uint64_t total(uint32_t stat);
/// The subscriptions that the module counts.
int subscriptions();
/// Keys in the map of range states, and in those of tables.
int range_states();
int tables_in_maps();
/// Uploads under way that have to share out budgets.
int places_for_budgets();
/// What all users together are charged for.
struct Charged {
    int64_t tables = 0, large = 0, kept = 0;
};
Charged charged();

/// Does this kernel skip BPF programs now and then? On PREEMPT_RT a function that a program is
/// attached to may be preempted in the middle of that: whoever comes by on that processor meanwhile
/// goes without it (prog->active). A fault that is missed so is as by default.
bool may_miss_faults();

/// Waits up to `limit` for the condition.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds limit = std::chrono::seconds(5));

/// What the kernel logs from now on.
class KernelLog {
  public:
    KernelLog();
    KernelLog(const KernelLog&) = delete;
    KernelLog& operator=(const KernelLog&) = delete;
    ~KernelLog();
    /// Errors, warnings with a stack trace, and whatever names PagePatrol.
    std::string complaints();

  private:
    int fd_;
};

/// Loaded, with no table before and, as everything has to go with its process, none after.
class Loaded : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;
    /// The parameters this group of tests wants.
    virtual LoadOptions wanted() const { return options(); }
    /// The counter's growth since the test started.
    uint64_t grown(uint32_t stat) const { return total(stat) - before_[stat]; }

  private:
    uint64_t before_[PP_NR_STATS] = {};
};

} // namespace pagepatrol::test

inline bool operator==(const pp_range& a, const pp_range& b) {
    return a.start == b.start && a.end == b.end && a.id == b.id && a.action == b.action &&
           a.flags == b.flags && a.rule == b.rule && a.pages == b.pages && a.budget == b.budget &&
           a.read_ahead == b.read_ahead;
}
void PrintTo(const pp_range& range, std::ostream* out);
