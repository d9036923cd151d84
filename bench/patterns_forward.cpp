// SPDX-License-Identifier: Apache-2.0
//
// Patterns that move forward through a file: sequential with gaps, cyclic
// bursts, loop.
#include <algorithm>

#include "patterns.hpp"

namespace pagepatrol::bench {

static constexpr std::int64_t max_pages = std::int64_t{1} << 40;
static constexpr std::int64_t max_count = 1'000'000'000;

Body make_sequential(Section& section) {
    const std::size_t file_index = section.file("file");
    const auto run_length = static_cast<std::uint64_t>(section.integer("run", 1, max_pages));
    const auto gap = static_cast<std::uint64_t>(section.integer("gap", 0, max_pages));
    const std::int64_t passes = section.integer("passes", 1, max_count, 1);
    return [=](Run& run) {
        const MappedFile& file = run.files[file_index];
        for (std::int64_t pass = 0; pass < passes; pass++) {
            run.recorder.begin_pass();
            for (std::uint64_t start = 0; start < file.pages(); start += run_length + gap) {
                const std::uint64_t end = std::min(start + run_length, file.pages());
                for (std::uint64_t page = start; page < end; page++)
                    run.recorder.touch(file.page(page));
            }
            run.recorder.end_pass();
        }
    };
}

Body make_cyclic_burst(Section& section) {
    const std::size_t file_index = section.file("file");
    const auto window = static_cast<std::uint64_t>(section.integer("window", 1, max_pages));
    const auto stride = static_cast<std::uint64_t>(section.integer("stride", 1, max_pages));
    const auto bursts = static_cast<std::uint64_t>(section.integer("bursts", 1, max_count));
    const std::int64_t repeats = section.integer("repeats", 1, max_count, 1);
    return [=](Run& run) {
        const MappedFile& file = run.files[file_index];
        run.recorder.begin_pass();
        for (std::uint64_t burst = 0; burst < bursts; burst++) {
            const std::uint64_t start = (burst * (stride % file.pages())) % file.pages();
            for (std::int64_t repeat = 0; repeat < repeats; repeat++)
                for (std::uint64_t i = 0; i < window; i++)
                    run.recorder.touch(file.page((start + i) % file.pages()));
        }
        run.recorder.end_pass();
    };
}

Body make_loop(Section& section) {
    const std::size_t file_index = section.file("file");
    const std::int64_t passes = section.integer("passes", 1, max_count, 5);
    return [=](Run& run) {
        const MappedFile& file = run.files[file_index];
        for (std::int64_t pass = 0; pass < passes; pass++) {
            run.recorder.begin_pass();
            for (std::uint64_t page = 0; page < file.pages(); page++)
                run.recorder.touch(file.page(page));
            run.recorder.end_pass();
        }
    };
}

} // namespace pagepatrol::bench
