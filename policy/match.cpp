// SPDX-License-Identifier: Apache-2.0
//
// Asks a policy about one file. Runs inside other people's mmap(): must not
// allocate, lock or touch errno.
#include "policy.hpp"

#include <algorithm>

namespace pagepatrol {
namespace {

constexpr std::uint64_t whole = 10000; // shares are in 1/10000

bool any(const std::vector<Glob>& globs, std::string_view path, std::uint32_t& steps) noexcept {
    for (const Glob& glob : globs)
        if (glob.matches(path, steps))
            return true;
    return false;
}

std::uint64_t share_of(std::uint64_t size, std::uint64_t share) noexcept {
    return size / whole * share + size % whole * share / whole;
}

// The parts of the file that no rule has yet: the gaps between sorted segments.
class Split {
  public:
    explicit Split(Segment (&out)[max_segments]) noexcept : out_(out) {}
    std::size_t count() const noexcept { return count_; }
    bool full() const noexcept {
        return count_ == max_segments ||
               (count_ == 1 && out_[0].start == 0 && out_[0].end == UINT64_MAX);
    }
    void add(const Rule& rule, std::uint64_t start, std::uint64_t end) noexcept {
        for (std::size_t i = 0; i <= count_ && start < end; ++i) {
            const std::uint64_t gap_end = i < count_ ? out_[i].start : UINT64_MAX;
            const std::uint64_t to = std::min(end, gap_end);
            if (start < to) {
                if (count_ == max_segments)
                    return;
                std::move_backward(out_ + i, out_ + count_, out_ + count_ + 1);
                out_[i++] = {&rule, start, to};
                ++count_;
            }
            if (i < count_)
                start = std::max(start, out_[i].end);
        }
    }

  private:
    Segment (&out_)[max_segments];
    std::size_t count_ = 0;
};

bool matches(const Rule& rule, const MappedFile& file, std::uint32_t& steps) noexcept {
    if (file.size < rule.min_size || file.size > rule.max_size)
        return false;
    if ((file.prot & rule.prot_with) != rule.prot_with || (file.prot & rule.prot_without))
        return false;
    if (rule.shared && *rule.shared != file.shared)
        return false;
    if (file.filesystem != 0 && !rule.filesystems.empty() &&
        std::find(rule.filesystems.begin(), rule.filesystems.end(), file.filesystem) ==
            rule.filesystems.end())
        return false;
    return any(rule.path, file.path, steps) && !any(rule.exclude, file.path, steps);
}

} // namespace

bool matches(const Rule& rule, const MappedFile& file) noexcept {
    std::uint32_t steps = Glob::max_steps;
    return matches(rule, file, steps);
}

bool part_of(const Rule& rule, std::uint64_t size, std::uint64_t& start,
             std::uint64_t& end) noexcept {
    const auto place = [size](const Place& p) noexcept -> std::uint64_t {
        const bool from_end = p.share != 0 ? p.share < 0 : p.bytes < 0;
        const std::uint64_t amount =
            p.share != 0
                ? share_of(size, static_cast<std::uint64_t>(p.share < 0 ? -p.share : p.share))
                : (p.bytes < 0 ? -static_cast<std::uint64_t>(p.bytes)
                               : static_cast<std::uint64_t>(p.bytes));
        return !from_end ? amount : amount >= size ? 0 : size - amount;
    };
    start = place(rule.offset);
    end = UINT64_MAX;
    if (rule.length) {
        const std::uint64_t length = place(*rule.length);
        end = start + length < start ? UINT64_MAX : start + length;
    }
    return start < end;
}

std::size_t match(const Policy& policy, const MappedFile& file,
                  Segment (&out)[max_segments], bool* too_slow) noexcept {
    std::uint32_t steps = Glob::max_steps; // for all rules
    Split split(out);
    for (const Rule& rule : policy.rules) {
        std::uint64_t start, end;
        if (!split.full() && matches(rule, file, steps) && part_of(rule, file.size, start, end))
            split.add(rule, start, end);
    }
    if (too_slow)
        *too_slow = steps == 0;
    return steps == 0 ? 0 : split.count();
}

bool is_for(const Policy& policy, std::string_view program_path, const char* const* arguments,
            std::size_t count) noexcept {
    const App& app = policy.app;
    std::uint32_t steps = Glob::max_steps;
    const std::string_view name = program_path.substr(program_path.rfind('/') + 1);
    if (!(app.program.empty() && app.name.empty()) && !any(app.program, program_path, steps) &&
        !any(app.name, name, steps))
        return false;
    for (const Glob& glob : app.arguments) {
        bool found = false;
        for (std::size_t i = 0; i < count && !found; ++i)
            found = arguments[i] && glob.matches(arguments[i], steps);
        if (!found)
            return false;
    }
    return true;
}

} // namespace pagepatrol
