// SPDX-License-Identifier: Apache-2.0
// What can't be done: with the door by an unprivileged user, and with the kfuncs by a BPF
// program that is not where they are safe.
#include "child.hpp"
#include "door.hpp"
#include "kernel_side.hpp"

#include <cstdarg>
#include <memory>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kfuncs_probe.skel.h"

namespace pagepatrol::test {
namespace {

int64_t bpf(int command, bpf_attr& attr) {
    const long result = syscall(SYS_bpf, command, &attr, sizeof(attr));
    return result < 0 ? -errno : result;
}

uint64_t pointer(const void* p) {
    return reinterpret_cast<uint64_t>(p);
}

struct Attempt {
    const char* name;
    int64_t (*make)(int door); ///< 0 or more: it worked
};

const Attempt attempts[] = {
    {"open_for_writing", [](int) -> int64_t { return bpf_obj_get(PP_PIN_DOOR); }},
    {"raw_tracepoint_open",
     [](int door) {
         bpf_attr attr{};
         attr.raw_tracepoint.name = pointer("sched_switch");
         attr.raw_tracepoint.prog_fd = uint32_t(door);
         return bpf(BPF_RAW_TRACEPOINT_OPEN, attr);
     }},
    {"link_create_raw_tp",
     [](int door) {
         bpf_attr attr{};
         attr.link_create.prog_fd = uint32_t(door);
         attr.link_create.attach_type = BPF_TRACE_RAW_TP;
         return bpf(BPF_LINK_CREATE, attr);
     }},
    {"link_create_fentry",
     [](int door) {
         bpf_attr attr{};
         attr.link_create.prog_fd = uint32_t(door);
         attr.link_create.attach_type = BPF_TRACE_FENTRY;
         return bpf(BPF_LINK_CREATE, attr);
     }},
    {"prog_attach",
     [](int door) {
         bpf_attr attr{};
         attr.target_fd = uint32_t(open("/sys/fs/cgroup", O_RDONLY | O_CLOEXEC));
         attr.attach_bpf_fd = uint32_t(door);
         attr.attach_type = BPF_CGROUP_INET_EGRESS;
         return bpf(BPF_PROG_ATTACH, attr);
     }},
    {"run_on_another_cpu",
     [](int door) {
         pp_request request = request_for(nullptr, 0);
         bpf_attr attr{};
         attr.test.prog_fd = uint32_t(door);
         attr.test.ctx_in = pointer(&request);
         attr.test.ctx_size_in = sizeof(request);
         attr.test.flags = BPF_F_TEST_RUN_ON_CPU;
         attr.test.cpu = 1;
         return bpf(BPF_PROG_TEST_RUN, attr);
     }},
    {"run_repeatedly",
     [](int door) {
         pp_request request = request_for(nullptr, 0);
         bpf_attr attr{};
         attr.test.prog_fd = uint32_t(door);
         attr.test.ctx_in = pointer(&request);
         attr.test.ctx_size_in = sizeof(request);
         attr.test.repeat = 1000;
         return bpf(BPF_PROG_TEST_RUN, attr);
     }},
    {"pin_beside_the_door",
     [](int door) -> int64_t { return bpf_obj_pin(door, PP_PIN_DIR "/another"); }},
    {"pin_in_private",
     [](int door) -> int64_t { return bpf_obj_pin(door, PP_PIN_PRIVATE "/another"); }},
    {"remove_the_door", [](int) -> int64_t { return unlink(PP_PIN_DOOR) ? -errno : 0; }},
    {"make_the_door_writable",
     [](int) -> int64_t { return chmod(PP_PIN_DOOR, 0666) ? -errno : 0; }},
    {"open_private", [](int) -> int64_t { return open(PP_PIN_PRIVATE, O_RDONLY | O_CLOEXEC); }},
    {"attach_to_another",
     [](int) -> int64_t {
         const auto done = attach(1, 0, {}, 0, true);
         return done ? 0 : -done.error().code;
     }},
    {"program_by_id",
     [](int) -> int64_t {
         for (uint32_t id = 1; id < 1000; ++id)
             if (bpf_prog_get_fd_by_id(id) >= 0)
                 return id;
         return -errno;
     }},
    {"map_by_id",
     [](int) -> int64_t {
         for (uint32_t id = 1; id < 1000; ++id)
             if (bpf_map_get_fd_by_id(id) >= 0)
                 return id;
         return -errno;
     }},
    {"link_by_id",
     [](int) -> int64_t {
         for (uint32_t id = 1; id < 1000; ++id)
             if (bpf_link_get_fd_by_id(id) >= 0)
                 return id;
         return -errno;
     }},
    {"load_a_program",
     [](int) {
         const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                                  {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
         bpf_attr attr{};
         attr.prog_type = BPF_PROG_TYPE_SYSCALL;
         attr.insns = pointer(code);
         attr.insn_cnt = 2;
         attr.license = pointer("GPL");
         attr.prog_flags = BPF_F_SLEEPABLE;
         return bpf(BPF_PROG_LOAD, attr);
     }},
};

void PrintTo(const Attempt& attempt, std::ostream* out) {
    *out << attempt.name;
}

class Door : public Loaded, public testing::WithParamInterface<Attempt> {};

int64_t own_users() {
    return unshare(CLONE_NEWUSER) ? -errno : 0;
}

TEST_P(Door, IsOfNoUseFor) {
    const Attempt* attempt = &GetParam();
    Child plain(nobody), contained(nobody);
    // has every capability, in a world of its own
    ASSERT_EQ(contained.run(own_users), 0);
    for (Child* child : {&plain, &contained}) {
        EXPECT_LT(child->run([=] { return attempt->make(door()); }), 0)
            << (child == &plain ? "unprivileged" : "as root of a user namespace");
        EXPECT_EQ(child->run([] { return upload_row(1); }), 0) << "which is what it is for";
        EXPECT_EQ(child->run([] { return upload_row(0); }), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Attempts, Door, testing::ValuesIn(attempts),
                         [](const auto& info) { return std::string(info.param.name); });

class Information : public Loaded {};

TEST_F(Information, AboutTheDoorNamesNoMapAndNoCode) {
    Child child(nobody);
    EXPECT_EQ(child.run([] {
        bpf_prog_info info{};
        uint32_t size = sizeof(info);
        static uint32_t maps[8];
        static char code[65536];
        info.map_ids = pointer(maps);
        info.nr_map_ids = 8;
        info.xlated_prog_insns = pointer(code);
        info.xlated_prog_len = sizeof(code);
        if (int err = bpf_obj_get_info_by_fd(door(), &info, &size))
            return int64_t(err);
        return int64_t(info.nr_map_ids + info.xlated_prog_len + info.jited_prog_len);
    }),
              0);
}

std::string verifier_log;

int keep_log(libbpf_print_level, const char* format, va_list arguments) {
    char line[4096];
    vsnprintf(line, sizeof(line), format, arguments);
    verifier_log += line;
    return 0;
}

class Kfuncs : public Loaded {
  protected:
    using Probe = std::unique_ptr<kfuncs_probe, void (*)(kfuncs_probe*)>;

    static Probe open() { return {kfuncs_probe::open(), kfuncs_probe::destroy}; }

    /// Loads that program alone, as an extension of `target` if that is given: 0 or a
    /// negative errno. The probe keeps it.
    static int load_only(const Probe& probe, const char* wanted, int target = -1) {
        verifier_log.clear();
        bpf_program* program;
        bpf_object__for_each_program(program, probe->obj) {
            const bool is_it = std::string(wanted) == bpf_program__name(program);
            bpf_program__set_autoload(program, is_it);
            if (is_it && target >= 0)
                bpf_program__set_attach_target(program, target, "replaceable");
        }
        return kfuncs_probe::load(probe.get());
    }
    static int load_only(const char* wanted, int target = -1) {
        return load_only(open(), wanted, target);
    }

    static void expect_refused(const char* name, int err) {
        EXPECT_EQ(err, -EACCES) << name << "\n" << verifier_log;
        EXPECT_NE(verifier_log.find("is not allowed"), std::string::npos) << name << "\n"
                                                                          << verifier_log;
    }

    void SetUp() override {
        Loaded::SetUp();
        libbpf_set_print(keep_log);
    }
};

TEST_F(Kfuncs, AreForTheFaultAndTheDoorOnly) {
    for (const char* name :
         {"success_fault_entry", "success_fault_exit", "success_page_added", "success_returning",
          "success_syscall", "success_others"})
        EXPECT_EQ(load_only(name), 0) << name << "\n" << verifier_log;
    for (const char* name :
         {"failure_sched_switch", "failure_on_return", "failure_page_added", "failure_page_used",
          "failure_exit_mmap", "failure_iterator", "failure_kprobe", "failure_packet", "failure_tracepoint",
          "failure_others_fault"})
        expect_refused(name, load_only(name));
}

TEST_F(Kfuncs, AreForExtensionsOfWhatMayCallThem) {
    const Probe good = open(), bad = open();
    ASSERT_EQ(load_only(good, "success_target"), 0) << verifier_log;
    ASSERT_EQ(load_only(bad, "success_bad_target"), 0) << verifier_log;
    const int target = bpf_program__fd(good->progs.success_target);
    const int bad_target = bpf_program__fd(bad->progs.success_bad_target);
    EXPECT_EQ(load_only("success_extension", target), 0) << verifier_log;
    expect_refused("failure_others_extension", load_only("failure_others_extension", target));
    expect_refused("failure_extension", load_only("failure_extension", bad_target));
}

} // namespace
} // namespace pagepatrol::test
