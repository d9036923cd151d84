// SPDX-License-Identifier: Apache-2.0
// Inserting and removing the kernel module.
#pragma once

#include <string>

#include <pagepatrol/result.hpp>

namespace pagepatrol::module {

/// Module or built in.
bool present();
/// The kernel that runs was built with it: nothing to insert, nothing to remove.
bool built_in();
/// It is a module, and there.
bool inserted();
/// A file of /sys/module/pagepatrol, without the line end; empty if not there.
std::string attribute(const std::string& name);
/// From @path, or by modprobe if it is empty. True: it was inserted now. EEXIST: @path for a
/// kernel that has it built in.
Result<bool> insert(const std::string& path);
Result<void> remove();

} // namespace pagepatrol::module
