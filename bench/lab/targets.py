# SPDX-License-Identifier: Apache-2.0
"""What PagePatrol is to reach, and whether it does. Each target is judged on each LRU against
the default on the same LRU; that nothing got worse, against the better of both."""
from dataclasses import dataclass

from lab import results

LRUS = ("classic", "mglru")
# nothing may be worse than the better default by more than this share
HARM = 0.02
# the arm that says what caching alone could give
UNLIMITED = "unlimited/mglru"
# and the one that says what a server can do that nobody disturbs
ALONE = "alone/mglru"


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
    *(Target(f"random-{share}", "cpu_seconds", "CPU time, times the default's", 1 + HARM, False)
      for share in (30, 60, 90)),
)
# beside the primary metric: what may not be worse either, where a workload has it
UNHARMED = ("scan_throughput",)


def has(workload):
    """Whether more is asked of it than that the better default is no better."""
    return any(target.workload == workload for target in TARGETS)


def meets(verdict, value):
    return value >= verdict["bound"] if verdict["at_least"] else value <= verdict["bound"]


def within_spread(verdict):
    """Whether some of the repetitions say one thing and some the other."""
    return meets(verdict, verdict["low"]) != meets(verdict, verdict["high"])


def _of(target, found, lru):
    """(what was measured or None, the default that it is against, the same without a limit or None)"""
    name, base = f"pagepatrol/{lru}", f"default/{lru}"
    if not target.of_optimum:
        return (results.ratio(found, name, base, target.key), base,
                results.ratio(found, UNLIMITED, base, target.key))
    return results.optimum_share(found, lru, found["optimum"]), base, None


def _against_better(found, lru, metric):
    """(how many times as good as the better default, or None; that default)"""
    base = results.better_default(found, metric)
    times = results.ratio(found, f"pagepatrol/{lru}", base, metric["key"]) if base else None
    return times if times is None or metric["higher_is_better"] else times.inverted(), base


def harmed(found):
    """Whether PagePatrol did worse than it may, on either LRU."""
    ratios = (_against_better(found, lru, metric)[0] for lru in LRUS for metric in _unharmed(found))
    return any(times and times.median < 1 - HARM for times in ratios)


def _unharmed(found):
    """The metrics that may not be worse."""
    return found["primary"], *(metric for metric in found["metrics"] if metric["key"] in UNHARMED)


def _judged(found, lru):
    """(what, measured, base, bound, at_least, possible) of all that is asked of a comparison."""
    for target in TARGETS:
        if target.workload == found["workload"]:
            measured, base, possible = _of(target, found, lru)
            yield target.what, measured, base, target.bound, target.at_least, possible
    for metric in _unharmed(found):
        times, base = _against_better(found, lru, metric)
        yield f"{metric['title']}, against the better default", times, base, 1 - HARM, True, None


def judge(comparisons):
    """A list of verdicts: {"workload", "disk", "kernel", "lru", "what", "value", "low", "high", "bound",
    "at_least", "met", "base", "possible"}. What was not measured has none, nor what failed. low, high:
    of the repetitions. base: the default that it is against. possible: the value without a memory
    limit, if that was measured."""
    verdicts = []
    for found in comparisons:
        if found["failure"]:
            continue
        workload, disk, kernel = results.key(found)
        for lru in LRUS:
            for what, measured, base, bound, at_least, possible in _judged(found, lru):
                if measured:
                    verdict = {"workload": workload, "disk": disk, "kernel": kernel, "lru": lru,
                               "what": what, "value": measured.median, "low": measured.low,
                               "high": measured.high, "bound": bound, "at_least": at_least,
                               "base": base, "possible": possible and possible.median}
                    verdicts.append(verdict | {"met": meets(verdict, measured.median)})
    return verdicts
