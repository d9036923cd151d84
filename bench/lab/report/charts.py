# SPDX-License-Identifier: Apache-2.0
"""The report's own kinds of pictures as inline SVG: horizontal bars with a spread, curves on
logarithmic axes, and maps of what is in memory. Colours come by class from the style sheet.
Knows nothing of what the numbers mean."""
import bisect
import math
from dataclasses import dataclass
from html import escape

from svg import number, text_at, ticks

WIDTH = 880


def figure(caption, body, width, height, css="wide"):
    head = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (f'<figure class="{css}">{head}<svg viewBox="0 0 {width} {height:.0f}" role="img" '
            f'aria-label="{escape(caption)}" xmlns="http://www.w3.org/2000/svg">{body}</svg></figure>')


@dataclass
class Bar:
    label: str
    css: str
    value: float | None
    low: float | None = None  # of the repetitions
    high: float | None = None
    note: str = ""  # instead of a bar


def bars(caption, rows, unit, decimals=0, reference=None, width=WIDTH, label_width=230):
    """`reference`: (value, text) of a dashed line. The number stands behind the bar."""
    step, top, bottom, right = 24, 22 if reference else 6, 24, 130
    height = top + step * len(rows) + bottom
    known = [value for row in rows for value in (row.value, row.high) if value is not None]
    if reference:
        known.append(reference[0])
    marks = ticks(max(known, default=1))
    span = width - label_width - right

    def x_of(value):
        return label_width + span * value / marks[-1]

    foot = top + step * len(rows)
    parts = []
    digits = 0 if all(mark == int(mark) for mark in marks) else 1 if marks[-1] > 0.5 else 2
    for mark in marks:
        parts.append(f'<line x1="{x_of(mark):.1f}" x2="{x_of(mark):.1f}" y1="{top}" y2="{foot}" '
                     f'class="{"axis" if mark == 0 else "grid"}"/>')
        parts.append(text_at(x_of(mark), foot + 16, "tick", number(mark, digits)))
    parts.append(text_at(width - 4, foot + 16, "tick", unit, "end"))
    for index, row in enumerate(rows):
        y = top + step * index
        parts.append(text_at(label_width - 8, y + 16, "label", row.label, "end"))
        if row.value is None:
            parts.append(text_at(label_width + 6, y + 16, "tick", row.note or "not measured", "start"))
            continue
        end = max(x_of(row.value), label_width + 1.5)
        value = number(row.value, decimals)
        parts.append(f'<rect x="{label_width}" y="{y + 4}" width="{end - label_width:.1f}" height="16" '
                     f'rx="1.5" class="{row.css}"><title>{escape(row.label)}: {value} {escape(unit)}'
                     "</title></rect>")
        if row.high is not None and row.high > row.low:
            low, high = x_of(row.low), x_of(row.high)
            parts.append(f'<path class="spread" d="M{low:.1f} {y + 8}v8M{low:.1f} {y + 12}H{high:.1f}'
                         f'M{high:.1f} {y + 8}v8"/>')
            end = max(end, high)
        parts.append(text_at(end + 6, y + 16, "value", value, "start"))
    if reference:
        x = x_of(reference[0])
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 4}" y2="{foot}" class="reference"/>')
        parts.append(text_at(x, 13, "optimum-text", reference[1], "end" if x > width / 2 else "start"))
    return figure(caption, "".join(parts), width, height)


@dataclass
class Curve:
    label: str
    css: str
    points: list  # (x, y), both above 0


