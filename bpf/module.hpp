// SPDX-License-Identifier: Apache-2.0
// Inserting and removing the kernel module.
#pragma once

#include <string>

#include <pagepatrol/result.hpp>

namespace pagepatrol::module {

bool present();
/// A file of /sys/module/pagepatrol, without the line end; empty if not there.
std::string attribute(const std::string& name);
/// From @path, or by modprobe if it is empty. True: it was inserted now.
Result<bool> insert(const std::string& path);
Result<void> remove();

} // namespace pagepatrol::module
