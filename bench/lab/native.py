# SPDX-License-Identifier: Apache-2.0
"""Measurements on this machine, as root, with PagePatrol loaded already. Must not load anything into
the running kernel."""
import os
import platform
import sys
import tempfile
from pathlib import Path

from lab.costs import file_policy
from lab.machine import call, own_command, packages, stream
from lab.system import LRU_SWITCH, PAGE, Failure, counters, difference, status

# a program that maps a file
MAPS = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
"""


def describe():
    """What is to be said of this machine."""
    return {"kernel": platform.release(), "accelerator": "none", "cpus": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * PAGE}


def check_pagepatrol(build):
    """Fails if PagePatrol is not loaded, or does nothing for a program that it should serve."""
    if not status(build)["loaded"]:
        raise Failure("--native: PagePatrol is not loaded here\n  HINT: ppctl load, or leave its arms out: "
                      "--arms default")
    before = counters(build)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        file = Path(folder) / "file"
        file.write_bytes(bytes(16 * PAGE))
        call([build / "pp-run", "--policy", file_policy(file.parent, file, "pin"), "--",
              sys.executable, "-c", MAPS, file])
    if not difference(counters(build), before)["uploads"]:
        raise Failure("--native: PagePatrol is loaded, but a program under a policy handed nothing over\n  HINT: "
                      "is what is loaded of another version than this build? ppctl unload, then ppctl load")


class Native:
    """This machine, as root, with PagePatrol loaded already."""
    as_folder = True

    def __init__(self, repo, build, options, _disk):
        self.repo, self.build, self.options = repo, build, options

    @staticmethod
    def check(build, arms):
        """Fails if one of the arms can't be measured here."""
        if os.geteuid() != 0:
            raise Failure("--native needs root: it makes memory cgroups and drops caches")
        if not LRU_SWITCH.exists():
            raise Failure(f"--native: no {LRU_SWITCH}: this kernel can't switch to MGLRU")
        if any(arm.method == "pagepatrol" for arm in arms):
            check_pagepatrol(build)

    def describe(self):
        return describe() | {"disk": {"model": "its own"}, "where": "native", "packages": packages()}

    def run(self, workload, data, parts):
        before = LRU_SWITCH.read_text().strip()
        try:
            yield from stream([*own_command(self.repo, self.build, workload, parts, self.options),
                               "--data", data])
        finally:
            LRU_SWITCH.write_text("y" if int(before, 16) & 1 else "n")
