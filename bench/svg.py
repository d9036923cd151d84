# SPDX-License-Identifier: Apache-2.0
"""Bar charts as inline SVG, for demo_report.py. Colours come from the page's style
sheet by class name, so that one chart fits light, dark and paper. Knows nothing
of what the numbers mean.
"""
import math
from dataclasses import dataclass
from html import escape


@dataclass
class Series:
    name: str
    css: str  # class of the bars
    values: list  # one per category; None: not measured


@dataclass
class Chart:
    categories: list
    series: list
    y_title: str
    x_title: str = ""
    caption: str = ""
    y_max: float = 0  # at least; more if a value needs it
    reference: tuple = ()  # (value, label): a dashed line
    decimals: int = 0
    unit: str = ""  # after the number on a bar
    width: int = 430
    height: int = 260
    css: str = "chart"  # class of the figure


LEFT, RIGHT, TOP, BOTTOM = 58, 12, 18, 46


def ticks(maximum, wanted=5):
    """Round numbers from 0 to at least maximum: steps of 1, 2 or 5 times 10^n."""
    if maximum <= 0:
        return [0, 1]
    raw = maximum / wanted
    size = 10 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 5, 10) if m * size >= raw * 0.999)
    count = math.ceil(maximum / step - 1e-9)
    return [round(i * step, 10) for i in range(count + 1)]


def number(value, decimals=0):
    """Groups of three digits, which no line break tears apart."""
    return f"{value:,.{decimals}f}".replace(",", "\N{NO-BREAK SPACE}")


def text_at(x, y, css, content, anchor="middle", extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}"{extra}>'
            f"{escape(content)}</text>")


def _axes(chart, marks, y_of):
    parts = []
    digits = 0 if all(mark == int(mark) for mark in marks) else (
        1 if all(round(mark, 1) == mark for mark in marks) else 2)
    for mark in marks:
        y = y_of(mark)
        parts.append(f'<line x1="{LEFT}" x2="{chart.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                     f'class="{"axis" if mark == 0 else "grid"}"/>')
        parts.append(text_at(LEFT - 6, y + 4, "tick", number(mark, digits), "end"))
    middle = (TOP + chart.height - BOTTOM) / 2
    parts.append(text_at(13, middle, "title", chart.y_title,
                       extra=f' transform="rotate(-90 13 {middle:.1f})"'))
    if chart.x_title:
        parts.append(text_at((LEFT + chart.width - RIGHT) / 2, chart.height - 8, "title",
                           chart.x_title))
    return parts


def _bars(chart, y_of):
    parts = []
    slot = (chart.width - LEFT - RIGHT) / max(1, len(chart.categories))
    group = min(slot * 0.82, 70 * len(chart.series))
    bar = group / max(1, len(chart.series))
    for i, category in enumerate(chart.categories):
        left = LEFT + slot * i + (slot - group) / 2
        parts.append(text_at(LEFT + slot * (i + 0.5), chart.height - BOTTOM + 16, "tick", category))
        for j, series in enumerate(chart.series):
            value = series.values[i]
            x = left + bar * j
            if value is None:
                continue
            y, bottom = y_of(value), y_of(0)
            label = number(value, chart.decimals) + chart.unit
            # a bar of nothing is still to be seen
            height = max(bottom - y, 1.5)
            parts.append(f'<rect x="{x + 1.5:.1f}" y="{bottom - height:.1f}" '
                         f'width="{bar - 3:.1f}" height="{height:.1f}" rx="1.5" '
                         f'class="{series.css}"><title>{escape(series.name)}, '
                         f"{escape(category)}: {label}</title></rect>")
            parts.append(text_at(x + bar / 2, bottom - height - 4, "value", label))
    return parts


def render(chart):
    """The chart as a <figure>."""
    values = [v for series in chart.series for v in series.values if v is not None]
    if chart.reference:
        values.append(chart.reference[0])
    marks = ticks(max([chart.y_max, *values]))
    bottom, top = chart.height - BOTTOM, TOP

    def y_of(value):
        return bottom - (bottom - top) * value / marks[-1]

    parts = _axes(chart, marks, y_of) + _bars(chart, y_of)
    if chart.reference:
        value, label = chart.reference
        y = y_of(value)
        parts.append(f'<line x1="{LEFT}" x2="{chart.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                     f'class="reference"><title>{escape(label)}</title></line>')
    caption = f"<figcaption>{escape(chart.caption)}</figcaption>" if chart.caption else ""
    return (f'<figure class="{chart.css}">{caption}'
            f'<svg viewBox="0 0 {chart.width} {chart.height}" role="img" '
            f'aria-label="{escape(chart.caption)}" '
            f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg></figure>')
