# SPDX-License-Identifier: Apache-2.0
"""Files of results in parts that are measured, and replaced, each by itself: growth.json,
overhead.json. Each part says of which code, when and where it is."""
import json

FORMAT = 1


def part(machine, commit, when, quick):
    return {"machine": machine, "commit": commit, "when": when, "quick": quick}


def load(path):
    """None if there is no such file."""
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path} is not of format {FORMAT}, which this reads: remove it, and measure it anew")
    return found


def with_part(found, name, new):
    """Beside the other part, if that was measured before."""
    return (found or {"format": FORMAT}) | {name: new}


def save(path, found):
    path.write_text(json.dumps(found, indent=1) + "\n")
