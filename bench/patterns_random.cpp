// SPDX-License-Identifier: Apache-2.0
//
// Patterns with random accesses: small regions, re-access of older pages, a hot
// file beside a scanned one.
#include <algorithm>
#include <optional>

#include "patterns.hpp"

namespace pagepatrol::bench {

static constexpr std::int64_t max_pages = std::int64_t{1} << 40;
static constexpr std::int64_t max_count = 1'000'000'000;

/// So many pages are that share of the file, at least one.
static std::uint64_t pages_of(double share, const MappedFile& file) {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(file.pages()));
    return std::clamp<std::uint64_t>(wanted, 1, file.pages());
}

Body make_random_region(Section& section) {
    const std::size_t file_index = section.file("file");
    const double share = section.real("share", 0, 1);
    const auto repeats = static_cast<std::uint64_t>(section.integer("repeats", 1, max_count));
    const std::int64_t regions = section.integer("regions", 1, max_count, 1);
    return [=](Run& run) {
        const MappedFile& file = run.files[file_index];
        const std::uint64_t size = pages_of(share, file);
        for (std::int64_t region = 0; region < regions; region++) {
            const std::uint64_t start = run.random.below(file.pages() - size + 1);
            run.recorder.begin_pass();
            for (std::uint64_t i = 0; i < size * repeats; i++)
                run.recorder.touch(file.page(start + run.random.below(size)));
            run.recorder.end_pass();
        }
    };
}

Body make_reaccess(Section& section) {
    const std::size_t file_index = section.file("file");
    const double probability = section.real("probability", 0, 1);
    const auto distance =
        static_cast<std::uint64_t>(section.integer("distance", 1, max_pages, max_pages));
    const std::int64_t passes = section.integer("passes", 1, max_count, 1);
    return [=](Run& run) {
        const MappedFile& file = run.files[file_index];
        for (std::int64_t pass = 0; pass < passes; pass++) {
            run.recorder.begin_pass();
            for (std::uint64_t page = 0; page < file.pages(); page++) {
                run.recorder.touch(file.page(page));
                if (page > 0 && run.random.unit() < probability) {
                    const std::uint64_t back = 1 + run.random.below(std::min(page, distance));
                    run.recorder.touch_hot(file.page(page - back));
                }
            }
            run.recorder.end_pass();
        }
    };
}

Body make_hot_and_scan(Section& section) {
    const std::size_t hot_index = section.file("hot");
    const std::size_t scan_index = section.file("scan");
    const auto ratio = static_cast<std::uint64_t>(section.integer("ratio", 1, max_count));
    const std::int64_t passes = section.integer("passes", 1, max_count, 2);
    const double share = section.real("share", 0, 1, 1);
    const double theta = section.real("zipf", 0, 0.9999, 0);
    const bool warm_up = section.flag("warm_up", true);
    const bool forward = section.choice("order", {"forward", "random"}, 0) == 0;
    return [=](Run& run) {
        const MappedFile& hot = run.files[hot_index];
        const MappedFile& scan = run.files[scan_index];
        const std::uint64_t scanned = pages_of(share, scan);
        std::optional<Zipf> zipf;
        if (theta > 0)
            zipf.emplace(hot.pages(), theta);
        if (warm_up)
            for (std::uint64_t page = 0; page < hot.pages(); page++)
                run.recorder.touch(hot.page(page));
        for (std::int64_t pass = 0; pass < passes; pass++) {
            run.recorder.begin_pass();
            for (std::uint64_t page = 0; page < scanned; page++) {
                run.recorder.touch(scan.page(forward ? page : run.random.below(scanned)));
                if (page % ratio == 0)
                    run.recorder.touch_hot(hot.page(zipf ? zipf->scattered(run.random)
                                                         : run.random.below(hot.pages())));
            }
            run.recorder.end_pass();
        }
    };
}

} // namespace pagepatrol::bench