def curves(caption, lines, x_marks, x_title, y_title, *, small=False):
    """On logarithmic axes. `x_marks`: (x, text). Small ones stand side by side."""
    width, height, right = (430, 240, 92) if small else (WIDTH, 330, 205)
    left, top, bottom = 70, 14, 46
    ys = [y for line in lines for _, y in line.points]
    if not ys:
        return ""
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) or 1)
    high = max(high, low + 1)
    first, last = math.log10(x_marks[0][0]), math.log10(x_marks[-1][0])

    def x_of(x):
        return left + (width - left - right) * (math.log10(x) - first) / (last - first)

    def y_of(y):
        return height - bottom - (height - bottom - top) * (math.log10(y) - low) / (high - low)

    parts = []
    for power in range(low, high + 1):
        y = y_of(10 ** power)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" '
                     f'class="{"axis" if power == low else "grid"}"/>')
        parts.append(text_at(left - 6, y + 4, "tick", f"{10.0 ** power:g}", "end"))
    for x, name in x_marks:
        parts.append(f'<line x1="{x_of(x):.1f}" x2="{x_of(x):.1f}" y1="{top}" y2="{height - bottom}" '
                     'class="grid"/>')
        parts.append(text_at(x_of(x), height - bottom + 16, "tick", name))
    middle = (top + height - bottom) / 2
    parts.append(text_at((left + width - right) / 2, height - 8, "title", x_title))
    parts.append(text_at(14, middle, "title", y_title, extra=f' transform="rotate(-90 14 {middle:.1f})"'))
    labels = []
    for line in lines:
        path = "".join(f"{'L' if i else 'M'}{x_of(x):.1f} {y_of(y):.1f}"
                       for i, (x, y) in enumerate(line.points))
        parts.append(f'<path class="curve {line.css}" d="{path}"><title>{escape(line.label)}</title></path>')
        labels.append((y_of(line.points[-1][1]), line))
    # names at the ends of the curves, moved apart
    at = -math.inf
    for y, line in sorted(labels, key=lambda pair: pair[0]):
        at = max(y, at + 15)
        parts.append(text_at(width - right + 8, at + 4, f"label {line.css}", line.label, "start"))
    return figure(caption, "".join(parts), width, height, "chart" if small else "wide")


LEVELS = 8


def residency(caption, times, samples, width=430, height=190, columns=100):
    """Time to the right, the file from its start (top) to its end: the darker, the more of that
    part is in memory. samples: per time a list of per cent, one for each part."""
    left, right, top, bottom = 44, 8, 6, 34
    if not times or not samples:
        return ""
    columns = min(columns, len(times))
    rows = len(samples[0])
    # a busy processor may take them late: each column has what was seen last at its end
    ends = [times[-1] * (column + 1) / columns for column in range(columns)]
    cell_x, cell_y = (width - left - right) / columns, (height - top - bottom) / rows
    levels = [[] for _ in range(LEVELS + 1)]
    picked = [samples[max(0, bisect.bisect_right(times, end) - 1)] for end in ends]
    for row in range(rows):
        begin = 0
        while begin < columns:
            level = round(picked[begin][row] * LEVELS / 100)
            end = begin
            while end < columns and round(picked[end][row] * LEVELS / 100) == level:
                end += 1
            # a little more than its share: no hair lines between neighbours
            levels[level].append(f"M{left + begin * cell_x:.1f} {top + row * cell_y:.1f}"
                                 f"h{(end - begin) * cell_x + 0.1:.1f}v{cell_y + 0.1:.2f}"
                                 f"h-{(end - begin) * cell_x + 0.1:.1f}z")
            begin = end
    parts = [f'<rect class="empty" x="{left}" y="{top}" width="{width - left - right}" '
             f'height="{height - top - bottom}"/>']
    parts += [f'<path class="resident" opacity="{level / LEVELS:.2f}" d="{"".join(cells)}"/>'
              for level, cells in enumerate(levels) if level and cells]
    foot = height - bottom
    for name, y in (("start", top + 9), ("end", foot)):
        parts.append(text_at(left - 5, y, "tick", name, "end"))
    for share in (0, 0.5, 1):
        second = times[-1] * share
        anchor = {0: "start", 0.5: "middle", 1: "end"}[share]
        parts.append(text_at(left + (width - left - right) * share, foot + 14, "tick",
                             number(second, 0 if times[-1] > 20 else 1), anchor))
    parts.append(text_at((left + width - right) / 2, height - 4, "title", "seconds"))
    return figure(caption, "".join(parts), width, height, "chart")
