# SPDX-License-Identifier: Apache-2.0
"""DAMON's own answer to the same question: its schemes lru_prio and lru_deprio over all
physical memory, through sysfs. Settings are those of the kernel's DAMON_LRU_SORT module, but
for its watermarks (it sleeps while 20 % of the machine are free, which a cgroup's limit does
not change) and the two minutes after which a region is cold (longer than a run here)."""
import contextlib
import re
from pathlib import Path

from lab.system import Failure, write

ADMIN = Path("/sys/kernel/mm/damon/admin/kdamonds")
# microseconds
SAMPLE, AGGREGATE = 5_000, 100_000
# hot: seen in half of an aggregation's samples; cold: not at all for so long
HOT_SAMPLES, COLD_AGGREGATIONS = AGGREGATE // SAMPLE // 2, 50
QUOTA_MS, QUOTA_INTERVAL_MS = 10, 1000
EVER = (1 << 32) - 1


def unavailable():
    """Why DAMON can't be used here, or None."""
    if not ADMIN.parent.exists():
        return "the kernel has no DAMON_SYSFS"
    return None


def memory_regions():
    """[start, end) of the System RAM of this machine, holes between them included in none."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", Path("/proc/iomem").read_text(),
                       re.MULTILINE)
    regions = [(int(start, 16), int(end, 16) + 1) for start, end in found]
    if not regions or regions[-1][1] <= 1:
        raise Failure("/proc/iomem does not say where memory is (root can see it)")
    return regions


def _scheme(folder, action, accesses, age):
    write(folder / "action", action)
    pattern = folder / "access_pattern"
    for key, (low, high) in {"sz": (4096, 1 << 62), "nr_accesses": accesses, "age": age}.items():
        write(pattern / key / "min", str(low))
        write(pattern / key / "max", str(high))
    write(folder / "quotas/ms", str(QUOTA_MS))
    write(folder / "quotas/reset_interval_ms", str(QUOTA_INTERVAL_MS))


def _set_up(kdamond):
    write(kdamond / "contexts/nr_contexts", "1")
    context = kdamond / "contexts/0"
    write(context / "operations", "paddr")
    write(context / "monitoring_attrs/intervals/sample_us", str(SAMPLE))
    write(context / "monitoring_attrs/intervals/aggr_us", str(AGGREGATE))
    write(context / "targets/nr_targets", "1")
    regions = memory_regions()
    target = context / "targets/0/regions"
    write(target / "nr_regions", str(len(regions)))
    for index, (start, end) in enumerate(regions):
        write(target / f"{index}/start", str(start))
        write(target / f"{index}/end", str(end))
    schemes = context / "schemes"
    write(schemes / "nr_schemes", "2")
    _scheme(schemes / "0", "lru_prio", (HOT_SAMPLES, EVER), (0, EVER))
    _scheme(schemes / "1", "lru_deprio", (0, 0), (COLD_AGGREGATIONS, EVER))


@contextlib.contextmanager
def running():
    """DAMON sorts the LRU lists inside of this. Yields a function that tells what it has done
    so far: {"lru_prio": bytes, "lru_deprio": bytes}."""
    write(ADMIN / "nr_kdamonds", "1")
    kdamond = ADMIN / "0"
    try:
        _set_up(kdamond)
        write(kdamond / "state", "on")

        def applied():
            write(kdamond / "state", "update_schemes_stats")
            stats = kdamond / "contexts/0/schemes"
            return {name: int((stats / f"{index}/stats/sz_applied").read_text())
                    for index, name in enumerate(("lru_prio", "lru_deprio"))}
        try:
            yield applied
        finally:
            write(kdamond / "state", "off")
    finally:
        write(ADMIN / "nr_kdamonds", "0")
