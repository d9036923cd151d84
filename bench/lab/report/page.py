# SPDX-License-Identifier: Apache-2.0
"""report.html: one page that needs nothing from outside."""
from html import escape
from pathlib import Path

from svg import number

from lab import results, targets
from lab.report import charts, costs, names, profiles, table, verdicts

BENCH = Path(__file__).resolve().parents[2]
# of latencies: the share of requests that took longer
TAILS = ((0.5, "50 %"), (0.1, "90 %"), (0.01, "99 %"), (0.001, "99.9 %"), (0.0001, "99.99 %"))


def metric_bars(found):
    metric = found["primary"]
    rows = []
    for arm in found["arms"]:
        value = results.summary(found, arm["arm"], metric["key"])
        rows.append(charts.Bar(
            names.arm(arm), names.css(arm), value and value.median, value and value.low,
            value and value.high, names.reason(arm["refused"]) if arm["refused"] else ""))
    better = "more" if metric["higher_is_better"] else "less"
    return charts.bars(f"{metric['title'].capitalize()}, {metric['unit']} ({better} is better)", rows,
                       metric["unit"], metric["decimals"])


def hit_bars(found):
    if not found["optimum"]:
        return ""
    best = 100 * found["optimum"]["hit_ratio"]
    rows = []
    for arm in found["arms"]:
        value = results.summary(found, arm["arm"], "hit_ratio")
        if value and arm["method"] not in results.BOUNDS:  # not what the optimum is of
            # below 0: more was read than was asked for
            shares = (max(0.0, 100 * share) for share in (value.median, value.low, value.high))
            rows.append(charts.Bar(names.arm(arm), names.css(arm), *shares))
    if not rows:
        return ""
    return charts.bars("Share of the pages asked for that did not come from the disk (more is better)",
                       rows, "%", 1, (best, f"optimum (Belady): {number(best, 1)} %"))


def latency_curves(found):
    lines = []
    for arm in found["arms"]:
        if arm["method"] not in ("default", "pagepatrol"):
            continue
        merged = {}
        for run in arm["runs"]:
            for nanoseconds, count in run.get("metrics", {}).get("latency_histogram", ()):
                merged[nanoseconds] = merged.get(nanoseconds, 0) + count
        total, passed, points = sum(merged.values()), 0, []
        for nanoseconds in sorted(merged):
            tail = 1 - passed / total
            if TAILS[-1][0] <= tail <= TAILS[0][0]:
                points.append((1 / tail, nanoseconds / 1e6))
            passed += merged[nanoseconds]
        if len(points) > 1:
            lines.append(charts.Curve(names.arm(arm), names.css(arm), points))
    if not lines:
        return ""
    return charts.curves("Latency, milliseconds, by the share that was faster", lines,
                         [(1 / tail, name) for tail, name in TAILS], "share of operations", "ms")


def residency_maps(found):
    maps = []
    refused = ""
    for picture in found["pictures"]:
        arm = results.arm_of(found, picture["arm"])
        if "refused" in picture:
            refused += (f'<p class="soft">No residency map of {escape(names.arm(arm))}: '
                        f'{escape(picture["refused"])}</p>')
            continue
        for file in picture["files"]:
            maps.append((file["title"], charts.residency(
                f"{file['title']}: {names.arm(arm)}", picture["times"], file["samples"])))
    if not maps:
        return refused
    maps.sort(key=lambda pair: pair[0])
    return ('<p>What is in memory, over time: each map is one file, from its start (top) to its end, '
            f"the darker the more of that part. From runs of their own, which are in no table.</p>{refused}"
            f'<div class="charts">{"".join(svg for _, svg in maps)}</div>')


def optimum_shares(found, best):
    """[(LRU, PagePatrol's hit ratio as a share of that of the optimum `best`)], as far as known."""
    shares = ((lru, results.optimum_share(found, lru, best)) for lru in targets.LRUS)
    return [(lru, share.median) for lru, share in shares if share]


