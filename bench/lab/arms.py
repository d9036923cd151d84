# SPDX-License-Identifier: Apache-2.0
"""The alternatives that are compared: what a user has without PagePatrol, and PagePatrol. An
arm says on which workloads it can't run and why, changes the jobs of one that it can, and sets
up what must be there meanwhile. It must not know any workload by name."""
import contextlib
import dataclasses
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from lab import costs, damon
from lab.cgroup import memory_cgroup
from lab.system import MIB, Failure, counters, difference

# the scanner's own part of the memory limit in the arm `cgroup`, and what it needs at least, with its
# stack, heap and page tables, not to be killed
SCANNER_SHARE, SCANNER_LEAST = 0.1, 8 * MIB
ONE_PROCESS = "one process does all of it: there is no other to set apart"


class Arm:
    """The kernel's default."""
    method, about = "default", "the kernel's default"
    essential = True  # if it fails there is nothing to compare

    def __init__(self, lru):
        self.lru = lru

    @property
    def name(self):
        return f"{self.method}/{self.lru}"

    def refuses(self, workload):  # pylint: disable=unused-argument
        """Why it can't run on the workload, or None."""
        return None

    def limit(self, workload, options):
        """memory.max in bytes; None: all that the machine has."""
        return workload.limit(options)

    def has(self, job):  # pylint: disable=unused-argument
        """Whether it runs the job at all."""
        return True

    def change(self, job, workload, options):  # pylint: disable=unused-argument
        """The job as this arm runs it."""
        return job

    @contextlib.contextmanager
    def prepared(self, options):  # pylint: disable=unused-argument
        """What must be there before anything else."""
        yield

    @contextlib.contextmanager
    def around(self, workload, cgroup, options):  # pylint: disable=unused-argument
        """What is there while the jobs run. Yields a dict that has, at the end, what the arm
        itself has to say of the run."""
        yield {}

    @contextlib.contextmanager
    def watching(self, workload, options):  # pylint: disable=unused-argument
        """The same of the jobs alone: inside of around(), when the programs have been started once."""
        yield {}


class Alternative(Arm):
    """One that may fail without harm to the others."""
    essential = False


class Unlimited(Alternative):
    """Not an alternative but a bound: what caching alone could give."""
    method, about = "unlimited", ("not an alternative: the kernel's default without a memory limit, where "
                                  "all data stays once it has been read")

    def limit(self, workload, options):
        return None


class Alone(Alternative):
    """The other bound: what the one that is disturbed can do at all."""
    method, about = "alone", ("not an alternative: the kernel's default with the same limit, and no scanner beside "
                              "the server")

    def refuses(self, workload):
        return None if "scan" in workload.roles else ONE_PROCESS

    def has(self, job):
        return job.role != "scan"


def _wrapped(job, prefix):
    return dataclasses.replace(job, command=[*prefix, *job.command])


class Advice(Alternative):
    """The program changed by its author: the best that madvise, posix_fadvise and mlock2 can
    say, knowing the access pattern beforehand."""
    method, about = "advice", "madvise, fadvise, mlock2 by the program itself, which knows what comes"

    def refuses(self, workload):
        return None if workload.advised else workload.not_advised

    def change(self, job, workload, options):
        return workload.advised(job, options)


class Vmtouch(Alternative):
    """The administrator locks the files that are to stay, as far as they fit."""
    method, about = "vmtouch", "`vmtouch -l` of what is to stay, as far as it fits"

    def refuses(self, workload):
        if not shutil.which("vmtouch"):
            return "vmtouch is not installed"
        return None if workload.locked else workload.not_locked

    @contextlib.contextmanager
    def around(self, workload, cgroup, options):
        lockers, lists = [], tempfile.TemporaryDirectory()
        # in the cgroup: the locked pages are part of its limit, as any other arm's are
        for number, (ranges, paths) in enumerate(workload.locked(options)):
            names = Path(lists.name) / str(number)
            names.write_text("".join(f"{path}\n" for path in paths))
            command = ["vmtouch", "-l", "-q", *(["-p", ranges] if ranges else []), "-b", str(names)]
            lockers.append(subprocess.Popen(
                ["/bin/sh", "-c", 'echo 0 >"$0" && exec "$@"', str(cgroup / "cgroup.procs"),
                 *command], stdin=subprocess.DEVNULL))
        try:
            yield {"locked_bytes": self.wait_locked(lockers, cgroup)}
            if any(locker.poll() is not None for locker in lockers):
                raise Failure("vmtouch ended while it should have held its locks")
        finally:
            for locker in lockers:
                locker.send_signal(signal.SIGTERM)
                locker.wait()
            lists.cleanup()

    @staticmethod
    def wait_locked(lockers, cgroup):
        """Until nothing more gets locked: vmtouch -l says nothing when it has what it wants."""
        last, still = -1, 0
        while still < 4:
            time.sleep(0.5)
            if any(locker.poll() is not None for locker in lockers):
                raise Failure("vmtouch could not lock what it was told to")
            stat = dict(map(str.split, (cgroup / "memory.stat").read_text().splitlines()))
            now = int(stat["unevictable"])
            still = still + 1 if now == last and now else 0
            last = now
        return last


