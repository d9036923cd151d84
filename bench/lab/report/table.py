# SPDX-License-Identifier: Apache-2.0
"""The figures of a comparison as a table: of all arms, medians with the range of the
repetitions. For the page and for the terminal."""
from dataclasses import dataclass
from html import escape

from lab import results
from lab.report import names, verdicts


@dataclass(frozen=True)
class Column:
    title: str
    key: str
    decimals: int = 0
    factor: float = 1.0
    limited: bool = False  # not of the bounds


COMMON = (
    Column("seconds", "seconds", 1),
    Column("CPU s", "cpu_seconds", 1),
    Column("MiB read", "disk_bytes", 0, 1 / names.MIB),
    Column("major faults", "major_faults"),
    Column("refaults", "workingset_refault_file"),
)


def columns(found):
    own = [Column(f"{metric['title']}, {metric['unit']}", metric["key"], metric["decimals"])
           for metric in (found["primary"], *found["metrics"])]
    return (*own, *hit_columns(found["optimum"]), *COMMON)


def hit_columns(best):
    if best:
        yield Column("hit ratio, %", "hit_ratio", 1, 100)
        if best["hit_ratio"]:
            yield Column("of the optimum, %", "hit_ratio", 1, 100 / best["hit_ratio"], True)


def cells(found, arm, spread=True):
    """One text per column; None where nothing is known."""
    for column in columns(found):
        if column.limited and arm["method"] in results.BOUNDS:
            yield None
            continue
        values = results.values(found, arm["arm"], column.key)
        summary = results.stats.summary(None if value is None else value * column.factor
                                        for value in values)
        if summary is None:
            yield None
        elif spread:
            yield names.spread(summary, column.decimals)
        else:
            yield names.number(summary.median, column.decimals)


def html(found):
    heads = columns(found)
    head = "".join(f"<th>{escape(column.title)}</th>" for column in heads)
    rows = []
    for arm in found["arms"]:
        css = ' class="policy"' if arm["method"] == "pagepatrol" else ""
        if arm["refused"]:
            body = f'<td colspan="{len(heads)}" class="reason">{escape(names.reason(arm["refused"]))}</td>'
        else:
            body = "".join(f"<td>{cell or '-'}</td>" for cell in cells(found, arm))
        rows.append(f"<tr{css}><td>{escape(names.arm(arm))}</td>{body}</tr>")
    return (f'<div class="scroll"><table class="arms"><thead><tr><th>arm</th>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>")


def aligned(rows):
    """Lines of text; the first column is to the left."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width)
                             in enumerate(zip(row, widths))).rstrip() for row in rows]


def text(found):
    """For the terminal."""
    lines = []
    for one in found["comparisons"]:
        lines.append(f"\n{one['title']} ({names.disk(one['machine'])})")
        heads = columns(one)
        rows = [["", *(column.title for column in heads)]]
        for arm in one["arms"]:
            if not arm["refused"]:
                rows.append([arm["arm"], *(cell or "-" for cell in cells(one, arm, False))])
        lines += aligned(rows)
        lines += [f"  {arm['arm']}: {names.reason(arm['refused'])}" for arm in one["arms"] if arm["refused"]]
        if one["optimum"]:
            lines.append(f"  optimum: hit ratio {100 * one['optimum']['hit_ratio']:.1f} %")
        if one["failure"]:
            lines.append(f"  FAILED: {one['failure']}")
    lines += ["", *verdicts.text(found)]
    return "\n".join(lines)