def sentence(found):
    """What came out, in words: against the default of the same LRU."""
    if found["failure"]:
        return ""
    metric, said = found["primary"], []
    for lru in targets.LRUS:
        ours = results.ratio(found, f"pagepatrol/{lru}", f"default/{lru}", metric["key"])
        if ours:
            text = f"<b>{names.times(ours.median)}</b> the default's on {names.LRU[lru]}"
            if ours.count > 1:
                text += f" ({ours.low:.2f}-{ours.high:.2f})"
            said.append(text)
    if not said:
        return ""
    text = f"{escape(metric['title'].capitalize())} with PagePatrol: {' and '.join(said)}."
    shares = [f"<b>{names.percent(share)}</b> on {names.LRU[lru]}"
              for lru, share in optimum_shares(found, found["optimum"])]
    if shares:
        text += f" Of the optimum's hit ratio it reaches {' and '.join(shares)}."
        text += beside_kernel(found)
    return f'<p class="seen">{text}</p>'


def beside_kernel(found):
    """The same where the optimum, too, has to do without what the kernel takes of the limit."""
    kernel = results.kernel_bytes(found)
    shares = " and ".join(names.percent(share) for _, share
                          in optimum_shares(found, found.get("optimum_beside_kernel")))
    if not shares or not kernel or kernel < 0.01 * found["limit_bytes"]:
        return ""
    return (f" {names.mebibytes(kernel, 1)} of the limit are the kernel's, for inodes and the like: of what "
            f"the optimum could do with the rest that is {shares}.")


def code(text):
    """`words` in the workloads' texts."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def comparison(found):
    sizes = (f"Memory limit {names.mebibytes(found['limit_bytes'])}, data "
             f"{names.mebibytes(found['data_bytes'])}, " if found["limit_bytes"] else "")
    limits = (sizes + escape(names.disk(found["machine"]))
              + "".join(f", policy <code>{escape(file)}</code>" + (f" ({role})" if role != "main" else "")
                        for role, file in found["policies"].items())
              + "".join(f", {escape(found[key])}" for key in ("commit", "when") if key in found)
              + f", kernel {escape(found['machine']['kernel'])}.")
    failed = (f'<p class="failed">This comparison failed: {escape(found["failure"])}</p>'
              if found["failure"] else "")
    pictures = "".join((metric_bars(found), hit_bars(found), latency_curves(found)))
    return (f"<section><h2>{escape(found['title'])} <small>{escape(names.disk(found['machine']))}</small>"
            f"</h2><p>{code(found['text'])}</p><p class=\"soft\">{limits}</p>{failed}{sentence(found)}"
            f'<div class="charts">{pictures}</div>{table.html(found)}{profiles.html(found)}'
            f'{residency_maps(found)}</section>')


def overview(found):
    rows, several = [], names.several_kernels(found)
    for one in (one for one in found["comparisons"] if not one["failure"]):
        metric = one["primary"]
        for lru in targets.LRUS:
            ours = results.ratio(one, f"pagepatrol/{lru}", f"default/{lru}", metric["key"])
            if ours:
                rows.append(charts.Bar(", ".join((*verdicts.place(one, several), lru)),
                                       "policy second" if lru == "classic" else "policy",
                                       ours.median, ours.low, ours.high))
    if not rows:
        return ""
    return charts.bars("With PagePatrol, times the default of the same LRU (more is better)", rows, "×", 2,
                       (1.0, "the default"), label_width=400 if several else 270)


def arms_section(found):
    about = {}
    for one in found["comparisons"]:
        for arm in one["arms"]:
            about.setdefault(arm["method"], arm["about"])
    items = "".join(f"<dt>{escape(names.METHODS[method])}</dt><dd>{code(text)}</dd>"
                    for method, text in about.items())
    return f"<section><h2>The alternatives</h2><dl>{items}</dl></section>"


def machine_text(machine):
    disk = machine["disk"]
    text = f"{escape(machine['kernel'])}, {machine['cpus']} processors, {names.mebibytes(machine['memory_bytes'])}"
    if found := machine.get("packages"):
        text += f" ({escape(', '.join(f'{name} {version}' for name, version in found.items()))})"
    if machine["where"] != "vm":
        return text + ", not in a virtual machine"
    text += f", QEMU ({escape(machine['accelerator'])})"
    if disk.get("bytes_per_second"):
        text += (f"; {escape(names.disk(machine))}: {number(disk['bytes_per_second'] / 1e6)} MB/s and "
                 f"{number(disk['requests_per_second'])} requests/s")
        if disk["slowdown"] != 1:
            text += (f", which is the real one's divided by {disk['slowdown']}, as emulated processors "
                     "are slower by about as much")
        if disk.get("delay_ms"):
            text += f"; each read {disk['delay_ms']} ms later than QEMU would have it"
    return text


def loaded(found):
    """When PagePatrol was there. HTML."""
    inside = {one["machine"]["where"] == "vm" for one in found["comparisons"]}
    said = {True: "kernel side was loaded for its own arms alone",
            False: "kernel side was loaded all the time: the other arms ran beside it, without a policy"}
    if len(inside) == 1:
        return f"PagePatrol's {said[inside.pop()]}."
    return f"In the virtual machine PagePatrol's {said[True]}. Outside of it the {said[False]}." if inside else ""


def same_results(found):
    """Whether the programs got the same in all arms. HTML."""
    arms = [arm for one in found["comparisons"] for arm in one["arms"]]
    broken = any((arm["refused"] or "").startswith(results.FAILED) for arm in arms)
    text = (f"All arms {'that have figures ' if broken else ''}gave the same results (checksums, matches).")
    failed, count = sum(bool(one["failure"]) for one in found["comparisons"]), len(found["comparisons"])
    if failed:
        text = (f"{failed} of {count} comparisons failed: nothing is judged there, and what the arms gave was not "
                "compared to the end." + (f" In the others: {text[0].lower()}{text[1:]}" if failed < count else ""))
    return text


def method_section(found):
    machines = []
    for one in found["comparisons"]:
        text = machine_text(one["machine"])
        if text not in machines:
            machines.append(text)
    items = "".join(f"<li>{text}</li>" for text in machines)
    return f"""<section><h2>How it was measured</h2><ul>{items}</ul>
