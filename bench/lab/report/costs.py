# SPDX-License-Identifier: Apache-2.0
"""The section "Where time and memory go": what PagePatrol itself costs, from growth.json
(bench/growth), overhead.json (bench/overhead) and the workloads where it can win little. For the
page and, the tables of growth.json, for the terminal."""
from dataclasses import dataclass
from html import escape

from svg import number

from lab import results, targets
from lab.costs import ITEMS
from lab.growth import results as growing
from lab.report import charts, names
from lab.report.table import aligned

KIB = 1024
THOUSAND = 1e3
OURS, BARE = "PagePatrol", "without"
CURVES = ((BARE, "bare", "default"), (OURS, "pagepatrol", "policy"))
# CPU time that published page-cache policies in BPF add to random reads, per cent
PUBLISHED = "0.17 to 1.66 %"


# the parts of overhead.json
WHERE = {"here": "without the kernel side", "vm": "in the VM"}


@dataclass
class Grid:
    title: str
    note: str
    heads: list
    rows: list  # of texts


def kib(count, decimals=1):
    return number(count / KIB, decimals)


def thousands(value):
    return number(value / THOUSAND, 1)


def against(ours, bare):
    return f"{ours / bare:.2f} ×"


# --- tables ---

def loaded_grid(counts):
    found = counts["loaded"]
    rows = [[name, number(one["max_entries"]), number(one["value_bytes"]), kib(one["memory_bytes"])]
            for name, one in sorted(found["maps"].items(), key=lambda pair: -pair[1]["memory_bytes"])]
    rows.append(["all maps", "", "", kib(found["map_bytes"])])
    rows.append(["programs", "", "", kib(found["programs_bytes"])])
    return Grid("Kernel memory before any process has a policy",
                "As the kernel charges it. pp_small_tables grows with the processes, the other maps don't.",
                ["map", "entries at most", "bytes of one", "KiB"], rows)


def shim_grid(counts):
    rows = [[one["program"], number(one["ranges"]), kib(one["bare"]["rss_bytes"]),
             kib(one["process"]["rss_bytes"]), kib(one["bare"]["anonymous_bytes"]),
             kib(one["process"]["anonymous_bytes"]), kib(one["library"]["rss_bytes"]),
             kib(one["library"]["anonymous_bytes"])] for one in counts["shim"]]
    return Grid("What the shim adds to a process, KiB",
                "Resident memory, and of it what is the process's alone (anonymous); then of the library's "
                "own mappings.",
                ["program", "ranges", "resident without", "with", "anonymous without", "with",
                 "library resident", "library anonymous"], rows)


def lookup_grid(counts):
    rows = [[number(one["ranges"]), thousands(one["fault_bare_ns"]), thousands(one["fault_ns"]),
             against(one["fault_ns"], one["fault_bare_ns"]), thousands(one["pair_bare_ns"]),
             thousands(one["pair_ns"]), against(one["pair_ns"], one["pair_bare_ns"])]
            for one in counts["lookup"]]
    note = "Thousands of instructions, user and kernel."
    if counts["refused"]:
        note += (f" A process that maps {number(counts['refused']['asked'])} has "
                 f"{number(counts['refused']['ranges'])}: more are left to the kernel.")
    return Grid("By the ranges of a process", note,
                ["ranges", "fault that brings a page in, without", "with", "", "mmap and munmap, without", "with",
                 ""], rows)


def alive_rows(counts):
    for rows in (counts["alive"], counts["many"]):
        for processes, arms in sorted(growing.by_arm(rows).items()):
            if len(arms) == 2:
                yield processes, arms["bare"], arms["pagepatrol"]


def alive_grids(counts):
    times, memory = [], []
    for processes, bare, ours in alive_rows(counts):
        first = [number(processes), number(ours["ranges"])]
        times.append(first + [thousands(one[key]) for key in ("start_ns", "fault_ns", "end_ns")
                              for one in (bare, ours)]
                     + [thousands(ours["status_ns"]), number(ours["gone_ns"] / 1e6, 1),
                        f"{ours['left_subscriptions']}, {ours['left_processes']}"])
        memory.append(first + [kib(ours["map_bytes"] - counts["loaded"]["map_bytes"])] +
                      [kib(one[key]) for key in ("slab_bytes", "page_table_bytes", "anonymous_bytes", "used_bytes")
                       for one in (bare, ours)])
    pair = ["without", "with"]
    yield Grid("By the processes that are there at once",
               "Thousands of instructions: to start one more, for a fault in one, to end one, for ppctl status. "
               "Then how long (ms of the guest's clock) after the last end the last subscription is gone, and "
               "what is left then.",
               ["processes", "ranges in all", "start without", "with", "fault without", "with", "end without", "with",
                "status", "gone, ms", "left: subscriptions, tables"], times)
    yield Grid("Memory of these processes together, KiB",
               "Growth of the BPF maps; then of the whole machine while they are there, the same processes "
               "without PagePatrol and with.",
               ["processes", "ranges in all", "maps"] + [f"{what} {arm}" for what in (
                   "slab", "page tables", "anonymous", "all") for arm in pair], memory)


