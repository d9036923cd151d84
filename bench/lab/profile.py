# SPDX-License-Identifier: Apache-2.0
"""Where the processors' time goes during a run: perf looks at what code each is in, at fixed
times. A part with interrupts off gets one look, at its end, however long it was."""
import contextlib
import os
import re
import select
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from lab.system import Failure

HERTZ = 197  # of each processor; not in step with the kernel's own 250
# what is below this share is summed up
LEAST = 0.002
PATIENCE = 120  # seconds; perf looks through /proc and all symbols before it begins
IDLE = re.compile(r"default_idle|native_safe_halt|acpi_(idle|processor_ffh)|intel_idle|mwait_idle|poll_idle|cpuidle_")
PAGEPATROL = re.compile(r"bpf_(prog|trampoline)_|(bpf_)?pp_")
# perf script: the command in 16 columns, an address, a symbol, the file it is of
SAMPLE = re.compile(r"(?P<command>.{16}) +(?P<address>[0-9a-f]+) (?P<symbol>.+?) "
                    r"\((?P<file>[^()]*(?: \(deleted\))?)\)$")
KERNEL, VSYSCALL = 1 << 63, 0xffffffffff600000


def refuses():
    """Why there is no profile, or None."""
    return None if shutil.which("perf") else "perf is not installed (package linux-perf)"


def where(line):
    """(group, name) of a sample."""
    found = SAMPLE.match(line)
    if not found:
        raise Failure(f"perf script: what is '{line}'?")
    command, symbol, file = found["command"].strip(), found["symbol"], found["file"]
    address = int(found["address"], 16)
    if address < KERNEL or address & ~0xfff == VSYSCALL:
        return "programs", f"{command}: {Path(file).name}"
    if command == "swapper" and IDLE.search(symbol):
        return "idle", "idle"
    # built into the kernel it has no file of its own
    if file == "[pagepatrol]" or PAGEPATROL.match(symbol):
        return "PagePatrol", re.sub(r"^bpf_prog_[0-9a-f]+_", "BPF ", symbol)
    return "kernel", symbol


def summed(lines):
    """{"samples", "where": [{"group", "name", "share"}]}, the largest first, of each group the rest
    last."""
    counts = Counter(where(line) for line in lines if line.strip())
    samples = sum(counts.values())
    if not samples:
        raise Failure("perf saw nothing")
    rest, kept = Counter(), []
    for (group, name), count in counts.most_common():
        if count < LEAST * samples:
            rest[group] += count
        else:
            kept.append((group, name, count))
    kept += [(group, "the rest", count) for group, count in rest.items()]
    return {"samples": samples, "where": [
        {"group": group, "name": name, "share": count / samples} for group, name, count in kept]}


class Profiler:
    """Looks on while a run goes on, see measure.py. perf ends with it, whatever happens."""

    def __init__(self):
        self.file, self.process, self.lines = None, None, []

    @contextlib.contextmanager
    def watching(self):
        with tempfile.TemporaryDirectory(prefix="pagepatrol-profile.") as folder:
            self.file = Path(folder) / "perf.data"
            try:
                with self.started() as told:
                    yield
                    self.stop(told)
            finally:
                if self.process and self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()

    @contextlib.contextmanager
    def started(self):
        """Is entered when perf looks. What perf is told by stays open until it has ended: perf 6.1
        fails at the end if it was closed."""
        theirs, orders = os.pipe()
        answers, answer = os.pipe()
        try:
            self.process = subprocess.Popen(
                ["perf", "record", "-q", "-N", "-a", "-e", "cpu-clock", "-F", str(HERTZ), "-D", "-1",
                 f"--control=fd:{theirs},{answer}", "-o", self.file], pass_fds=(theirs, answer),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                errors="replace")
        finally:
            os.close(theirs)
            os.close(answer)
        with os.fdopen(orders, "wb", buffering=0) as told, os.fdopen(answers) as answered:
            # a perf that has ended already is found out below
            with contextlib.suppress(BrokenPipeError):
                told.write(b"enable\n")
            if not select.select([answered], [], [], PATIENCE)[0] or not answered.readline().startswith("ack"):
                self.process.kill()
                raise Failure(f"perf record does not begin: {self.process.communicate()[1].strip()}")
            yield told

    def stop(self, told):
        with contextlib.suppress(BrokenPipeError):
            told.write(b"stop\n")
        try:
            said = self.process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"perf record does not end within {PATIENCE} s") from expired
        if self.process.returncode:
            raise Failure(f"perf record ended with {self.process.returncode}: {said.strip() or 'it said nothing'}")
        self.lines = self.read()

    def read(self):
        script = subprocess.run(["perf", "script", "-i", self.file, "-F", "comm,ip,sym,dso"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                check=False)
        if script.returncode:
            raise Failure(f"perf script: {script.stderr.strip()}")
        return script.stdout.splitlines()

    def result(self):
        return summed(line for line in self.lines if line[:16].strip() != "perf")
