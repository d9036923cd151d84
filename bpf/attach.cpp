// SPDX-License-Identifier: Apache-2.0
// Asks the engine's program for root to give a running process a table.
#include "loader.hpp"

#include <cerrno>
#include <fstream>

#include <bpf/bpf.h>
#include <unistd.h>

#include "maps.h"

namespace pagepatrol {

namespace {

std::string name_of(uint32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string comm;
    std::getline(file, comm);
    return std::to_string(pid) + (comm.empty() ? "" : " (" + comm + ")");
}

/// 0, or the errno of what went wrong.
Result<void> ask(pp_attach& context, const char* what) {
    const std::string doing = what + std::string(" ") + name_of(context.pid);
    const int program = bpf_obj_get(PP_PIN_ATTACH);
    if (program < 0)
        return Error{errno, doing,
                     errno == ENOENT ? "PagePatrol is not loaded: ppctl load" : "needs root"};
    context.error = -EIO;
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &context, .ctx_out = nullptr,
                .ctx_size_in = sizeof(context));
    const int err = bpf_prog_test_run_opts(program, &options);
    close(program);
    if (err)
        return Error{-err, doing, "needs root"};
    if (!context.error)
        return {};
    const int code = static_cast<int>(-context.error);
    const char* hint =
        code == EBUSY    ? "it has a table of its own (the shim's); --force replaces it"
        : code == ESTALE ? "it has executed another program meanwhile; try again"
        : code == EINVAL ? "a kernel thread has no files mapped"
        : code == EDQUOT
            ? "its user has too many processes with ranges; ppctl load --max-processes-per-user"
        : code == EAGAIN ? "it is replacing its table itself; try again"
        : code == ENOENT ? "no table was attached to it"
        : code == ESRCH  ? "no process or thread has this number"
                         : "";
    return Error{code, doing, hint};
}

pp_attach context_for(uint32_t pid, uint32_t op) {
    pp_attach context{};
    context.request.version = PP_ABI_VERSION;
    context.request.op = PP_OP_SET;
    context.pid = pid;
    context.op = op;
    return context;
}

} // namespace

Result<uint64_t> address_space_of(uint32_t pid) {
    pp_attach context = context_for(pid, PP_ATTACH_LOOK);
    if (auto done = ask(context, "looking at process"); !done)
        return done.error();
    return static_cast<uint64_t>(context.mm);
}

Result<Granted> attach(uint32_t pid, uint64_t address_space, const std::vector<pp_range>& ranges,
                       uint32_t budget, bool force) {
    pp_attach context = context_for(pid, PP_ATTACH_SET);
    context.mm = address_space;
    context.flags = force ? PP_ATTACH_FORCE : 0;
    context.request.ranges = reinterpret_cast<uintptr_t>(ranges.data());
    context.request.nr_ranges = static_cast<uint32_t>(ranges.size());
    context.request.budget = budget;
    if (auto done = ask(context, "attaching to process"); !done)
        return done.error();
    return Granted{context.request.asked, context.request.granted, context.request.limited_by};
}

Result<void> detach(uint32_t pid, bool force) {
    pp_attach context = context_for(pid, PP_ATTACH_END);
    context.flags = force ? PP_ATTACH_FORCE : 0;
    return ask(context, "detaching from process");
}

} // namespace pagepatrol
