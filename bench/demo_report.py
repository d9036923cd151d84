#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the demo's results.json, its report.html and the table on the terminal
from what guest-demo measured. Says only what the numbers say: a policy that made
things worse is reported as such.
"""
import argparse
import json
import sys
from datetime import datetime, timezone
from html import escape
from pathlib import Path

from svg import Chart, Series, number, render

MIB = 1 << 20
ARMS = (("default", "kernel's default", "default"), ("pagepatrol", "with policy", "policy"))
LRU_NAMES = {"classic": "classic LRU", "mglru": "MGLRU"}
WORKLOADS = {
    "hot-and-scan": (
        "Hot pages beside a scan",
        "A program reads a 64 MiB file at random and, in between, scans a file of {data} from "
        "start to end. It may use {limit} of memory. The policy has two rules: keep the hot file "
        "(<code>pin</code>), let the scan leave the cache as it found it (<code>stream</code>)."),
    "loop": (
        "A file read again and again",
        "A program reads a file of {data} from start to end, several times, with {limit} of "
        "memory. A cache that keeps what was used last always drops what is needed next. The "
        "policy has one rule: <code>stream</code>."),
    "rg-one-file": (
        "ripgrep, one large file",
        "The unmodified program <code>rg --mmap</code> searches one file of {data} with {limit} "
        "of memory, several times, each time as a new process. One rule: <code>stream</code>."),
    "rg-many-files": (
        "ripgrep, many files",
        "The same search over {data} in 400 files of 1 MiB, with {limit} of memory."),
}


def percent(share, decimals=1):
    return f"{number(100 * share, decimals)}\u00a0%"


def hot_share(result):
    if not result or not result["hot_accesses"]:
        return None
    return result["hot_major_faults"] / result["hot_accesses"]


def later_share(result):
    """Bytes read per pass from the 2nd on, as a share of the data. Means nothing
    where the passes share the memory with something hot."""
    if result and result["hot_accesses"]:
        return None
    later = [b for b in (result or {}).get("pass_bytes_read", [])[1:] if b is not None]
    return sum(later) / len(later) / result["data_bytes"] if later else None


def optimum_share(result):
    """What the best possible replacement (Belady's) has to read per pass of a
    cyclic scan when `limit` of it fits."""
    return max(0.0, 1 - result["limit_bytes"] / result["data_bytes"])


class Results:
    def __init__(self, results):
        self.all = results
        self.lrus = [lru for lru in LRU_NAMES if any(r["lru"] == lru for r in results)]
        self.workloads = [w for w in WORKLOADS if any(r["workload"] == w for r in results)]

    def get(self, workload, lru, policy):
        for result in self.all:
            if (result["workload"], result["lru"], result["policy"]) == (workload, lru, policy):
                return result
        return None

    def any(self, workload):
        return next(r for r in self.all if r["workload"] == workload)

    def arms(self):
        return [arm for arm in ARMS if any(r["policy"] == arm[0] for r in self.all)]

    def time_ratio(self, workload, lru):
        """Time with policy as a share of the default's; None without both arms."""
        base, ours = (self.get(workload, lru, arm[0]) for arm in ARMS)
        return ours["seconds"] / base["seconds"] if base and ours and base["seconds"] else None


def listing(items):
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def compare(results, workload, measure, show=percent):
    """("57.4 % (classic LRU) and 75.4 % (MGLRU)", the same with policy or None)"""
    texts = []
    for arm, _, _ in ARMS:
        values = [(lru, measure(results.get(workload, lru, arm))) for lru in results.lrus]
        known = [f"<b>{show(value)}</b> ({LRU_NAMES[lru]})" for lru, value in values
                 if value is not None]
        texts.append(listing(known) if known else None)
    return texts


def time_sentence(results, workload):
    ratios = [(lru, results.time_ratio(workload, lru)) for lru in results.lrus]
    known = [f"<b>{percent(ratio, 0)}</b> ({LRU_NAMES[lru]})" for lru, ratio in ratios
             if ratio is not None]
    return f"It takes {listing(known)} of the default's time." if known else ""


def hot_sentence(results, workload):
    base, ours = compare(results, workload, hot_share)
    text = ""
    if base:
        text += (f"Under the kernel's default, {base} of the accesses to hot pages wait for the "
                 "disk. ")
    if ours:
        text += f"With the policy, {ours} do. "
    return text + time_sentence(results, workload)


def passes_sentence(results, workload):
    base, ours = compare(results, workload, later_share)
    best = percent(optimum_share(results.any(workload)))
    text = "From the 2nd pass on, "
    if base:
        text += f"the kernel's default reads {base} of the data from disk in each pass"
        text += "; " if ours else ". "
    if ours:
        text += f"with the policy it is {ours}. "
    return text + f"The best possible is {best}. " + time_sentence(results, workload)


def hot_charts(results, workload):
    return [render(Chart(
        categories=[LRU_NAMES[lru] for lru in results.lrus],
        series=[Series(name, css, [share_or_none(hot_share(results.get(workload, lru, arm)))
                                   for lru in results.lrus]) for arm, name, css in results.arms()],
        y_title="hot accesses from disk, %", decimals=1, unit=" %",
        caption="Major faults per hot access (less is better)")), seconds_chart(results, workload)]


def share_or_none(share):
    return None if share is None else 100 * share


def seconds_chart(results, workload):
    return render(Chart(
        categories=[LRU_NAMES[lru] for lru in results.lrus],
        series=[Series(name, css, [(results.get(workload, lru, arm) or {}).get("seconds")
                                   for lru in results.lrus]) for arm, name, css in results.arms()],
        y_title="time, seconds", decimals=1, unit=" s",
        caption="Time of the whole job (less is better)"))


def pass_charts(results, workload):
    sample = results.any(workload)
    optimum = optimum_share(sample) * sample["data_bytes"] / MIB
    longest = max(len(r["pass_bytes_read"]) for r in results.all if r["workload"] == workload)
    y_max = max([sample["data_bytes"] / MIB] + [
        b / MIB for r in results.all if r["workload"] == workload for b in r["pass_bytes_read"]
        if b is not None])

    def values(lru, arm):
        read = (results.get(workload, lru, arm) or {"pass_bytes_read": []})["pass_bytes_read"]
        return [None if i >= len(read) or read[i] is None else read[i] / MIB
                for i in range(longest)]

    return [render(Chart(
        categories=[str(i + 1) for i in range(longest)],
        series=[Series(name, css, values(lru, arm)) for arm, name, css in results.arms()],
        x_title="run (a new process each)" if workload.startswith("rg") else "pass",
        y_title="read from disk, MiB", y_max=y_max,
        reference=(optimum, f"best possible from the 2nd pass on: {number(optimum)} MiB"),
        caption=f"Read from disk in each pass, {LRU_NAMES[lru]} (less is better)"))
        for lru in results.lrus]


def ratio_chart(results):
    pairs = [(w, lru) for w in results.workloads for lru in results.lrus]
    if all(results.time_ratio(*pair) is None for pair in pairs):
        return ""
    series = [Series(LRU_NAMES[lru], "policy" if lru == "classic" else "policy second",
                     [share_or_none(results.time_ratio(w, lru)) for w in results.workloads])
              for lru in results.lrus]
    chart = render(Chart(
        categories=results.workloads, series=series, unit=" %", css="wide", width=880, height=250,
        y_max=100, y_title="time, % of default", reference=(100, "the kernel's default: 100 %"),
        caption="Time with the policy, in per cent of the kernel's default (less is better)"))
    legend = "".join(f'<li><span class="policy{" second" if lru != "classic" else ""}"></span>'
                     f"with policy, {LRU_NAMES[lru]}</li>" for lru in results.lrus)
    return (f'<ul class="legend">{legend}<li><span class="optimum"></span>kernel\'s default '
            f'(100 %)</li></ul><div class="charts">{chart}</div>')


def legend_html(results, optimum):
    items = "".join(f'<li><span class="{css}"></span>{name}</li>'
                    for _, name, css in results.arms())
    if optimum:
        items += '<li><span class="optimum"></span>best possible from the 2nd pass on</li>'
    return f'<ul class="legend">{items}</ul>'


def workload_html(results, workload):
    title, text = WORKLOADS[workload]
    sample = results.any(workload)
    text = text.format(data=f"{number(sample['data_bytes'] / MIB)} MiB",
                       limit=f"{number(sample['limit_bytes'] / MIB)} MiB")
    hot = workload == "hot-and-scan"
    sentence = (hot_sentence if hot else passes_sentence)(results, workload)
    charts = (hot_charts if hot else pass_charts)(results, workload)
    return (f"<section><h2>{title}</h2><p>{text}</p><p class=\"seen\">{sentence}</p>"
            f"{legend_html(results, not hot)}"
            f"<div class=\"charts\">{''.join(charts)}</div></section>")


COLUMNS = ("workload", "LRU", "policy", "seconds", "CPU seconds", "hot accesses from disk",
           "major faults", "MiB read", "of the data, from 2nd pass", "refaults")


def rows(results):
    def cell(value, show):
        return "-" if value is None else show(value)
    for r in results.all:
        yield (r["workload"], r["lru"], r["policy"], number(r["seconds"], 1),
               number(r["user_seconds"] + r["system_seconds"], 1), cell(hot_share(r), percent),
               number(r["major_faults"]), cell(r["bytes_read"], lambda b: number(b / MIB)),
               cell(later_share(r), percent), cell(r.get("refaults"), number))


def table_html(results):
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    body = "".join(
        ('<tr class="policy">' if row[2] == "pagepatrol" else "<tr>")
        + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in rows(results))
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
            f"</table></div>")


