// SPDX-License-Identifier: Apache-2.0
// Brings the kernel side into force and takes it out again.
//
// Everything is pinned, so no process has to stay: the door (which anybody may
// run) at PP_PIN_DOOR, maps and links in the private folder. Unloading is
// removing the pins; what the kernel then frees by itself is what it did.
#include "loader.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/mount.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/types.h>

#include "maps.h" // before the skeletons, which name its types

#include "door.skel.h"
#include "engine.skel.h"
#include "features.hpp"
#include "module.hpp"

namespace pagepatrol {

namespace fs = std::filesystem;

namespace {

const fs::path pin_dir = PP_PIN_DIR;
const fs::path pin_private = PP_PIN_PRIVATE;

// What libbpf says goes into the error of the step that failed.
thread_local std::string libbpf_log;

// Of a long message (the verifier's) the end says what was wrong.
constexpr std::size_t kept_of_message = 4096;

int keep_log(libbpf_print_level level, const char* format, va_list args) {
    if (level == LIBBPF_DEBUG)
        return 0;
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length <= 0 || libbpf_log.size() >= 4 * kept_of_message)
        return 0;
    std::string message(static_cast<std::size_t>(length) + 1, '\0');
    vsnprintf(message.data(), message.size(), format, args);
    message.pop_back();
    if (message.size() > 2 * kept_of_message)
        message.replace(kept_of_message / 4, message.size() - kept_of_message * 5 / 4, "\n[...]\n");
    libbpf_log += message;
    return 0;
}

Error bpf_error(const std::string& what, int err = errno) {
    Error error{err < 0 ? -err : err, what, ""};
    if (error.code == EPERM)
        error.hint = "needs root (CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN)";
    if (!libbpf_log.empty())
        error.what += "\n" + libbpf_log;
    return error;
}

template <typename Skeleton, void (*Destroy)(Skeleton*)> struct Deleter {
    void operator()(Skeleton* skeleton) const { Destroy(skeleton); }
};
using Door = std::unique_ptr<door, Deleter<door, door::destroy>>;
using Engine = std::unique_ptr<engine, Deleter<engine, engine::destroy>>;

/// One load or unload at a time; held until the end of the scope.
class Lock {
  public:
    Lock() : fd_(open("/run/pagepatrol.lock", O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600)) {
        if (fd_ >= 0)
            flock(fd_, LOCK_EX);
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
        if (fd_ >= 0)
            close(fd_);
    }

