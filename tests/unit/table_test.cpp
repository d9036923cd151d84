// SPDX-License-Identifier: Apache-2.0
//
// The range table against a naive model that knows one page at a time.
#include "table.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>
#include <set>

using namespace pagepatrol;

namespace {

constexpr std::uint64_t page = 4096;

// Pages [first, last) of a mapping whose file goes on to page `backed`.
Piece piece(std::uint64_t first, std::uint64_t last, std::uint64_t backed, std::uint16_t rule = 1) {
    Piece p = {};
    p.range.start = first * page;
    p.range.end = last * page;
    p.range.rule = rule;
    p.range.action = PP_ACTION_PIN;
    p.file.origin = first * page - 7 * page; // mapped from page 7 of the file on; may wrap
    p.file.size = (backed - first + 7) * page - 1;
    p.file.inode = rule;
    return p;
}

std::unique_ptr<Table> make_table() {
    auto table = std::make_unique<Table>();
    table->set_page_size(page);
    return table;
}

void expect_well_formed(const Table& table) {
    std::uint64_t before = 0;
    std::set<std::uint32_t> ids;
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        const Piece p = table.at(i);
        ASSERT_LE(before, p.range.start);
        ASSERT_LT(p.range.start, p.range.end);
        ASSERT_NE(p.range.id, 0u);
        ASSERT_TRUE(ids.insert(p.range.id).second) << "id twice";
        before = p.range.end;
    }
}

TEST(Table, SplitKeepsTheIdBelowAndHandsOutWhatWasTaken) {
    auto table = make_table();
    ASSERT_TRUE(table->insert(piece(10, 20, 20)));
    const std::uint32_t id = table->at(0).range.id;
    Piece taken[4];
    ASSERT_EQ(table->take_out(13 * page, 15 * page, taken, 4), 1u);
    EXPECT_EQ(taken[0].range.start, 13 * page);
    EXPECT_EQ(taken[0].range.end, 15 * page);
    EXPECT_EQ(taken[0].range.id, 0u);
    ASSERT_EQ(table->size(), 2u);
    EXPECT_EQ(table->at(0).range.id, id);
    EXPECT_NE(table->at(1).range.id, id);
    expect_well_formed(*table);
    ASSERT_EQ(table->take_out(0, 100 * page, taken, 4), 2u);
    EXPECT_EQ(taken[0].range.id, id) << "a whole range keeps its id";
    EXPECT_EQ(table->size(), 0u);
}

TEST(Table, PagesFollowTheFile) {
    auto table = make_table();
    EXPECT_FALSE(table->used());
    table->insert(piece(2, 40, 12));
    EXPECT_EQ(table->at(0).range.pages, 10u);
    EXPECT_EQ(table->take_out(6 * page, 8 * page), 0u);
    EXPECT_EQ(table->at(0).range.pages, 4u);
    EXPECT_EQ(table->at(1).range.pages, 4u);
    table->split(20 * page);
    EXPECT_EQ(table->at(1).range.pages, 4u);
    EXPECT_EQ(table->at(2).range.pages, 0u);
    EXPECT_FALSE(table->resize(0, 2, 1)) << "another file";
    EXPECT_TRUE(table->resize(0, 1, 1000 * page));
    EXPECT_EQ(table->at(2).range.pages, 20u);
    EXPECT_FALSE(table->resize(0, 1, 1001 * page)) << "nothing that shows";
    table->take_out(0, UINT64_MAX);
    EXPECT_EQ(table->size(), 0u);
    EXPECT_TRUE(table->used());
}

TEST(Table, Full) {
    auto table = make_table();
    for (std::uint64_t i = 0; i < PP_MAX_RANGES; ++i)
        ASSERT_TRUE(table->insert(piece(i * 4, i * 4 + 3, i * 4 + 3)));
    EXPECT_FALSE(table->insert(piece(99999, 100000, 100000)));
    EXPECT_EQ(table->lost(), 1u);
    table->take_out(1 * page, 2 * page); // a split has no place for its upper part
    EXPECT_EQ(table->lost(), 2u);
    EXPECT_EQ(table->size(), PP_MAX_RANGES);
    expect_well_formed(*table);
}

TEST(Table, AgainstAModelOfPages) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        std::mt19937 random(seed);
        auto table = make_table();
        std::map<std::uint64_t, std::uint16_t> model; // page -> rule
        std::set<std::uint32_t> all_ids;
        for (int step = 0; step < 2000; ++step) {
            const std::uint64_t first = random() % 400, length = 1 + random() % 24;
            const std::uint64_t start = first * page, end = (first + length) * page;
            switch (random() % 4) {
            case 0:
            case 1: {
                table->take_out(start, end); // as for a mapping that replaces another
                for (std::uint64_t p = first; p < first + length; ++p)
                    model.erase(p);
                const std::uint16_t rule = 1 + random() % 5;
                const std::uint64_t backed = 1 + random() % length;
                ASSERT_TRUE(table->insert(piece(first, first + length, first + backed, rule)));
                for (std::uint64_t p = first; p < first + length; ++p)
                    model[p] = rule;
                break;
            }
            case 2: {
                static Piece taken[PP_MAX_RANGES];
                const std::uint32_t n = table->take_out(start, end, taken, PP_MAX_RANGES);
                std::uint64_t pages = 0;
                for (std::uint32_t i = 0; i < n; ++i)
                    pages += (taken[i].range.end - taken[i].range.start) / page;
                std::uint64_t expected = 0;
                for (std::uint64_t p = first; p < first + length; ++p)
                    expected += model.erase(p);
                ASSERT_EQ(pages, expected);
                break;
            }
            default:
                table->split(start);
                break;
            }
            expect_well_formed(*table);
            std::map<std::uint64_t, std::uint16_t> seen;
            for (std::uint32_t i = 0; i < table->size(); ++i)
                for (std::uint64_t a = table->at(i).range.start; a < table->at(i).range.end;
                     a += page)
                    seen[a / page] = table->at(i).range.rule;
            ASSERT_EQ(seen, model) << "seed " << seed << " step " << step;
            bool overlaps = false;
            for (std::uint64_t p = first; p < first + length; ++p)
                overlaps = overlaps || model.count(p);
            ASSERT_EQ(table->touches(start, end), overlaps);
        }
    }
}

} // namespace
