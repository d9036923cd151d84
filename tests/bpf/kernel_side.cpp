// SPDX-License-Identifier: Apache-2.0
// See kernel_side.hpp.
#include "kernel_side.hpp"

#include <cstdlib>
#include <thread>

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include "../slow.h"
#include "files.hpp"
#include "maps.h"
#include "module.hpp"

void PrintTo(const pp_range& range, std::ostream* out) {
    *out << std::hex << range.start << "-" << range.end << std::dec << " id " << range.id
         << " action " << int(range.action) << " flags " << int(range.flags) << " rule "
         << range.rule;
}

namespace pagepatrol::test {

namespace {

std::optional<LoadOptions> in_force;

template <typename Key, typename Visit> void for_each_key(const char* map, Visit visit) {
    const int fd = bpf_obj_get((std::string(PP_PIN_PRIVATE "/") + map).c_str());
    ASSERT_GE(fd, 0) << "can't open the map " << map;
    Key key{}, next{}, *previous = nullptr;
    while (bpf_map_get_next_key(fd, previous, &next) == 0) {
        key = next;
        previous = &key;
        visit(fd, key);
    }
    close(fd);
}

class UnloadAtTheEnd : public testing::Environment {
    void SetUp() override {
        ASSERT_TRUE(module::built_in() || getenv("PAGEPATROL_MODULE"))
            << "PAGEPATROL_MODULE names the module";
        ASSERT_EQ(geteuid(), 0u) << "these tests need root, in a VM";
    }
    void TearDown() override { require_unloaded(); }
};
[[maybe_unused]] const auto* const environment =
    testing::AddGlobalTestEnvironment(new UnloadAtTheEnd);

} // namespace

bool full() {
    const char* value = getenv("PAGEPATROL_TEST_FULL");
    return value && *value == '1';
}

LoadOptions options() {
    LoadOptions options;
    if (const char* path = getenv("PAGEPATROL_MODULE"))
        options.module_path = path;
    return options;
}

LoadOptions always_tight() {
    LoadOptions all = options();
    all.margin_pages = UINT32_MAX; // no machine has as many pages free
    return all;
}

void require_loaded(const LoadOptions& wanted) {
    if (in_force && *in_force == wanted && look().loaded)
        return;
    require_unloaded();
    const auto done = load(wanted);
    ASSERT_TRUE(done) << done.error().text();
    in_force = wanted;
}

void require_unloaded() {
    in_force.reset();
    const auto done = unload();
    ASSERT_TRUE(done || done.error().code == ENOENT) << done.error().text();
}

Status look() {
    auto now = status();
    if (now)
        return *now;
    ADD_FAILURE() << now.error().text();
    return {};
}

std::optional<ProcessStatus> table_of(pid_t pid) {
    for (const auto& process : look().processes)
        if (process.tgid == static_cast<uint32_t>(pid))
            return process;
    return {};
}

std::vector<pp_range> ranges_of(pid_t pid) {
    std::vector<pp_range> ranges;
    if (const auto process = table_of(pid))
        for (const auto& range : process->ranges)
            ranges.push_back(range.range);
    return ranges;
}

uint64_t total(uint32_t stat) {
    return look().totals[stat];
}

int subscriptions() {
    return look().subscriptions;
}

int range_states() {
    int count = 0;
    for_each_key<pp_range_key>("pp_range_states", [&](int, const pp_range_key&) { ++count; });
    return count;
}

Charged charged() {
    Charged all;
    for_each_key<uint32_t>("pp_users", [&](int fd, const uint32_t& uid) {
        pp_user one{};
        if (bpf_map_lookup_elem(fd, &uid, &one) == 0)
            all = {all.tables + one.tables, all.large + one.large, all.kept + one.kept};
    });
    return all;
}

int places_for_budgets() {
    int count = 0;
    for_each_key<uint64_t>("pp_budgets", [&](int, const uint64_t&) { ++count; });
    return count;
}

int tables_in_maps() {
    int count = 0;
    for (const char* map : {"pp_small_tables", "pp_large_tables"})
        for_each_key<uint64_t>(map, [&](int, const uint64_t&) { ++count; });
    return count;
}

bool may_miss_faults() {
    return read_file("/proc/version").find("PREEMPT_RT") != std::string::npos;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit * slowness();
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

KernelLog::KernelLog() : fd_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    if (fd_ < 0 || lseek(fd_, 0, SEEK_END) < 0)
        ADD_FAILURE() << "can't read /dev/kmsg";
}

KernelLog::~KernelLog() {
    close(fd_);
}

std::string KernelLog::complaints() {
    // a level alone won't do: an emulated machine warns of being slow (hrtimer), and what
    // comes with a stack trace is no more than a warning
    constexpr int error = 3;
    constexpr const char* words[] = {"pagepatrol", "WARNING:", "BUG:", "Call Trace", "stall"};
    // of any module that is built out of tree and not signed
    constexpr const char* at_first_insertion[] = {
        "pagepatrol: loading out-of-tree module taints kernel",
        "pagepatrol: module verification failed"};
    std::string found;
    char record[8192];
    ssize_t size;
    // "priority,sequence,time,flags;text"
    while ((size = read(fd_, record, sizeof(record))) > 0) {
        const std::string line(record, static_cast<size_t>(size));
        bool bad = (std::atoi(line.c_str()) & 7) <= error;
        for (const char* word : words)
            bad = bad || line.find(word) != line.npos;
        for (const char* text : at_first_insertion)
            bad = bad && line.find(text) == line.npos;
        if (bad)
            found += line;
    }
    return found;
}

void Loaded::SetUp() {
    ASSERT_NO_FATAL_FAILURE(require_loaded(wanted()));
    const Status now = look();
    ASSERT_TRUE(now.loaded);
    EXPECT_TRUE(now.processes.empty());
    std::copy(std::begin(now.totals), std::end(now.totals), before_);
}

void Loaded::TearDown() {
    EXPECT_TRUE(eventually([] { return look().processes.empty(); }))
        << look().processes.size() << " tables are left";
    EXPECT_TRUE(eventually([] { return subscriptions() == 0; }))
        << subscriptions() << " subscriptions are left";
    if (!look().loaded)
        return;
    EXPECT_EQ(range_states(), 0) << "states of ranges are left";
    EXPECT_EQ(tables_in_maps(), 0) << "tables are left that status does not show";
    EXPECT_EQ(charged().tables, 0) << "users are charged for tables that are gone";
    EXPECT_EQ(charged().large, 0);
    EXPECT_EQ(charged().kept, 0) << "users are charged for pages that nobody keeps";
    EXPECT_EQ(places_for_budgets(), 0) << "an upload left what it needed for itself";
}

} // namespace pagepatrol::test