  private:
    int fd_;
};

bool mounted() {
    struct statfs info {};
    return statfs(pin_dir.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

/// A bpffs of our own below a folder that only root can write to.
Result<void> mount_bpffs() {
    struct stat info {};
    if (mkdir(pin_dir.c_str(), 0755) != 0 && errno != EEXIST)
        return Error{errno, "making " + pin_dir.string(), "needs root"};
    if (lstat(pin_dir.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != 0)
        return Error{EPERM, pin_dir.string() + " is not a folder of root's", "remove it"};
    if (mount("pagepatrol", pin_dir.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0711") != 0)
        return Error{errno, "mounting a bpffs on " + pin_dir.string(), "needs root"};
    if (mkdir(pin_private.c_str(), 0700) != 0)
        return Error{errno, "making " + pin_private.string(), ""};
    return {};
}

/// Removes every pin, links first, so that nothing is answered from maps half gone, and of
/// these the writer's before all: no table comes that nobody would remove. Links and programs
/// go with their last pin.
void remove_pins() {
    std::error_code ignored;
    if (!mounted())
        return;
    fs::remove(pin_private / "link_handle", ignored);
    for (const auto& entry : fs::directory_iterator(pin_private, ignored))
        if (entry.path().filename().string().starts_with("link_"))
            fs::remove(entry.path(), ignored);
    fs::remove_all(pin_private, ignored);
    fs::remove(PP_PIN_DOOR, ignored);
    while (mounted() && umount2(pin_dir.c_str(), MNT_DETACH) == 0)
        ;
    fs::remove(pin_dir, ignored);
}

void set_parameters(engine* programs, const LoadOptions& options) {
    auto* parameters = programs->rodata;
    if (options.tables_per_user)
        parameters->cfg_max_tables_per_user = *options.tables_per_user;
    if (options.kept_pages_per_user)
        parameters->cfg_max_kept_pages_per_user = *options.kept_pages_per_user;
    if (options.keep_percent)
        parameters->cfg_keep_percent = *options.keep_percent;
    if (options.margin_pages)
        parameters->cfg_margin_pages = *options.margin_pages;
    if (options.lag_pages)
        parameters->cfg_lag_pages = *options.lag_pages;
    if (options.share_pages)
        parameters->cfg_share_pages = *options.share_pages;
    if (options.valve_questions)
        parameters->cfg_valve_questions = *options.valve_questions;
    if (options.valve_sweeps_activate)
        parameters->cfg_valve_sweeps_activate = *options.valve_sweeps_activate;
    if (options.valve_sweeps_pin)
        parameters->cfg_valve_sweeps_pin = *options.valve_sweeps_pin;
}

Result<Door> load_door() {
    Door loaded(door::open_and_load());
    if (!loaded)
        return bpf_error("loading the upload program");
    return loaded;
}

Result<Engine> load_engine(int door_fd, const LoadOptions& options) {
    Engine programs(engine::open());
    if (!programs)
        return bpf_error("opening the BPF programs");
    set_parameters(programs.get(), options);
    if (int err = bpf_program__set_attach_target(programs->progs.handle, door_fd, "pp_handle"))
        return bpf_error("targeting the upload program", err);
    if (int err = engine::load(programs.get()))
        return bpf_error("loading the BPF programs", err);
    return programs;
}

Result<void> pin_link(bpf_program* program, bpf_link* link) {
    const std::string name = bpf_program__name(program);
    if (!link)
        return bpf_error("attaching the BPF program " + name);
    const int err = bpf_link__pin(link, (pin_private / ("link_" + name)).c_str());
    bpf_link__destroy(link); // closes it; the pin holds the link from here on
    if (err)
        return bpf_error("pinning the link of " + name, err);
    return {};
}

Result<void> note_limits(engine* programs) {
    const auto* parameters = programs->rodata;
    pp_limits limits{};
    limits.max_kept_per_user = parameters->cfg_max_kept_pages_per_user;
    limits.max_processes_per_user = parameters->cfg_max_tables_per_user;
    limits.keep_percent = parameters->cfg_keep_percent;
    limits.margin_pages = parameters->cfg_margin_pages;
    limits.lag_pages = parameters->cfg_lag_pages;
    const uint32_t key = 0;
    if (bpf_map_update_elem(bpf_map__fd(programs->maps.pp_limits), &key, &limits, BPF_ANY) != 0)
        return bpf_error("noting the limits");
    return {};
}

Result<void> pin_engine(engine* programs) {
    bpf_map* map;
    bpf_object__for_each_map(map, programs->obj) {
        const std::string name = bpf_map__name(map);
        if (!name.starts_with("pp_"))
            continue; // .rodata and .bss
        if (int err = bpf_map__pin(map, (pin_private / name).c_str()))
            return bpf_error("pinning the map " + name, err);
    }
    if (auto done = note_limits(programs); !done)
        return done;
    // Readers first, the writers last: nothing is pushed before all is in place.
    bpf_program* program;
    bpf_object__for_each_program(program, programs->obj) {
        if (program == programs->progs.handle || program == programs->progs.attach)
            continue;
        if (auto done = pin_link(program, bpf_program__attach(program)); !done)
            return done;
    }
    if (auto done = pin_link(programs->progs.handle,
                             bpf_program__attach_freplace(programs->progs.handle, 0, nullptr));
        !done)
        return done;
    if (int err = bpf_program__pin(programs->progs.attach, PP_PIN_ATTACH))
        return bpf_error("pinning the program for running processes", err);
    return {};
}

Result<void> pin_door(door* loaded) {
    if (int err = bpf_program__pin(loaded->progs.upload, PP_PIN_DOOR))
        return bpf_error("pinning the upload program", err);
    if (chmod(PP_PIN_DOOR, 0444) != 0)
        return Error{errno, "chmod of " PP_PIN_DOOR, ""};
    return {};
}

Result<void> load_programs(const LoadOptions& options) {
    auto door_program = load_door();
    if (!door_program)
        return door_program.error();
    auto programs = load_engine(bpf_program__fd((*door_program)->progs.upload), options);
    if (!programs)
        return programs.error();
    if (auto done = pin_engine(programs->get()); !done)
        return done;
    return pin_door(door_program->get());
}

} // namespace

Result<void> load(const LoadOptions& options) {
    libbpf_set_print(keep_log);
    libbpf_log.clear();
    const Lock lock;
    if (fs::exists(PP_PIN_DOOR))
        return Error{EEXIST, "PagePatrol is loaded already", "ppctl unload first"};
    if (geteuid() != 0)
        return Error{EPERM, "loading PagePatrol", "needs root"};
    remove_pins(); // what an interrupted load left
    if (auto able = require_kernel_features(); !able)
        return able.error();
    auto inserted = module::insert(options.module_path);
    if (!inserted)
        return inserted.error();
    auto done = mount_bpffs();
    if (done)
        done = load_programs(options);
    if (!done) {
        remove_pins();
        if (*inserted)
            (void)bool(module::remove());
    }
    return done;
}

Result<void> unload() {
    if (!mounted() && !module::inserted())
        return Error{ENOENT, "PagePatrol is not loaded", ""};
    if (geteuid() != 0)
        return Error{EPERM, "unloading PagePatrol", "needs root"};
    const Lock lock;
    remove_pins();
    return module::inserted() ? module::remove() : Result<void>();
}

} // namespace pagepatrol