def push_grid(part):
    rows = [[number(processes), number(bare.median), number(ours.median), f"{ratio.median:.2f} ×",
             f"{ratio.low:.2f}-{ratio.high:.2f}"] for processes, ours, bare, ratio in growing.rates(part)]
    machine = part["machine"]
    return Grid("mmap and munmap by several processes at once, pairs per second in all",
                f"{machine['cpus']} processors ({machine['accelerator']}), arms in turn, medians; each process maps a "
                "file of its own.",
                ["processes", "without", "with", "", "range"], rows)


def overhead_parts(overhead):
    return [part for part in WHERE if part in overhead]


def overhead_grid(overhead):
    rows = []
    for one in (one for part in overhead_parts(overhead) for one in overhead[part]["items"] if one["item"] in ITEMS):
        what, unit, target = ITEMS[one["item"]]
        ratio = unit == "ratio"
        rows.append([what, number(one["bare_ns"]), number(one["with_ns"]),
                     f"{one['value']:.3f} ×" if ratio else f"{one['value']:+.2f} ms",
                     "" if target is None else f"{target} {'×' if ratio else 'ms'}", one["verdict"] or ""])
    return Grid("Each thing by itself", "From bench/overhead: nanoseconds for pairs and starts without the kernel "
                "side, else instructions.", ["", "without", "with", "", "target", ""], rows)


def grids(growth):
    counts, pushes = growth.get("counts"), growth.get("pushes")
    if counts and counts["loaded"]:
        yield loaded_grid(counts)
        yield shim_grid(counts)
        yield lookup_grid(counts)
        yield from alive_grids(counts)
    if pushes:
        yield push_grid(pushes)


