# SPDX-License-Identifier: Apache-2.0
"""Memory cgroups of a measurement, and programs run in them: one (run_in) or several at the
same time (run_together), with what each cost. Needs root."""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from lab.system import Failure, numbers, write

CGROUPS = Path("/sys/fs/cgroup")
# far above what a run takes under emulation (seconds)
RUN_TIMEOUT = 900


@dataclass
class Job:
    """A program that takes part in a measurement."""
    command: list
    name: str = "job"
    role: str = "main"  # "main"; "server" and "scan" where one disturbs the other
    background: bool = False  # begun anew until the others are done, then ended
    environment: dict = field(default_factory=dict)  # beside what there is
    cgroup: Path | None = None  # None: that of the measurement
    ok: tuple = (0,)  # exit statuses of one that did its work


@dataclass
class Outcome:
    job: Job
    output: str = ""
    seconds: float = 0.0
    runs: int = 0  # how often it ran to its end ...
    runs_seconds: float = 0.0  # ... and what that took in all
    user_seconds: float = 0.0
    system_seconds: float = 0.0
    major_faults: int = 0
    minor_faults: int = 0

    def add(self, usage, seconds):
        self.seconds += seconds
        self.user_seconds += usage.ru_utime
        self.system_seconds += usage.ru_stime
        self.major_faults += usage.ru_majflt
        self.minor_faults += usage.ru_minflt


@contextlib.contextmanager
def memory_cgroup(name, limit, parent=CGROUPS):
    """A cgroup of its own with `limit` (bytes, None: only that of `parent`) and no swap."""
    path = parent / name
    path.mkdir()
    try:
        if limit is not None:
            write(path / "memory.max", str(limit))
        write(path / "memory.swap.max", "0")
        yield path
    finally:
        write(path / "cgroup.kill", "1")
        deadline = time.monotonic() + 10
        while "populated 1" in (path / "cgroup.events").read_text():
            if time.monotonic() > deadline:
                raise Failure(f"{path}: processes outlive cgroup.kill")
            time.sleep(0.05)
        path.rmdir()


def events(cgroup):
    return numbers(cgroup / "memory.events")


class _Run:
    """One start of a program in a cgroup."""

    def __init__(self, command, cgroup, environment):
        self.command, self.cgroup = [str(part) for part in command], cgroup
        self.stdout, self.stderr = (tempfile.TemporaryFile("w+") for _ in range(2))
        # a shell moves itself and becomes the program: nothing of ours runs between fork and
        # exec, where threads of this process might hold locks
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", 'echo 0 >"$0" && exec "$@"', str(cgroup / "cgroup.procs"),
             *self.command],
            stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=self.stderr,
            env=os.environ | environment if environment else None)
        self.started = time.monotonic()

    def wait(self):
        """stdout and resource usage; `ended` says how it ended."""
        _, status, usage = os.wait4(self.process.pid, 0)
        seconds = time.monotonic() - self.started
        # Popen must not wait again for what wait4 has reaped
        self.process.returncode = os.waitstatus_to_exitcode(status)
        with self.stdout, self.stderr:
            self.stdout.seek(0)
            self.stderr.seek(0)
            return self.stdout.read(), self.stderr.read(), usage, seconds

    def judge(self, complaints, ok=(0,)):
        code = self.process.returncode
        # what a program says that did its work is its own affair (pp-bench: a table)
        if code not in ok or "pagepatrol: " in complaints:
            sys.stderr.write(complaints)
        if code not in ok:
            what = f"signal {-code}" if code < 0 else f"exit status {code}"
            kills = events(self.cgroup).get("oom_kill", 0)
            raise Failure(f"{' '.join(self.command)}: {what}"
                          + (f", {kills} out-of-memory kill(s)" if kills else ""))
        # the shim speaks when it does not do what the policy asks: nothing to compare then
        if "pagepatrol: " in complaints:
            raise Failure(f"{' '.join(self.command)}: the policy was not in effect, see above")


def run_in(cgroup, command):
    """Runs the command in the cgroup; returns its stdout and resource usage."""
    run = _Run(command, cgroup, {})
    timer = threading.Timer(RUN_TIMEOUT, lambda: write(cgroup / "cgroup.kill", "1"))
    timer.start()
    try:
        output, complaints, usage, _ = run.wait()
    finally:
        timer.cancel()
    run.judge(complaints)
    return output, usage


class _Worker(threading.Thread):
    """Runs one job, again and again if it is a background job."""

    def __init__(self, job, cgroup, done):
        super().__init__()
        self.job, self.cgroup, self.done = job, job.cgroup or cgroup, done
        self.outcome, self.failure, self.run_now = Outcome(job), None, None
        self.lock = threading.Lock()

    def run(self):
        try:
            while self.again():
                output, complaints, usage, seconds = self.run_now.wait()
                self.outcome.add(usage, seconds)
                if self.job.background and self.done.is_set() and self.run_now.process.returncode:
                    return  # ended by us, and not one that reports then
                self.run_now.judge(complaints, self.job.ok)
                self.outcome.output = output
                self.outcome.runs += 1
                self.outcome.runs_seconds += seconds
        except (Failure, OSError) as failure:
            self.failure = failure

    def again(self):
        with self.lock:
            if self.outcome.runs and (not self.job.background or self.done.is_set()):
                return False
            self.run_now = _Run(self.job.command, self.cgroup, self.job.environment)
            return True

    def end(self, number):
        with self.lock:
            if self.run_now and self.run_now.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.run_now.process.pid, number)


def run_together(cgroup, jobs, timeout=RUN_TIMEOUT):
    """Runs all jobs at the same time. Ends when those in the foreground have; then the others
    are told to. Outcomes in the order of the jobs."""
    done = threading.Event()
    workers = [_Worker(job, cgroup, done) for job in jobs]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + timeout
    late = False
    for worker in workers:
        if not worker.job.background:
            worker.join(max(0.0, deadline - time.monotonic()))
            late = late or worker.is_alive()
    done.set()
    for worker in workers:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if worker.is_alive() and (worker.job.background or late):
                worker.end(number)
                worker.join(10)
    if late:
        raise Failure(f"{', '.join(job.name for job in jobs)}: not done within {timeout} s")
    for worker in workers:
        if worker.failure:
            raise worker.failure
    return [worker.outcome for worker in workers]
