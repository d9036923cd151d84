# SPDX-License-Identifier: Apache-2.0
"""What PagePatrol is to reach, and whether it does. Each target is judged on each LRU against
the default on the same LRU, but for the last, which is against the better of both."""
from dataclasses import dataclass

from lab import results

LRUS = ("classic", "mglru")
# the arm that says what caching alone could give
UNLIMITED = "unlimited/mglru"


@dataclass(frozen=True)
class Target:
    workload: str
    key: str  # of a run
    what: str
    bound: float
    at_least: bool = True
    of_optimum: bool = False  # a share of the optimum's; else times the default's


TARGETS = (
    *(Target(name, *rest) for name in ("search-tree", "search-large") for rest in (
        ("throughput", "throughput, times the default's", 2.5),
        ("hit_ratio", "hit ratio, share of the optimum's", 0.95, True, True))),
    Target("get-scan-30", "throughput", "GET throughput, times the default's", 2.0),
    Target("get-scan-30", "p99", "GET P99, times the default's", 0.4, False),
    Target("get-scan-30", "scan_throughput", "SCAN throughput, times the default's", 0.9),
)
# nothing may be worse than the better default by more than this share
HARM = 0.02


def has(workload):
    """Whether there is more to reach than to do no harm."""
    return any(target.workload == workload for target in TARGETS)


def _judged(found, what, lru, value, bound, at_least, possible=None):
    if value is None:
        return None
    met = value >= bound if at_least else value <= bound
    workload, disk, kernel = results.key(found)
    return {"workload": workload, "disk": disk, "kernel": kernel, "lru": lru,
            "what": what, "value": value, "bound": bound, "at_least": at_least, "met": met,
            "possible": possible}


def _of(target, found, lru):
    name, possible = f"pagepatrol/{lru}", None
    if target.of_optimum:
        ours, best = results.summary(found, name, target.key), found["optimum"]
        value = ours.median / best[target.key] if ours and best and best[target.key] else None
    else:
        base = f"default/{lru}"
        times = results.ratio(found, name, base, target.key)
        value = times.median if times else None
        unlimited = results.ratio(found, UNLIMITED, base, target.key)
        possible = unlimited.median if unlimited else None
    return _judged(found, target.what, lru, value, target.bound, target.at_least, possible)


def _harm(found, lru):
    base, primary = results.better_default(found), found["primary"]
    times = results.ratio(found, f"pagepatrol/{lru}", base, primary["key"]) if base else None
    value = None
    if times:
        value = times.median if primary["higher_is_better"] else 1 / times.median
    return _judged(found, f"{primary['title']}, against the better default", lru, value, 1 - HARM,
                   True)


def judge(comparisons):
    """A list of verdicts: {"workload", "disk", "kernel", "lru", "what", "value", "bound", "at_least",
    "met", "possible"}. What was not measured has none. possible: the value without a memory limit,
    if that was measured."""
    verdicts = []
    for found in comparisons:
        for lru in LRUS:
            verdicts += [_of(target, found, lru) for target in TARGETS
                         if target.workload == found["workload"]]
            verdicts.append(_harm(found, lru))
    return [verdict for verdict in verdicts if verdict]
