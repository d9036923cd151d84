# SPDX-License-Identifier: Apache-2.0
"""The part that runs in the VM, as root. Each function yields dicts with a "kind"; see
results.py for where they go. `counts` is for the VM that counts instructions, `pushes` for one
with its processors at work at once."""
import json
import os
import re
import subprocess
import time
from pathlib import Path

from lab import costs
from lab.growth import memory
from lab.system import PAGE, Failure

SCRATCH = Path("/scratch")
SUBSCRIPTIONS = Path("/sys/module/pagepatrol/parameters/subscriptions")
CLOCK_NANOSLEEP = 230  # number of the system call that sleep waits in, x86-64
MAX_RANGES = 1024  # PP_MAX_RANGES
LOOKUPS = (1, 10, 63, 100, 300, 1000, MAX_RANGES - 1)  # a pair is one more
ALIVE = (1, 10, 100, 1000)
PUSHERS = (1, 2, 4, 8, 16)
MANY = 100_000
SMALL_RANGES = 64  # most that a table of the small class holds
PATIENCE = 30  # seconds


class Guest:
    def __init__(self, build, quick):
        self.tools, self.quick = costs.Tools(build), quick
        self.rounds = ["--rounds", "4" if quick else "10"]
        # no page of it is on the disk: that a fault brings one in takes no waiting
        self.held_file, self.read_file = SCRATCH / "growth-held", SCRATCH / "growth-read"
        for path in (self.held_file, self.read_file):
            with path.open("wb") as file:
                file.truncate(2 * 2 * MAX_RANGES * PAGE)
        self.policy = costs.file_policy(SCRATCH, SCRATCH / "growth-*", "pin")

    def status(self):
        """What `ppctl status` says, see parsed(), with the processor time that it takes. In words:
        as JSON 100 000 ranges are a burden on who reads them."""
        command = [str(self.tools.ppctl), "status"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            text = child.stdout.read()
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise Failure(f"ppctl status ended with status {child.returncode}")
        return parsed(text) | {"status_ns": round((used.ru_utime + used.ru_stime) * 1e9)}

    def read_ns(self, ranges, policy):
        return self.tools.arms("reads", self.read_file, *self.rounds, "--ranges", ranges,
                               policy=policy)["libc"]["min"]


def parsed(text):
    """The numbers of processes, of their ranges and of subscriptions."""
    def number(pattern):
        found = re.search(pattern, text, re.MULTILINE)
        if not found:
            raise Failure(f"ppctl status does not say {pattern}")
        return int(found[1])
    return {"processes": number(r"^processes: (\d+)$"),
            "subscriptions": number(r", (\d+) address spaces subscribed$"),
            "ranges": sum(map(int, re.findall(r"^  \d.*: (\d+) ranges, may keep ", text, re.MULTILINE)))}


def subscriptions():
    return int(SUBSCRIPTIONS.read_text())


def wait_until(what, happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            raise Failure(f"not within {PATIENCE} s: {what}")
        time.sleep(0.001)


class Held:
    """Processes of `pp-growth hold`; `ready` is what it says of their start."""

    def __init__(self, guest, policy, *options):
        command = [guest.tools.growth, "hold", guest.held_file, *options]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            list(map(str, command)), env=guest.tools.environment(policy), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ready = self._line()

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"pp-growth ended with status {self.process.wait()}, see above")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        said = self._line()
        if self.process.wait():
            raise Failure(f"pp-growth ended with status {self.process.returncode}")
        return said["end_ns"]


def loaded(guest):
    """What there is before any process has a policy."""
    maps, programs = memory.of_bpf()
    yield {"kind": "loaded", "maps": maps, "programs_bytes": programs,
           "map_bytes": sum(one["memory_bytes"] for one in maps.values())}


def of_sleep(guest, policy):
    command = ["sleep", "1000"]
    with subprocess.Popen(command, env=guest.tools.environment(policy)) as child:
        try:
            call = Path(f"/proc/{child.pid}/syscall")
            wait_until("sleep sleeps",
                       lambda: call.read_text().startswith(f"{CLOCK_NANOSLEEP} "))
            return memory.of_process_now(child.pid, guest.tools.shim.name)
        finally:
            child.terminate()


def of_holder(guest, policy, ranges):
    held = Held(guest, policy, "--processes", 1, "--ranges", ranges)
    found = memory.of_process_now(held.ready["first_pid"], guest.tools.shim.name)
    held.end()
    return found


def shim(guest):
    for ranges in (0, 1, SMALL_RANGES, MAX_RANGES):
        def measured(policy, ranges=ranges):
            return of_holder(guest, policy, ranges) if ranges else of_sleep(guest, policy)
        yield {"kind": "shim", "ranges": ranges, "program": "pp-growth" if ranges else "sleep",
               "bare": measured(None)["process"], **measured(guest.policy)}


def lookups(guest):
    for ranges in LOOKUPS:
        pairs = guest.tools.arms("pairs", guest.read_file, *guest.rounds, "--count", 20, "--ranges", ranges,
                                 policy=guest.policy)
        yield {"kind": "lookup", "ranges": ranges, "fault_bare_ns": guest.read_ns(ranges, None),
               "fault_ns": guest.read_ns(ranges, guest.policy),
               "pair_bare_ns": pairs["bare"]["min"], "pair_ns": pairs["libc"]["min"]}


def refused(guest):
    asked = 2 * MAX_RANGES
    held = Held(guest, guest.policy, "--processes", 1, "--ranges", asked)
    got = guest.status()["ranges"]
    held.end()
    yield {"kind": "refused", "asked": asked, "ranges": got}


def kernel_side(guest, processes):
    """What the kernel side says of the processes that are held now."""
    status = guest.status()
    if processes != status["processes"]:
        raise Failure(f"{processes} processes, but {status['processes']} have ranges")
    maps, _ = memory.of_bpf()
    return {"ranges": status["ranges"], "subscriptions": status["subscriptions"],
            "status_ns": status["status_ns"],
            "map_bytes": sum(one["memory_bytes"] for one in maps.values()),
            "small_table_bytes": maps["pp_small_tables"]["memory_bytes"]}


def left(guest):
    """Waits until nothing is left; how long after the last process's end, and what is there then."""
    since = time.monotonic_ns()
    wait_until("all subscriptions end", lambda: subscriptions() == 0)
    gone = time.monotonic_ns() - since
    status = guest.status()
    maps, _ = memory.of_bpf()
    return {"gone_ns": gone, "left_subscriptions": status["subscriptions"],
            "left_processes": status["processes"],
            "left_map_bytes": sum(one["memory_bytes"] for one in maps.values())}


def alive(guest, kind, processes, policy, *options, ranges=1):
    before = memory.of_machine_now()
    held = Held(guest, policy, "--processes", processes, *options)
    after = memory.of_machine_now()
    found = {"kind": kind, "processes": processes, "arm": "pagepatrol" if policy else "bare",
             "start_ns": held.ready["start_ns"],
             **{key: after[key] - before[key] for key in after}}
    if policy:
        found |= kernel_side(guest, processes)
    found["fault_ns"] = guest.read_ns(ranges, policy)
    found["end_ns"] = held.end()
    if policy:
        found |= left(guest)
    return found


def growth(guest):
    for policy in (None, guest.policy):  # what is made once is not to count
        Held(guest, policy, "--processes", 10).end()
    for processes in ALIVE[:-1] if guest.quick else ALIVE:
        for policy in (None, guest.policy):
            yield alive(guest, "alive", processes, policy)


def many(guest):
    """Each with as many ranges as a small table holds, forks of the first."""
    processes = -(-(MANY // 16 if guest.quick else MANY) // SMALL_RANGES)
    for policy in (None, guest.policy):
        yield alive(guest, "many", processes, policy, "--ranges", SMALL_RANGES, "--fork",
                    ranges=SMALL_RANGES)


def counts(guest, module):
    # many() has more processes than a user may have else
    guest.tools.load(module, "--max-processes-per-user", 2 * MANY // SMALL_RANGES)
    for part in (loaded, shim, lookups, refused, growth, many):
        yield from part(guest)
    guest.tools.unload()


def pushes(guest, module):
    """Without PagePatrol: without the shim. The kernel side is not asked by mmap and munmap."""
    guest.tools.load(module)
    files = [SCRATCH / f"growth-{number}" for number in range(max(PUSHERS))]
    for file in files:
        file.write_bytes(bytes(PAGE))
    for repetition in range(2 if guest.quick else 5):
        arms = [("bare", None), ("pagepatrol", guest.policy)]
        for processes in PUSHERS:
            for arm, policy in arms[::-1] if repetition % 2 else arms:
                said = guest.tools.run(guest.tools.growth, "pairs", *files[:processes],
                                       "--milliseconds", 500 if guest.quick else 1000, policy=policy)
                yield {"kind": "push", "arm": arm, "repetition": repetition, **said}
    guest.tools.unload()
