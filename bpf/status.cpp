// SPDX-License-Identifier: Apache-2.0
// Reads what the kernel side knows, from the pinned maps.
#include "loader.hpp"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <mntent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maps.h"
#include "module.hpp"

namespace pagepatrol {

// one name per PP_STAT_* and PP_ACTION_*, in their order
const char* const stat_names[PP_NR_STATS] = {
    "faults",      "inserted", "dropped", "spared",          "asked",         "kept",
    "valve",       "activated", "deactivated", "stale",      "uploads",       "refused",
    "refused_invalid", "refused_quota", "forks", "exits",    "queue_failed",
    "evicted",   "prefetched", "acts", "ignored",
};
const char* const action_names[PP_NR_ACTIONS] = {"none", "pin", "activate", "deactivate", "stream", "evict", "prefetch"};

namespace {

class Fd {
  public:
    explicit Fd(int fd) : fd_(fd) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() {
        if (fd_ >= 0)
            close(fd_);
    }
    operator int() const { return fd_; }

  private:
    int fd_;
};

int open_map(const char* name) {
    return bpf_obj_get((std::string(PP_PIN_PRIVATE "/") + name).c_str());
}

/// use(key, value) once for each key in a map. (The kernel begins anew when the key before goes.)
template <typename Key, typename Value, typename Use>
void for_each_in(const char* name, Use use) {
    const Fd map(open_map(name));
    const auto value = std::make_unique<Value>();  // may be too large for a stack
    std::set<Key> seen;
    Key key{}, next{}, *previous = nullptr;
    while (map >= 0 && bpf_map_get_next_key(map, previous, &next) == 0) {
        key = next;
        previous = &key;
        if (seen.insert(key).second && bpf_map_lookup_elem(map, &key, value.get()) == 0)
            use(key, *value);
    }
}

void read_totals(Status& status) {
    const Fd totals(open_map("pp_totals"));
    std::vector<uint64_t> per_cpu(std::max(1, libbpf_num_possible_cpus()));
    for (uint32_t i = 0; totals >= 0 && i < PP_NR_STATS; ++i) {
        if (bpf_map_lookup_elem(totals, &i, per_cpu.data()) != 0)
            continue;
        for (const uint64_t n : per_cpu)
            status.totals[i] += n;
    }
}

void read_limits(Status& status) {
    const Fd map(open_map("pp_limits"));
    const uint32_t key = 0;
    pp_limits limits{};
    if (map >= 0 && bpf_map_lookup_elem(map, &key, &limits) == 0)
        status.limits = {limits.max_processes_per_user, limits.keep_percent, limits.margin_pages,
                         limits.lag_pages, limits.max_kept_per_user};
}

void read_users(Status& status) {
    for_each_in<uint32_t, pp_user>("pp_users", [&](uint32_t uid, const pp_user& user) {
        if (user.tables || user.kept)
            status.users.push_back({uid, user.tables, user.kept});
    });
    std::sort(status.users.begin(), status.users.end(),
              [](const UserStatus& a, const UserStatus& b) { return a.uid < b.uid; });
}

/// Where the cgroup hierarchy that BPF speaks of is mounted; empty: nowhere.
std::string cgroup2_mount() {
    const std::unique_ptr<FILE, int (*)(FILE*)> mounts(setmntent("/proc/self/mounts", "r"), endmntent);
    while (const mntent* mount = mounts ? getmntent(mounts.get()) : nullptr)
        if (std::strcmp(mount->mnt_type, "cgroup2") == 0)
            return mount->mnt_dir;
    return "";
}

/// A cgroup's id is its folder's inode number.
void name_cgroups(std::vector<StreamStatus>& streams) {
    using std::filesystem::recursive_directory_iterator;
    const std::string root = cgroup2_mount();
    const auto name = [&](const std::string& folder) {
        struct stat about {};
        if (stat(folder.c_str(), &about) != 0)
            return;
        for (StreamStatus& stream : streams)
            if (stream.cgroup_id == about.st_ino)
                stream.cgroup = folder.size() > root.size() ? folder.substr(root.size()) : "/";
    };
    if (root.empty() || streams.empty())
        return;
    name(root);
    std::error_code error;  // cgroups come and go meanwhile
    for (recursive_directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code gone;
        if (entry->is_directory(gone))
            name(entry->path().string());
    }
}

void read_streams(Status& status) {
    for_each_in<uint64_t, pp_streamer>("pp_streamers", [&](uint64_t cgroup, const pp_streamer& streamer) {
        if (streamer.size > 0)
            status.streams.push_back({cgroup, "", static_cast<uint64_t>(streamer.size),
                                      static_cast<uint64_t>(std::max<int64_t>(0, streamer.kept)),
                                      static_cast<double>(streamer.share) / PP_BLOCK_PAGES,
                                      static_cast<uint64_t>(std::max<int64_t>(0, streamer.tight)) /
                                          PP_BLOCK_PAGES});
    });
    std::sort(status.streams.begin(), status.streams.end(),
              [](const StreamStatus& a, const StreamStatus& b) { return a.cgroup_id < b.cgroup_id; });
    name_cgroups(status.streams);
}

/// Which files the ranges of a process are of; its mappings may have changed since.
void name_files(ProcessStatus& process) {
    std::ifstream maps("/proc/" + std::to_string(process.tgid) + "/maps");
    auto range = process.ranges.begin();
    for (std::string line; range != process.ranges.end() && std::getline(maps, line);) {
        uint64_t start = 0, end = 0;
        int path = 0;
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", &start, &end,
                        &path) != 2)
            continue;
        for (; range != process.ranges.end() && range->range.start < end; ++range)
            if (range->range.start >= start && path > 0)
                range->file = line.substr(static_cast<size_t>(path));
    }
}

