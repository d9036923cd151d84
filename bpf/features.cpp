// SPDX-License-Identifier: Apache-2.0
// Looks in the kernel's own BTF for what older kernels lack; versions are named, never
// compared. Only what would otherwise fail with a message that says nothing: a module
// that can't be built or inserted, a program that the verifier refuses.
#include "features.hpp"

#include <cerrno>
#include <memory>
#include <string>

#include <bpf/btf.h>

namespace pagepatrol {

namespace {

struct Feature {
    const char* function; ///< in the BTF of a kernel that has the feature
    const char* meaning;
    const char* since;
};

constexpr Feature features[] = {
    {"bpf_rcu_read_lock", "a program that everybody may run must hold RCU for the engine", "6.2"},
    {"register_btf_fmodret_id_set", "a BPF program must answer for a module's function", "6.2"},
};

} // namespace

Result<void> require_kernel_features() {
    const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__load_vmlinux_btf(), btf__free);
    if (!kernel)
        return Error{EOPNOTSUPP, "this kernel does not describe its types (BTF)",
                     "it needs CONFIG_DEBUG_INFO_BTF; Debian's kernels have it"};
    return require_kernel_features(*kernel);
}

Result<void> require_kernel_features(const btf& kernel) {
    std::string missing;
    for (const Feature& feature : features)
        if (btf__find_by_name_kind(&kernel, feature.function, BTF_KIND_FUNC) < 0)
            missing += std::string(missing.empty() ? "" : "; ") + feature.function + "(), Linux " +
                       feature.since + ": " + feature.meaning;
    if (missing.empty())
        return {};
    return Error{EOPNOTSUPP, "this kernel lacks " + missing,
                 "PagePatrol needs Linux 6.9 or newer: docs/kernels.md"};
}

} // namespace pagepatrol
