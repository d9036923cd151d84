# SPDX-License-Identifier: Apache-2.0
"""Tables of documents that a program fills in, between the lines <!-- NAME: begin ... --> and
<!-- NAME: end -->. A row is a dict by column; what a cell does not have is "-"."""
import re


def _place(text, name):
    place = re.search(rf"(<!-- {re.escape(name)}: begin[^\n]*-->\n)(.*?)(<!-- {re.escape(name)}: end -->)",
                      text, re.S)
    if not place:
        raise ValueError(f"no lines <!-- {name}: begin ... --> and <!-- {name}: end -->")
    return place


def read(text, name, columns):
    """The rows that are there. What has other columns is none."""
    rows = []
    for line in _place(text, name)[2].splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == len(columns):
            rows.append(dict(zip(columns, cells)))
    return rows


def table(columns, rows):
    """The lines of a table."""
    lines = [columns, ["---"] * len(columns)]
    lines += [[str(row.get(column) or "-").replace("|", "/") for column in columns] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def replace(text, name, columns, rows):
    """The document with these rows in place of those that are there."""
    place = _place(text, name)
    return text[:place.start()] + place[1] + table(columns, rows) + place[3] + text[place.end():]
