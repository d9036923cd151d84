// SPDX-License-Identifier: Apache-2.0
//
// The bulk load; see load.hpp.
#include "load.hpp"

#include <algorithm>

#include "records.hpp"

namespace pagepatrol::bench::kv {

std::string load(const std::string& folder, Database& database) {
    const EngineInfo& info = engine(database.engine);
    prepare_folder(folder);
    // the order of keys is that of the scrambled numbers, as they are printed with all digits
    std::vector<std::uint64_t> order(database.records);
    for (std::uint64_t i = 0; i < order.size(); i++)
        order[i] = i;
    std::sort(order.begin(), order.end(),
              [](std::uint64_t a, std::uint64_t b) { return scrambled(a) < scrambled(b); });
    EngineOptions options{.folder = folder,
                          .write = true,
                          .records = database.records,
                          .value_bytes = database.value_bytes,
                          .threads = 1,
                          .advice = {}};
    auto next = order.begin();
    std::string layout;
    {
        const std::unique_ptr<Engine> engine = info.open(options);
        engine->load([&](std::string& key, std::string& value) {
            if (next == order.end())
                return false;
            key = key_of(*next);
            value.resize(database.value_bytes);
            fill_value(value, *next, 0, database.seed);
            next++;
            return true;
        });
        layout = engine->layout();
    }
    finish_folder(folder, database);
    return layout;
}

} // namespace pagepatrol::bench::kv
