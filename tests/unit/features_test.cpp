// SPDX-License-Identifier: Apache-2.0
// What ppctl load says of a kernel that is too old, by the BTF of one that never was.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include <bpf/btf.h>

#include "features.hpp"

namespace pagepatrol {
namespace {

using Btf = std::unique_ptr<btf, decltype(&btf__free)>;

/// A kernel with these functions, all of the type void(void).
Btf kernel_with(std::initializer_list<const char*> functions) {
    Btf kernel(btf__new_empty(), btf__free);
    const int type = btf__add_func_proto(kernel.get(), 0);
    for (const char* name : functions)
        EXPECT_GT(btf__add_func(kernel.get(), name, BTF_FUNC_GLOBAL, type), 0);
    return kernel;
}

TEST(KernelFeatures, AllThereIsNoError) {
    const Btf kernel = kernel_with({"bpf_rcu_read_lock", "register_btf_fmodret_id_set"});
    EXPECT_TRUE(require_kernel_features(*kernel));
}

/// As Debian 12's 6.1.
TEST(KernelFeatures, WhatIsMissingAndTheOldestKernelThatDoesAreNamed) {
    const Btf kernel = kernel_with({"filemap_fault"});
    const auto able = require_kernel_features(*kernel);
    ASSERT_FALSE(able);
    EXPECT_EQ(able.error().code, EOPNOTSUPP);
    for (const char* part :
         {"bpf_rcu_read_lock(), Linux 6.2", "register_btf_fmodret_id_set(), Linux 6.2",
          "HINT: PagePatrol needs Linux 6.9 or newer"})
        EXPECT_NE(able.error().text().find(part), std::string::npos) << able.error().text();
}

TEST(KernelFeatures, OnlyWhatIsMissingIsNamed) {
    const Btf kernel = kernel_with({"bpf_rcu_read_lock"});
    const auto able = require_kernel_features(*kernel);
    ASSERT_FALSE(able);
    EXPECT_EQ(able.error().what.find("bpf_rcu_read_lock"), std::string::npos);
}

} // namespace
} // namespace pagepatrol
