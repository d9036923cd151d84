# SPDX-License-Identifier: Apache-2.0
"""growth.json: what bench/growth found, raw, in two parts that are measured, and replaced, each by
itself (lab/parts.py). Keys are only ever added. What can be computed from others is not in it."""
from lab import parts, stats

PARTS = {"counts": {"loaded": None, "shim": [], "lookup": [], "refused": None, "alive": [], "many": []},
         "pushes": {"push": []}}


def begin(part, machine, commit, when, quick):
    return parts.part(machine, commit, when, quick) | {
        kind: [] if isinstance(empty, list) else None for kind, empty in PARTS[part].items()}


def add(found, said):
    """Takes one dict that the guest yielded into its part."""
    kind = said.pop("kind")
    if isinstance(found[kind], list):
        found[kind].append(said)
    else:
        found[kind] = said


def by_arm(rows):
    """Rows of both arms as {processes: {arm: row}}."""
    table = {}
    for row in rows:
        table.setdefault(row["processes"], {})[row["arm"]] = row
    return table


def rates(part):
    """Pairs per second: [(processes, Summary with PagePatrol, without, ratio)]."""
    runs = {}
    for run in part["push"]:
        runs.setdefault(run["processes"], {}).setdefault(run["arm"], []).append(
            run["pairs"] / run["seconds"])
    return [(processes, stats.summary(arms["pagepatrol"]), stats.summary(arms["bare"]),
             stats.ratio(arms["pagepatrol"], arms["bare"]))
            for processes, arms in sorted(runs.items()) if len(arms) == 2]


def per_process(rows, key):
    """What a process more takes, between the fewest and the most: the difference of the arms.
    None if there are not two such pairs."""
    extra = sorted((processes, arms["pagepatrol"][key] - arms["bare"][key])
                   for processes, arms in by_arm(rows).items() if len(arms) == 2)
    if len(extra) < 2:
        return None
    (few, low), (most, high) = extra[0], extra[-1]
    return (high - low) / (most - few)
