// SPDX-License-Identifier: Apache-2.0
// What a process can do at the door: open it, upload a table, upload nonsense. Raw
// bpf(2), as the shim does it, and nothing of the shim's own.
#pragma once

#include <cstdint>
#include <vector>

#include <pagepatrol/abi.h>

namespace pagepatrol::test {

constexpr uint64_t page = 4096;
/// Where ranges go that need no mapping behind them.
constexpr uint64_t nowhere = 0x2000'0000'0000;
/// struct pp_request.result before the program has set it
constexpr int64_t no_answer = 1;

/// End of the user address space: one page short of 2^47, or of 2^56 with 5-level paging.
uint64_t top();

/// A descriptor of the door, or a negative errno.
int open_door();
/// The door as this process has it: opened at first use, then kept.
int door();
void close_door();

/// A range that the file backs all of, of a rule without a budget, with the kernel's read-ahead.
constexpr pp_range make_range(uint64_t start, uint64_t end, uint32_t id, uint8_t action,
                              uint8_t flags = 0, uint16_t rule = 1) {
    pp_range range{};
    range.start = start;
    range.end = end;
    range.id = id;
    range.pages = static_cast<uint32_t>((end - start) / page);
    range.rule = rule;
    range.read_ahead = PP_READ_AHEAD_DEFAULT;
    range.action = action;
    range.flags = flags;
    return range;
}

/// A request to replace the table, in which nothing is wrong.
pp_request request_for(const pp_range* ranges, uint32_t nr);
/// A request to act once on a part of the address space.
pp_request request_to_act(uint32_t action, uint64_t start, uint64_t end);
/// Runs the program with `size` bytes at `context`: 0 or a negative errno.
int run_door(int fd, void* context, uint32_t size);
/// The request's result, or what bpf(2) said if it came to none.
int64_t ask(pp_request& request);

/// Uploads the table; [start, end) is what changes.
int64_t upload(const pp_range* ranges, uint32_t nr, uint64_t start = 0, uint64_t end = 0);
int64_t upload(const std::vector<pp_range>& ranges);
/// Uploads one range that is wholly acted on.
int64_t upload_one(uint64_t start, uint64_t length, uint8_t action, uint8_t flags = 0,
                   uint32_t id = 1);

/// Acts once.
int64_t act(uint32_t action, uint64_t start, uint64_t end);

/// nr ranges of one page, each followed by a page that is in none.
std::vector<pp_range> row(uint32_t nr, uint8_t action = PP_ACTION_STREAM, uint16_t rule = 1);
/// Uploads row() of these.
int64_t upload_row(uint32_t nr, uint8_t action = PP_ACTION_STREAM, uint16_t rule = 1);

} // namespace pagepatrol::test