template <typename Table>
ProcessStatus describe(uint64_t mm, const Table& table, uint32_t slots, int states) {
    const pp_table_head& head = table.head;
    ProcessStatus process{};
    process.mm = mm;
    process.tgid = head.tgid;
    process.uid = head.uid;
    process.comm.assign(head.comm, strnlen(head.comm, sizeof(head.comm)));
    process.subscribed = head.flags & PP_TABLE_SUBSCRIBED;
    process.subscribe_errors = head.subscribe_errors;
    process.attached = head.flags & PP_TABLE_ATTACHED;
    process.kept_pages = head.kept;
    const uint32_t half = head.seq & 1;
    for (uint32_t i = 0; i < std::min(head.nr[half], slots); ++i) {
        RangeStatus range{};
        range.range = table.ranges[half * slots + i];
        range.keep_pages = table.keep[half * slots + i];
        const pp_range_key key{mm, range.range.id, 0};
        pp_range_state state{};
        if (bpf_map_lookup_elem(states, &key, &state) == 0)
            std::copy(std::begin(state.stats), std::end(state.stats), range.stats);
        process.ranges.push_back(range);
    }
    name_files(process);
    return process;
}

/// The tables in force: a small one until it is grown, as the programs find them
/// (pp_table_of() in engine.bpf.h). Small ones are to be read first: a large one beside one
/// that is in force has yet to be filled.
template <typename Table>
void read_tables(Status& status, const char* name, uint32_t slots, int states) {
    std::set<uint64_t> have;
    for (const auto& process : status.processes)
        have.insert(process.mm);
    for_each_in<uint64_t, Table>(name, [&](uint64_t mm, const Table& table) {
        if (!(table.head.flags & PP_TABLE_GROWN) && !have.contains(mm))
            status.processes.push_back(describe(mm, table, slots, states));
    });
}

} // namespace

Result<Status> status() {
    Status now;
    now.module = module::present();
    if (now.module) {
        now.built_in = module::built_in();
        now.module_version = module::attribute("version");
        now.subscriptions = std::atoi(module::attribute("parameters/subscriptions").c_str());
    }
    now.loaded = access(PP_PIN_DOOR, F_OK) == 0;
    if (!now.loaded)
        return now;
    std::error_code error;
    std::filesystem::directory_iterator entries(PP_PIN_PRIVATE, error);
    if (error)
        return Error{error.value(), "reading " PP_PIN_PRIVATE, "only root may see everybody's ranges"};
    for (const auto& entry : entries)
        if (const auto name = entry.path().filename().string(); name.starts_with("link_"))
            now.programs.push_back(name.substr(5));
    std::sort(now.programs.begin(), now.programs.end());
    const Fd states(open_map("pp_range_states"));
    read_tables<pp_small_table>(now, "pp_small_tables", PP_SMALL_RANGES, states);
    read_tables<pp_large_table>(now, "pp_large_tables", PP_MAX_RANGES, states);
    read_totals(now);
    read_limits(now);
    read_users(now);
    read_streams(now);
    return now;
}

} // namespace pagepatrol