def table_text(results):
    body = [[value.replace("\u00a0", " ") for value in row] for row in rows(results)]
    heads = ("workload", "lru", "policy", "time s", "CPU s", "hot disk", "major", "MiB", "2nd+",
             "refaults")
    widths = [max(map(len, column)) for column in zip(heads, *body)]
    lines = []
    for row in [heads, *body]:
        lines.append("  ".join(value.ljust(width) if i < 3 else value.rjust(width)
                               for i, (value, width) in enumerate(zip(row, widths))))
    return "\n".join(lines)


def page(results, commit, when):
    kernels = listing(sorted({r["kernel"] for r in results.all}))
    quick = " This was a short run (<code>--quick</code>): fewer passes." if any(
        r.get("quick") for r in results.all) else ""
    style = (Path(__file__).parent / "report.css").read_text()
    sections = "".join(workload_html(results, w) for w in results.workloads)
    overview = ratio_chart(results)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><title>PagePatrol: what a policy changes</title>
<meta name="viewport" content="width=device-width, initial-scale=1"/><style>
{style}</style></head><body>
<h1>PagePatrol: what a policy changes</h1>
<p>The same programs, unmodified, on the same stock kernel, with the same memory limit: once with
the kernel's default page-cache policy, once with a few lines of TOML.{quick}</p>
<p class="soft">Kernel {escape(kernels)} · commit {escape(commit)} · {escape(when)}</p>
{overview}{sections}
<section><h2>All figures</h2>{table_html(results)}
<p class="soft">hot accesses from disk: major faults per access to a hot page. of the data, from 2nd
pass: bytes read per pass from the 2nd on, as a share of the data. refaults: pages read again after
they had been dropped under pressure (workingset_refault_file).</p></section>
<section><h2>How it was measured</h2>
<p>In a virtual machine with a stock Debian kernel; each run in a fresh memory cgroup with the limit
named above, after dropping all caches; both runs of a comparison in the same boot, default first.
Without hardware virtualisation the machine is emulated: times are good for ratios only, counts
(faults, bytes) are exact. Both runs of a comparison gave the same answer (checksum, matches found).
Bytes read are what the kernel charged to the process, or the disk's own counter for
<code>rg</code>.</p></section>
</body></html>
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("inputs", nargs="+", type=Path, help="JSON files of guest-demo")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--html", type=Path, required=True)
    options = parser.parse_args()
    try:
        found = [result for path in options.inputs for result in json.loads(path.read_text())]
    except (OSError, ValueError) as error:
        sys.exit(f"demo_report.py: cannot read the results: {error}")
    if not found:
        sys.exit("demo_report.py: no results in " + ", ".join(map(str, options.inputs)))
    for result in found:
        result["commit"] = options.commit
    options.results.write_text(json.dumps(found, indent=1) + "\n")
    results = Results(found)
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    options.html.write_text(page(results, options.commit, when))
    print(table_text(results))


if __name__ == "__main__":
    main()
