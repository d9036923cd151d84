# SPDX-License-Identifier: Apache-2.0
"""One repetition of one arm: a fresh memory cgroup, cold caches, the jobs, and what the kernel
counted meanwhile. And all of a workload: the arms in turn, repetition by repetition. Runs
where the measurement is, as root."""
import contextlib
import os
import subprocess
import time

from lab import profile, residency, targets
from lab.cgroup import memory_cgroup, run_together
from lab.system import (Failure, difference, disk_counts, drop_caches, numbers, switch_lru)

# of the cgroup's memory.stat; those that grow only
STAT = ("pgfault", "pgmajfault", "pgscan", "pgsteal", "pgactivate", "pgdeactivate",
        "workingset_refault_file", "workingset_activate_file")


# the arms of which residency maps and profiles are made
PICTURED = ("default/mglru", "pagepatrol/mglru")


def stat_of(cgroup):
    found = numbers(cgroup / "memory.stat")
    return {key: found[key] for key in STAT if key in found}


def kernel_bytes(cgroup):
    """What the kernel itself has in the cgroup; after the programs' end: inodes, dentries."""
    return numbers(cgroup / "memory.stat")["kernel"]


def stall_seconds(cgroup):
    """How long everything in the cgroup waited for memory (PSI); None without it."""
    try:
        full = (cgroup / "memory.pressure").read_text().splitlines()[1]
    except (OSError, IndexError):
        return None
    return int(full.rpartition("total=")[2]) / 1e6


def cpu_seconds(cgroup):
    return numbers(cgroup / "cpu.stat")["usage_usec"] / 1e6


def warm_programs(passes, arm, workload, options):
    """Programs and libraries are on another file system: not part of what is measured."""
    seen = set()
    for job in (job for jobs in passes for job in jobs):
        command = [str(part) for part in job.command]
        if command[0] not in seen:
            seen.add(command[0])
            changed = arm.change(job, workload, options)
            prefix = changed.command[:max(0, len(changed.command) - len(job.command))]
            subprocess.run([*map(str, prefix), command[0], "--help"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def run_passes(workload, arm, cgroup, passes, options):
    results = []
    for jobs in passes:
        disk, start = disk_counts(options.data), time.monotonic()
        outcomes = run_together(cgroup, [arm.change(job, workload, options) for job in jobs])
        results.append({"seconds": time.monotonic() - start, "outcomes": outcomes,
                        "disk": difference(disk_counts(options.data), disk)})
    return results


def total(results):
    """The numbers that every run has, over all passes."""
    outcomes = [outcome for result in results for outcome in result["outcomes"]]
    return {
        "seconds": sum(result["seconds"] for result in results),
        "user_seconds": sum(outcome.user_seconds for outcome in outcomes),
        "system_seconds": sum(outcome.system_seconds for outcome in outcomes),
        "major_faults": sum(outcome.major_faults for outcome in outcomes),
        "minor_faults": sum(outcome.minor_faults for outcome in outcomes),
        "disk_bytes": sum(result["disk"]["bytes_read"] for result in results),
        "disk_reads": sum(result["disk"]["reads"] for result in results),
        "disk_busy_seconds": sum(result["disk"]["busy_ms"] for result in results) / 1e3,
        "pass_seconds": [round(result["seconds"], 3) for result in results],
        "pass_disk_bytes": [result["disk"]["bytes_read"] for result in results],
    }


class Preparation(contextlib.ExitStack):
    """What the arm in turn needs beforehand. It stays for the next one if that is of the same
    method: loading takes seconds."""

    def __init__(self):
        super().__init__()
        self._method = None

    def turn_to(self, arm, options):
        if arm.method != self._method:
            self._method = None
            self.close()
            self.enter_context(arm.prepared(options))
            self._method = arm.method

    def ready_first(self, arms):
        """The arms, those first that need what is there already."""
        return sorted(arms, key=lambda arm: arm.method != self._method)


def measure_once(workload, arm, options, watcher=None):
    """(the run's numbers, the programs' answer)"""
    with workload.prepared(options):
        run, passes = run_once(workload, arm, options, watcher)
        run["metrics"] = workload.read(passes, options)
        return run, workload.answer(passes)


def run_once(workload, arm, options, watcher):
    """(the numbers that every run has, what the passes gave)"""
    passes = workload.passes(options)
    switch_lru(arm.lru)
    name = f"bench-{workload.name}-{arm.method}-{os.getpid()}"
    with memory_cgroup(name, arm.limit(workload, options)) as cgroup:
        # vmtouch and its like change what change() gives only inside of around()
        with arm.around(workload, cgroup, options) as said:
            drop_caches()
            warm_programs(passes, arm, workload, options)
            before = stat_of(cgroup)
            with watcher.watching() if watcher else contextlib.nullcontext():
                results = run_passes(workload, arm, cgroup, passes, options)
        run = total(results)
        # what was read to be locked is read from the disk as well, if before the clock ran
        run["disk_bytes"] += said.get("locked_bytes", 0)
        run["memory_stat"] = difference(stat_of(cgroup), before)
        run["kernel_bytes"] = kernel_bytes(cgroup)
        run["cpu_seconds"] = cpu_seconds(cgroup)
        run["memory_stall_seconds"] = stall_seconds(cgroup)
    return run | said, results


def measure(workload, arms, repetitions, options):
    """Yields what there is to say, as dicts with the key "kind": "refused", "run", "picture",
    "profile".
    The arms take turns, every other repetition in the opposite order: what changes over time
    meets all of them nearly alike, and what the last ones need stays from one to the next."""
    with Preparation() as preparation:
        yield from take_turns(workload, arms, repetitions, options, preparation)


def take_turns(workload, arms, repetitions, options, preparation):
    able = []
    for arm in arms:
        reason = arm.refuses(workload)
        if reason:
            yield {"kind": "refused", "arm": arm.name, "reason": reason}
        else:
            able.append(arm)
    answers = {}
    for repetition in range(repetitions):
        for arm in reversed(able) if repetition % 2 else able:
            preparation.turn_to(arm, options)
            run, answer = measure_once(workload, arm, options)
            answers.setdefault(answer, arm.name)
            if len(answers) > 1:
                raise Failure(f"{workload.name}: {arm.name} did not get the result that "
                              f"{next(iter(answers.values()))} got")
            yield {"kind": "run", "arm": arm.name, "repetition": repetition + 1} | run
    pictured = [arm for arm in able if arm.name in PICTURED]
    yield from look_closer(workload, preparation.ready_first(pictured), options, preparation)


def look_closer(workload, arms, options, preparation):
    """Runs that are in no table, as looking costs time."""
    def run(arm, watcher):
        preparation.turn_to(arm, options)
        measure_once(workload, arm, options, watcher)
        return watcher.result()

    def profiled(arm):
        reason = profile.refuses()
        try:
            return {"refused": reason} if reason else run(arm, profile.Profiler())
        except profile.NoProfile as failure:
            return {"refused": str(failure)}
    for arm in arms:
        if workload.pictured:
            files = {title: options.data / path for title, path in workload.pictured.items()}
            yield {"kind": "picture", "arm": arm.name} | run(arm, residency.Sampler(files))
        if targets.has(workload.name) and not options.quick:
            yield {"kind": "profile", "arm": arm.name} | profiled(arm)