class NoCache(Alternative):
    """The scanner drops what it brought in when it closes a file."""
    method, about = "nocache", "the scanner runs under `nocache`"

    def refuses(self, workload):
        return None if shutil.which("nocache") else "nocache is not installed"

    def change(self, job, workload, options):
        if job.role == "scan" or "scan" not in workload.roles:
            return _wrapped(job, ["nocache"])
        return job


class ScannerCgroup(Alternative):
    """The scanner has a small memory limit of its own, inside of the common one."""
    method, about = "cgroup", (f"the scanner in a cgroup of its own, with {SCANNER_SHARE:.0%} of the memory, but "
                               f"{SCANNER_LEAST // MIB} MiB at least")

    def __init__(self, lru):
        super().__init__(lru)
        self.path = None

    def refuses(self, workload):
        return None if "scan" in workload.roles else ONE_PROCESS

    def change(self, job, workload, options):
        return dataclasses.replace(job, cgroup=self.path[job.role])

    @contextlib.contextmanager
    def around(self, workload, cgroup, options):
        (cgroup / "cgroup.subtree_control").write_text("+memory +io")
        limit = max(SCANNER_LEAST, int(SCANNER_SHARE * workload.limit(options)))
        # one that has children may have no processes itself
        with memory_cgroup("rest", None, cgroup) as rest, \
                memory_cgroup("scanner", limit, cgroup) as scanner:
            self.path = {"scan": scanner, "server": rest, "main": rest}
            yield {"scanner_limit_bytes": limit}


class Damon(Alternative):
    """The kernel's own monitor sorts the LRU lists."""
    method, about = "damon", "DAMON's schemes lru_prio and lru_deprio"

    def refuses(self, workload):
        return damon.unavailable()

    @contextlib.contextmanager
    def around(self, workload, cgroup, options):
        with damon.running() as applied:
            said = {}
            yield said
            said["damon_bytes"] = applied()


class PagePatrol(Arm):
    """The shipped policy."""
    method, about = "pagepatrol", "PagePatrol with the shipped policy"

    def refuses(self, workload):
        return None if workload.policy else workload.not_policed

    def change(self, job, workload, options):
        policy = workload.policies().get(job.role)
        if not policy:
            return job
        return _wrapped(job, [options.build / "pp-run", "--policy", options.repo / "policies" / policy,
                              "--"])

    @contextlib.contextmanager
    def prepared(self, options):
        """The kernel side is loaded for this arm alone, where that is ours to do."""
        if not options.load:
            yield
            return
        tools = costs.Tools(options.build)
        tools.load(options.module)
        try:
            yield
        finally:
            tools.unload()

    @contextlib.contextmanager
    def watching(self, workload, options):
        before, said = counters(options.build), {}
        yield said
        said["counters"] = spent = difference(counters(options.build), before)
        if not spent["uploads"]:
            raise Failure(f"{workload.name}: the policy matched nothing, no range was pushed")
        if not any(spent.get(key) for key in workload.effects):
            raise Failure(f"{workload.name}: the policy had no effect: "
                          f"none of {', '.join(workload.effects)} was counted")


METHODS = (Arm, Advice, Vmtouch, NoCache, ScannerCgroup, Damon, Unlimited, Alone, PagePatrol)


def all_arms():
    """In the order of the report. Defaults and PagePatrol on both LRUs; the rest on MGLRU, which
    Debian has, but DAMON on both as its schemes were made for the classic lists."""
    both = (Arm, Damon, PagePatrol)
    return [method(lru) for method in METHODS
            for lru in (("classic", "mglru") if method in both else ("mglru",))]
