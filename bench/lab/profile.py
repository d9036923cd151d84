# SPDX-License-Identifier: Apache-2.0
"""Where the processors' time goes during a run: perf looks at both a few hundred times a second,
at what code they are in. An interrupt that is off delays a look, so that the end of such a part
gets all of its looks (`_raw_spin_unlock_irqrestore` and its like)."""
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from lab.system import Failure

HERTZ = 197  # not in step with the kernel's own 250
# what is below this share is summed up
LEAST = 0.002
IDLE = re.compile(r"default_idle|pv_native_safe_halt|native_safe_halt|acpi_idle|intel_idle|mwait_idle|cpuidle_")
# perf script: the command, which may have blanks; an address; a symbol; the file it is of
SAMPLE = re.compile(r"\s*(?P<command>.*?)\s+[0-9a-f]+ (?P<symbol>.+) \((?P<file>.*)\)$")


def refuses():
    """Why there is no profile, or None."""
    return None if shutil.which("perf") else "perf is not installed (package linux-perf)"


def where(line):
    """(group, name) of a sample."""
    found = SAMPLE.match(line)
    if not found:
        raise Failure(f"perf script: what is '{line}'?")
    command, symbol, file = found["command"], found["symbol"], found["file"]
    if command == "swapper" and IDLE.search(symbol):
        return "idle", "idle"
    if symbol.startswith("bpf_prog_"):
        return "PagePatrol", re.sub(r"^bpf_prog_[0-9a-f]+_", "BPF ", symbol)
    if file == "[pagepatrol]":
        return "PagePatrol", symbol
    if file.startswith("[") and not file.startswith(("[vdso", "[vsyscall", "[heap", "[stack", "[unknown")):
        return "kernel", symbol
    return "programs", f"{command}: {Path(file).name}"


def summed(lines):
    """{"samples", "where": [{"group", "name", "share"}]}, the largest first, in each group the rest
    last."""
    counts = Counter(where(line) for line in lines if line.strip())
    samples = sum(counts.values())
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
    """Started and stopped around a run, see measure.py."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="pagepatrol-profile.")
        self.file = Path(self.folder.name) / "perf.data"
        self.process, self.lines = None, []

    def start(self):
        self.process = subprocess.Popen(
            ["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F", str(HERTZ), "-o", self.file],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # it writes its header just before it begins
        while self.process.poll() is None and not (self.file.exists() and self.file.stat().st_size):
            time.sleep(0.1)

    def stop(self):
        try:
            self.process.send_signal(signal.SIGINT)
            said = self.process.communicate()[1]
            if self.process.returncode not in (0, -signal.SIGINT):
                raise Failure(f"perf record: {said.strip()}")
            script = subprocess.run(["perf", "script", "-i", self.file, "-F", "comm,ip,sym,dso"],
                                    stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if script.returncode:
                raise Failure(f"perf script: {script.stderr.strip()}")
            self.lines = script.stdout.splitlines()
        finally:
            self.folder.cleanup()

    def result(self):
        return summed(line for line in self.lines if not line.lstrip().startswith("perf "))