def grid_html(grid):
    head = "".join(f"<th>{escape(text)}</th>" for text in grid.heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in grid.rows)
    return (f'<h3>{escape(grid.title)}</h3><p class="soft">{escape(grid.note)}</p><div class="scroll">'
            f'<table class="arms"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def text(growth):
    lines = []
    for grid in grids(growth):
        lines += ["", grid.title, *aligned([grid.heads, *grid.rows])]
    return "\n".join(lines)


# --- curves ---

def by_ranges(counts, caption, bare, ours):
    rows = counts["lookup"]
    lines = [charts.Curve(name, css, [(one["ranges"], one[key] / THOUSAND) for one in rows])
             for name, key, css in ((BARE, bare, "default"), (OURS, ours, "policy"))]
    marks = [(one["ranges"], str(one["ranges"])) for one in rows if one["ranges"] in (1, 10, 100, 1000)]
    return charts.curves(caption, lines, marks, "ranges of the process", "thousand instructions", small=True)


def by_processes(rows, caption, y_title, value):
    """`value`: of a row; None where there is none."""
    lines, marks = [], []
    for name, arm, css in CURVES:
        points = [(row["processes"], value(row)) for row in rows if row["arm"] == arm]
        points = [(x, y) for x, y in points if y is not None and y > 0]
        if len(points) > 1:
            lines.append(charts.Curve(name, css, points))
            marks = [(x, str(x)) for x in sorted({row["processes"] for row in rows})]
    return charts.curves(caption, lines, marks, "processes", y_title, small=True) if lines else ""


def pictures(growth):
    counts, pushes = growth.get("counts"), growth.get("pushes")
    parts = []
    if counts and len(counts["lookup"]) > 1:
        parts.append(by_ranges(counts, "A fault that brings a page in", "fault_bare_ns", "fault_ns"))
        parts.append(by_ranges(counts, "mmap and munmap", "pair_bare_ns", "pair_ns"))
    if counts and counts["loaded"]:
        def instructions(key):
            return lambda row: row[key] / THOUSAND if key in row else None
        base, rows = counts["loaded"]["map_bytes"], counts["alive"]
        for caption, key in (("To start one more", "start_ns"), ("A fault in one of them", "fault_ns"),
                             ("To end one", "end_ns"), ("ppctl status", "status_ns")):
            parts.append(by_processes(rows, caption, "thousand instructions", instructions(key)))
        parts.append(by_processes(rows, "Growth of the BPF maps", "KiB", lambda row: (
            (row["map_bytes"] - base) / KIB if "map_bytes" in row else None)))
        parts.append(by_processes(rows, "Kernel objects (slab)", "KiB", lambda row: row["slab_bytes"] / KIB))
    if pushes:
        rows = [{"processes": processes, "arm": arm, "rate": summary.median / THOUSAND}
                for processes, ours, bare, _ in growing.rates(pushes)
                for arm, summary in (("pagepatrol", ours), ("bare", bare))]
        parts.append(by_processes(rows, "mmap and munmap by all at once", "thousand pairs per second",
                                  lambda row: row["rate"]))
    return f'<div class="charts">{"".join(parts)}</div>'


# --- sentences ---

def growth_sentences(counts):
    small, large = (counts["loaded"]["maps"][name]["value_bytes"]
                    for name in ("pp_small_tables", "pp_large_tables"))
    said = [f"A process with up to 64 ranges takes a table of {kib(small)} KiB, {number(small / 64)} bytes "
            f"for each range of a full one; one with more takes one of {kib(large)} KiB, set aside when "
            "PagePatrol is loaded."]
    lookup = counts["lookup"]
    if len(lookup) > 1:
        first, last = lookup[0], lookup[-1]
        said.append(f"A fault that brings a page in costs {against(last['fault_ns'], first['fault_ns'])} as "
                    f"much with {number(last['ranges'])} ranges as with {first['ranges']}; mmap and munmap "
                    f"cost {against(last['pair_ns'], first['pair_ns'])} as much, as each hands over the "
                    "whole table.")
    rows = counts["alive"]
    slab, own = (growing.per_process(rows, key) for key in ("slab_bytes", "anonymous_bytes"))
    if slab is not None:
        said.append(f"Up to {number(max(row['processes'] for row in rows))} processes, each takes "
                    f"{kib(slab)} KiB of kernel objects more with a policy than without, and {kib(own)} KiB "
                    "of memory of its own.")
    return said


def more(ratio):
    """Over the default, with the range of the repetitions. HTML."""
    median, low, high = (f"{100 * (value - 1):+.1f}" for value in (ratio.median, ratio.low, ratio.high))
    return f"<b>{median}\u00a0%</b> ({low} to {high})"


def random_reads(found):
    """CPU time for the same reads, where PagePatrol can win little."""
    said = []
    for one in found["comparisons"]:
        if one["failure"] or not one["workload"].startswith("random-"):
            continue
        for lru in targets.LRUS:
            whole, by_read = (results.ratio(one, f"pagepatrol/{lru}", f"default/{lru}", key)
                              for key in ("cpu_seconds", "cpu_per_read"))
            if whole and by_read:
                ours = results.summary(one, f"pagepatrol/{lru}", "cpu_per_read")
                said.append(f"{escape(one['workload'])}, {names.LRU[lru]}: {more(whole)}, and for one read of the disk "
                            f"{more(by_read)}: {number(ours.median * 1e6)}\u00a0µs")
    if not said:
        return ""
    return (f"<p>CPU time for the same random reads, over the default: {'; '.join(said)}. Published for page-cache "
            f"policies in BPF: {PUBLISHED}, of another set-up (machine, disk, load), so no more than a hint.</p>")


def measured_where(what, part):
    machine, short = part["machine"], ", a short run" if part["quick"] else ""
    where = f"QEMU ({machine['accelerator']})" if machine["accelerator"] != "none" else "not in a virtual machine"
    return (f"{what}: commit {part['commit']}, {part['when']}, kernel {machine['kernel']}, "
            f"{machine['cpus']} processors, {where}{short}.")


def html(growth, overhead, found):
    """The section; "" if there is nothing to tell. `growth`, `overhead`: None if not measured."""
    reads = random_reads(found)
    if not (growth or overhead or reads):
        return ""
    growth = growth or {}
    parts = []
    if growth.get("counts") and growth["counts"]["loaded"]:
        parts += [f'<p class="seen">{escape(said)}</p>' for said in growth_sentences(growth["counts"])]
    measured = [(what.capitalize(), growth[what]) for what in growing.PARTS if what in growth]
    measured += [(f"Each thing by itself, {WHERE[part]}", overhead[part]) for part in overhead_parts(overhead or {})]
    parts += [f'<p class="soft">{escape(measured_where(what, part))}</p>' for what, part in measured]
    parts.append(reads)
    if growth:
        parts.append(pictures(growth))
    parts += [grid_html(grid) for grid in grids(growth)]
    if overhead:
        parts.append(grid_html(overhead_grid(overhead)))
    return f"<section><h2>Where time and memory go</h2>{''.join(parts)}</section>"
