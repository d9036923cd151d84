// SPDX-License-Identifier: Apache-2.0
// See door.hpp.
#include "door.hpp"

#include <cerrno>
#include <fstream>
#include <string>

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pagepatrol::test {

namespace {

int own_door = -1;

} // namespace

uint64_t top() {
    static const uint64_t end = [] {
        std::ifstream cpu("/proc/cpuinfo");
        for (std::string word; cpu >> word;)
            if (word == "la57")
                return (1ull << 56) - page;
        return (1ull << 47) - page;
    }();
    return end;
}

int open_door() {
    bpf_attr attr{};
    attr.pathname = reinterpret_cast<uint64_t>(PP_PIN_DOOR);
    attr.file_flags = BPF_F_RDONLY;
    const long fd = syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
    return fd < 0 ? -errno : static_cast<int>(fd);
}

int door() {
    if (own_door < 0)
        own_door = open_door();
    return own_door;
}

void close_door() {
    if (own_door >= 0)
        close(own_door);
    own_door = -1;
}

pp_request request_for(const pp_range* ranges, uint32_t nr) {
    pp_request request{};
    request.version = PP_ABI_VERSION;
    request.op = PP_OP_SET;
    request.ranges = reinterpret_cast<uint64_t>(ranges);
    request.nr_ranges = nr;
    request.result = no_answer;
    return request;
}

pp_request request_to_act(uint32_t action, uint64_t start, uint64_t end) {
    pp_request request = request_for(nullptr, 0);
    request.op = PP_OP_ACT;
    request.action = action;
    request.start = start;
    request.end = end;
    return request;
}

int run_door(int fd, void* context, uint32_t size) {
    bpf_attr attr{};
    attr.test.prog_fd = static_cast<uint32_t>(fd);
    attr.test.ctx_in = reinterpret_cast<uint64_t>(context);
    attr.test.ctx_size_in = size;
    return syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) == 0 ? 0 : -errno;
}

int64_t ask(pp_request& request) {
    const int fd = door();
    if (fd < 0)
        return fd;
    request.result = no_answer;
    const int err = run_door(fd, &request, sizeof(request));
    return err ? err : request.result;
}

int64_t upload(const pp_range* ranges, uint32_t nr, uint64_t start, uint64_t end) {
    pp_request request = request_for(ranges, nr);
    request.start = start;
    request.end = end;
    return ask(request);
}

int64_t upload(const std::vector<pp_range>& ranges) {
    return upload(ranges.data(), static_cast<uint32_t>(ranges.size()));
}

int64_t upload_one(uint64_t start, uint64_t length, uint8_t action, uint8_t flags, uint32_t id) {
    const pp_range range = make_range(start, start + length, id, action, flags);
    return upload(&range, 1, range.start, range.end);
}

int64_t act(uint32_t action, uint64_t start, uint64_t end) {
    pp_request request = request_to_act(action, start, end);
    return ask(request);
}

std::vector<pp_range> row(uint32_t nr, uint8_t action, uint16_t rule) {
    std::vector<pp_range> ranges;
    for (uint32_t i = 0; i < nr; ++i) {
        const uint64_t start = nowhere + 2 * i * page;
        ranges.push_back(make_range(start, start + page, i + 1, action, 0, rule));
    }
    return ranges;
}

int64_t upload_row(uint32_t nr, uint8_t action, uint16_t rule) {
    return upload(row(nr, action, rule));
}

} // namespace pagepatrol::test
