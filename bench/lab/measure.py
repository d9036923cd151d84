# SPDX-License-Identifier: Apache-2.0
"""One repetition of one arm: a fresh memory cgroup, cold caches, the jobs, and what the kernel
counted meanwhile. And all of a workload: the arms in turn, repetition by repetition. Runs
where the measurement is, as root."""
import contextlib
import os
import subprocess
import time

from lab import profile, residency, results, targets
from lab.cgroup import memory_cgroup, run_together
from lab.system import (FAILURES, Failure, difference, disk_counts, drop_caches, numbers, switch_lru)

# of the cgroup's memory.stat; those that grow only
STAT = ("pgfault", "pgmajfault", "pgscan", "pgsteal", "pgactivate", "pgdeactivate",
        "workingset_refault_file", "workingset_activate_file")


# the arms of which residency maps are made
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


class Spent:
    """What a cgroup has used up from now on. Before that lockers may have been at work in it."""

    def __init__(self, cgroup):
        self.cgroup, self.before = cgroup, self.totals(cgroup)

    @staticmethod
    def totals(cgroup):
        return {"memory_stat": stat_of(cgroup), "cpu_seconds": cpu_seconds(cgroup),
                "memory_stall_seconds": stall_seconds(cgroup)}

    def so_far(self):
        now, before = self.totals(self.cgroup), self.before
        stalls = now["memory_stall_seconds"], before["memory_stall_seconds"]
        return {"memory_stat": difference(now["memory_stat"], before["memory_stat"]),
                "cpu_seconds": now["cpu_seconds"] - before["cpu_seconds"],
                "memory_stall_seconds": None if None in stalls else stalls[0] - stalls[1]}


def warm_programs(passes, arm, workload, options):
    """Programs and libraries are on another file system: not part of what is measured."""
    seen = set()
    for job in (job for jobs in passes for job in jobs if arm.has(job)):
        changed = arm.change(job, workload, options)
        prefix = changed.command[:max(0, len(changed.command) - len(job.command))]
        command = tuple(str(part) for part in (*prefix, job.command[0]))
        if command not in seen:
            seen.add(command)
            subprocess.run([*command, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)


def run_passes(workload, arm, cgroup, passes, options):
    done = []
    for jobs in passes:
        disk, start = disk_counts(options.data), time.monotonic()
        outcomes = run_together(cgroup, [arm.change(job, workload, options) for job in jobs if arm.has(job)])
        done.append({"seconds": time.monotonic() - start, "outcomes": outcomes,
                     "disk": difference(disk_counts(options.data), disk)})
    return done


def total(passes):
    """The numbers that every run has, over all passes."""
    outcomes = [outcome for each in passes for outcome in each["outcomes"]]
    return {
        "seconds": sum(each["seconds"] for each in passes),
        "user_seconds": sum(outcome.user_seconds for outcome in outcomes),
        "system_seconds": sum(outcome.system_seconds for outcome in outcomes),
        "major_faults": sum(outcome.major_faults for outcome in outcomes),
        "minor_faults": sum(outcome.minor_faults for outcome in outcomes),
        "disk_bytes": sum(each["disk"]["bytes_read"] for each in passes),
        "disk_reads": sum(each["disk"]["reads"] for each in passes),
        "disk_busy_seconds": sum(each["disk"]["busy_ms"] for each in passes) / 1e3,
        "pass_seconds": [round(each["seconds"], 3) for each in passes],
        "pass_disk_bytes": [each["disk"]["bytes_read"] for each in passes],
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
            spent = Spent(cgroup)
            with arm.watching(workload, options) as seen, \
                    watcher.watching() if watcher else contextlib.nullcontext():
                done = run_passes(workload, arm, cgroup, passes, options)
        run = total(done) | spent.so_far()
        # what was read to be locked is read from the disk as well, if before the clock ran
        run["disk_bytes"] += said.get("locked_bytes", 0)
        run["kernel_bytes"] = kernel_bytes(cgroup)
    return run | said | seen, done


def measure(workload, arms, repetitions, options):
    """Yields what there is to say, as dicts with the key "kind": "refused", "run", "picture",
    "profile".
    The arms take turns, every other repetition in the opposite order: what changes over time
    meets all of them nearly alike, and what the last ones need stays from one to the next."""
    with Preparation() as preparation:
        yield from take_turns(workload, arms, repetitions, options, preparation)


def take_turns(workload, arms, repetitions, options, preparation):
    found = results.comparison(workload, {})
    for said in compared(workload, arms, repetitions, options, preparation):
        results.add(found, said, {arm.name: arm.about for arm in arms})
        yield said
    left = [arm for arm in arms if arm.essential and not arm.refuses(workload)]
    worth = not options.quick and (targets.has(workload.name) or targets.harmed(found))
    yield from look_closer(workload, preparation.ready_first(left), options, preparation, worth)


def compared(workload, arms, repetitions, options, preparation):
    able = []
    for arm in arms:
        reason = arm.refuses(workload)
        if reason:
            yield {"kind": "refused", "arm": arm.name, "reason": reason}
        else:
            able.append(arm)
    first = None  # the answer that all must get, and who got it first
    for repetition in range(repetitions):
        for arm in able[::-1 if repetition % 2 else 1]:
            preparation.turn_to(arm, options)
            try:
                run, answer = measure_once(workload, arm, options)
                first = first or (answer, arm.name)
                if answer != first[0]:
                    raise Failure(f"{workload.name}: {arm.name} did not get the result that {first[1]} got")
            except FAILURES as failure:
                if arm.essential:
                    raise
                able.remove(arm)
                yield {"kind": "refused", "arm": arm.name, "reason": f"{results.FAILED}{failure}"}
            else:
                yield {"kind": "run", "arm": arm.name, "repetition": repetition + 1} | run


def look_closer(workload, arms, options, preparation, worth_profile):
    """Runs that are in no table, as looking costs time. What was measured is none the worse for one
    that fails."""
    def looked(arm, make_watcher):
        try:
            preparation.turn_to(arm, options)
            watcher = make_watcher()
            run, _ = measure_once(workload, arm, options, watcher)
            return watcher.result() | {"seconds": run["seconds"]}
        except FAILURES as failure:
            return {"refused": str(failure)}

    def sampler():
        return residency.Sampler({title: options.data / path for title, path in workload.pictured.items()})
    no_profile = profile.refuses()
    for arm in arms:
        if workload.pictured and arm.name in PICTURED:
            yield {"kind": "picture", "arm": arm.name} | looked(arm, sampler)
        if worth_profile:
            yield {"kind": "profile", "arm": arm.name} | (
                {"refused": no_profile} if no_profile else looked(arm, profile.Profiler))
