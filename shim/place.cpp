// SPDX-License-Identifier: Apache-2.0
//
// From the policy's answer about a mapping to ranges in the table: see state.hpp.
// Never pushes; the callers do, once for all that they change.
#include "state.hpp"

#include "log.hpp"
#include "pages.hpp"
#include "sys.hpp"

#include <algorithm>

namespace pagepatrol::core {
namespace {

// Is there anything to do for the rule? "none" is in the table for its read-ahead, or for what
// becomes of the program's advice.
bool wants_range(const Rule& rule) noexcept {
    if (rule.action == Action::unpin)
        return false;
    if (rule.action != Action::none || rule.read_ahead != kernels_read_ahead)
        return true;
    return std::any_of(std::begin(rule.advice), std::end(rule.advice), [](OnAdvice on) {
        return on != OnAdvice::by_action && on != OnAdvice::pass;
    });
}

// Puts in those parts of the piece that the table does not cover.
unsigned insert_around(const Piece& piece) noexcept {
    unsigned inserted = 0;
    for (std::uint64_t at = piece.range.start; at < piece.range.end;) {
        const std::uint32_t i = table.lower(at);
        const bool more = i < table.size() && table.ranges()[i].start < piece.range.end;
        const std::uint64_t to = more ? table.ranges()[i].start : piece.range.end;
        const std::uint64_t next = more ? table.ranges()[i].end : piece.range.end;
        if (at < to) {
            Piece part = piece;
            part.range.start = at;
            part.range.end = to;
            if (!table.insert(part))
                return inserted;
            announce(part);
            ++inserted;
        }
        at = next;
    }
    return inserted;
}

Piece piece_of(const Mapped& mapped, std::uint64_t from, std::uint64_t to,
               const decide::Answer& answer) noexcept {
    Piece piece;
    piece.range = {};
    piece.range.start = mapped.start + (from - mapped.offset);
    piece.range.end = mapped.start + (to - mapped.offset);
    piece.range.read_ahead = PP_READ_AHEAD_DEFAULT;
    piece.file.origin = mapped.start - mapped.offset;
    piece.file.size = answer.size;
    piece.file.part_end = to;
    piece.file.device = answer.device;
    piece.file.inode = answer.inode;
    piece.file.shared = answer.shared;
    return piece;
}

} // namespace

void announce(const Piece& piece) noexcept {
    if (!log::verbose)
        return;
    log::Line line;
    line << "range ";
    line.hex(piece.range.start) << "-";
    line.hex(piece.range.end) << " (" << (piece.range.end - piece.range.start) / 1024 << " KiB): ";
    if (piece.range.rule)
        line << "rule " << piece.range.rule;
    else
        line << "the program's own call";
    if (const Rule* rule = piece.file.rule; rule && !rule->name.empty())
        line << " \"" << rule->name << "\"";
    line << ", " << to_string(static_cast<Action>(piece.range.action));
}

unsigned place(const decide::Answer& answer, const Mapped& mapped) noexcept {
    unsigned placed = 0;
    const std::uint64_t mapped_end = mapped.offset + (mapped.end - mapped.start);
    for (unsigned i = 0; i < answer.count; ++i) {
        const Segment& part = answer.parts[i];
        const Rule& rule = *part.rule;
        const std::uint64_t from = std::max(part.start, mapped.offset);
        const std::uint64_t to = std::min(part.end, mapped_end);
        if (from >= to)
            continue;
        Piece piece = piece_of(mapped, from, to, answer);
        if (rule.action == Action::unpin) // what the program itself keeps there must not be
            table.take_out(piece.range.start, piece.range.end);
        if (!wants_range(rule))
            continue;
        piece.range.action = static_cast<std::uint8_t>(rule.action);
        piece.range.rule = rule.number;
        piece.range.budget = budget_of(rule.budget, page);
        piece.range.read_ahead = read_ahead_of(rule, page);
        piece.file.part_end = part.end;
        piece.file.rule = &rule;
        placed += insert_around(piece);
    }
    return placed;
}

bool keep(const decide::Answer& answer, const Mapped& mapped) noexcept {
    const std::uint64_t end = mapped.offset + (mapped.end - mapped.start);
    Piece piece = piece_of(mapped, mapped.offset, end, answer);
    piece.range.action = PP_ACTION_PIN;
    if (!table.insert(piece))
        return false;
    announce(piece);
    return true;
}

const decide::Answer* answer_for(const maps::Mapping& mapping, const Piece* old,
                                 std::uint32_t count) noexcept {
    const decide::How how = {mapping.prot, mapping.shared};
    struct ::stat st;
    if (sys::stat(mapping.path, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == mapping.inode) {
        const decide::Answer& answer = decide::by_path(mapping.path, st, how);
        table.resize(answer.device, answer.inode, answer.size); // from now on it is remembered
        return &answer;
    }
    // deleted or replaced since: still what it was if we knew it
    const Piece* known =
        std::lower_bound(old, old + count, mapping.start,
                         [](const Piece& p, std::uint64_t start) { return p.range.end <= start; });
    if (known == old + count || known->range.start >= mapping.end ||
        known->file.inode != mapping.inode)
        return nullptr;
    return &decide::by_old_name(mapping.path, known->file.device, known->file.inode,
                                known->file.size, how);
}

bool read_maps(std::uint64_t start, std::uint64_t end, const Piece* old,
               std::uint32_t count) noexcept {
    struct Context {
        std::uint64_t start, end;
        const Piece* old;
        std::uint32_t count;
    } context = {start, end, old, count};
    return maps::each(
        end,
        [](const maps::Mapping& mapping, void* p) noexcept {
            const Context& c = *static_cast<const Context*>(p);
            const std::uint64_t from = std::max(mapping.start, c.start);
            const std::uint64_t to = std::min(mapping.end, c.end);
            if (from >= to || !mapping.has_file())
                return;
            if (const decide::Answer* answer = answer_for(mapping, c.old, c.count))
                place(*answer, {from, to, mapping.offset + (from - mapping.start)});
        },
        &context);
}

void evaluate(std::uint64_t start, std::uint64_t end, const Piece* old,
              std::uint32_t count) noexcept {
    if (!read_maps(start, end, old, count) && log::first(log::no_proc))
        log::Line()
            << "can't tell what is mapped: /proc/thread-self/maps can't be read; rules apply to "
               "new mappings alone. HINT: /proc has to be mounted";
}

void put_back(std::uint32_t count) noexcept {
    for (std::uint32_t i = 0; i < count; ++i) {
        const struct pp_range& r = taken[i].range;
        if (sys::probe_mapped(r.start, r.end - r.start) == 0)
            table.insert(taken[i]);
    }
}

} // namespace pagepatrol::core