<p>All arms of a comparison ran in one boot, in turn, repetition by repetition, each in a fresh memory
cgroup after dropping all caches; the LRU was switched between them. Figures are medians, in brackets
the lowest and the highest repetition; ratios are those of medians within one comparison.
{loaded(found)} {same_results(found)}</p>
<p>Under emulation times are good for ratios only, and these as far as the disk's speed is scaled as the
processors' is; counts (bytes, faults) are exact. Bytes are those of the disk's own counter, what was
read to be locked beforehand (<code>vmtouch -l</code>) included. Hit ratio: 1 less the pages read from
disk, read-ahead included, by the pages asked for. The optimum is Belady's for the same accesses, with
all of the limit for pages of files, which no program has: its own memory is part of the limit.
Refaults: pages read again soon after they had been dropped (workingset_refault_file).</p></section>"""


def page(found, growth=None, overhead=None):
    """`growth`, `overhead`: what bench/growth and bench/overhead found, if they were run."""
    style = (BENCH / "report.css").read_text() + (Path(__file__).parent / "style.css").read_text()
    kernels = ", ".join(sorted({one["machine"]["kernel"] for one in found["comparisons"]}))
    commits = ", ".join(sorted({one.get("commit", found["commit"]) for one in found["comparisons"]}
                               or {found["commit"]}))
    times = sorted({one.get("when", found["when"]) for one in found["comparisons"]} or {found["when"]})
    when = times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"
    quick = (" This was a short run (<code>--quick</code>): fewer workloads, arms and passes."
             if found["quick"] else "")
    sections = "".join(map(comparison, found["comparisons"]))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><title>PagePatrol: benchmarks</title>
<meta name="viewport" content="width=device-width, initial-scale=1"/><style>
{style}</style></head><body>
<h1>PagePatrol: what it gives over what you have</h1>
<p>Unmodified programs on the same kernel with the same memory limit, if not said otherwise: by default, with what else one
could do, and with PagePatrol and the shipped policy.{quick}</p>
<p class="soft">Kernel {escape(kernels)} · commit {escape(commits)} · {escape(when)}</p>
<div class="charts">{overview(found)}</div>
{verdicts.html(found)}{sections}{costs.html(growth, overhead, found)}{arms_section(found)}{method_section(found)}
</body></html>
"""
