# SPDX-License-Identifier: Apache-2.0
"""What was to be reached and what was, as a table: for the page and for the terminal. Where a target
was missed, what took the time."""
from html import escape

from svg import number

from lab import results, targets
from lab.report import names, profiles
from lab.stats import Summary


def by_comparison(found):
    """(comparison, its verdicts): none for one that failed."""
    for one in found["comparisons"]:
        yield one, [verdict for verdict in found.get("targets", []) if results.key(one) == (
            verdict["workload"], verdict["disk"], verdict["kernel"])]


def outcome(verdict):
    said = "met" if verdict["met"] else "missed"
    return f"{said}, within the spread" if targets.within_spread(verdict) else said


def possible(verdict):
    return f"{verdict['possible']:.3f}" if verdict["possible"] else "-"


def bound(verdict):
    return f"{'at least' if verdict['at_least'] else 'at most'} {verdict['bound']:g}"


def measured(verdict):
    return Summary(verdict["value"], verdict["low"], verdict["high"], 0)


def place(one, several):
    """The cells that say what it is about."""
    workload, disk, kernel = results.key(one)
    return [workload, disk, kernel] if several else [workload, disk]


def where_time_went(one, verdict):
    """A link to the profile, with what takes most of the time. HTML."""
    name = f"pagepatrol/{verdict['lru']}"
    if verdict["met"] or name not in profiles.known(one):
        return "-"
    text = "profile"
    if found := profiles.largest(one, name, verdict["base"]):
        what, ours, theirs = found
        text = f"{what}: {number(ours, 1)} s, by default {number(theirs, 1)} s"
    return f'<a href="#{profiles.anchor(one)}">{escape(text)}</a>'


def row(one, verdict, several):
    sign = "≥" if verdict["at_least"] else "≤"
    cells = "".join(f"<td>{escape(text)}</td>" for text in (*place(one, several), names.LRU[verdict["lru"]]))
    return (f'<tr class="{"met" if verdict["met"] else "missed"}">{cells}<td class="what">'
            f'{escape(verdict["what"])}</td><td>{sign} {verdict["bound"]:g}</td><td>{names.spread(measured(verdict), 3)}</td>'
            f'<td>{possible(verdict)}</td><td class="verdict">{outcome(verdict)}</td>'
            f'<td class="what">{where_time_went(one, verdict)}</td></tr>')


def html(found):
    several, rows = names.several_kernels(found), []
    for one, verdicts in by_comparison(found):
        rows += [row(one, verdict, several) for verdict in verdicts]
        if one["failure"]:
            cells = "".join(f"<td>{escape(text)}</td>" for text in place(one, several))
            rows.append(f'<tr class="missed">{cells}<td colspan="7" class="verdict">failed: nothing is judged</td></tr>')
    if not rows:
        return ""
    text = ("<p>A median is judged; below it is the range of the repetitions. If that reaches over the target, the "
            "verdict is within the spread.</p>")
    if found["quick"]:
        text += ("<p>They are meant for the full run: the first pass, which reads everything in any arm, "
                 "weighs more in this short one.</p>")
    if any(verdict["possible"] for verdict in found.get("targets", [])):
        text += ("<p>Without a limit: the same figure of the default, on MGLRU, where all data stays in "
                 "memory once it has been read: what caching alone could give on this machine.</p>")
    heads = ["workload", "disk", *(["kernel"] if several else []), "LRU"]
    head = "".join(f"<th>{text}</th>" for text in heads)
    return (f'<section><h2>Targets</h2>{text}<div class="scroll"><table class="targets"><thead><tr>{head}'
            '<th class="what">what</th><th>target</th><th>measured</th><th>without a limit</th><th></th>'
            '<th class="what">what takes most of the time</th></tr>'
            f"</thead><tbody>{''.join(rows)}</tbody></table></div></section>")


def line(one, verdict, several):
    spread = f", {verdict['low']:.3f} to {verdict['high']:.3f}" if verdict["low"] != verdict["high"] else ""
    unlimited = f" ({possible(verdict)} without a limit)" if verdict["possible"] else ""
    said = outcome(verdict).replace("missed", "MISSED")
    return (f"{said:6} {verdict['value']:6.3f}{spread} ({bound(verdict)})  "
            f"{', '.join((*place(one, several), verdict['lru']))}: {verdict['what']}{unlimited}")


def text(found):
    """Lines for the terminal."""
    several = names.several_kernels(found)
    for one, verdicts in by_comparison(found):
        yield from (line(one, verdict, several) for verdict in verdicts)
        if one["failure"]:
            yield f"FAILED {', '.join(place(one, several))}: nothing is judged"
