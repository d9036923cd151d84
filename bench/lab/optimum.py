# SPDX-License-Identifier: Apache-2.0
"""Belady's optimum of a workload's trace, by pp-belady."""
import itertools
import json
import subprocess
from array import array

from lab.system import PAGE, Failure

BLOCK = 1 << 16


def compute(build, pages, capacity):
    """{"capacity", "accesses", "pages", "optimal_misses", "lru_misses"} of the page numbers in
    `pages`, of which `capacity` fit."""
    command = [str(build / "bench/pp-belady"), str(capacity)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as belady:
        pages = iter(pages)
        try:
            while block := array("Q", itertools.islice(pages, BLOCK)):
                belady.stdin.write(block.tobytes())
            belady.stdin.close()
        except BrokenPipeError:
            pass
        out = belady.stdout.read()
    if belady.returncode:
        raise Failure(f"{command[0]} ended with status {belady.returncode}")
    return json.loads(out)


class Optimum:
    """Of one workload; its trace is made once."""

    def __init__(self, workload, options):
        pages = workload.trace(options)
        self.pages = None if pages is None else array("Q", pages)
        self.build, self.capacity = options.build, workload.optimum_pages(options)

    def beside(self, taken=0):
        """With all of the limit for pages of files but `taken` bytes. None where there is no trace.
        hit_ratio: of all accesses, the first ones included."""
        if self.pages is None:
            return None
        found = compute(self.build, self.pages, max(1, self.capacity - taken // PAGE))
        accesses = found["accesses"]
        return found | {"hit_ratio": 1 - found["optimal_misses"] / accesses,
                        "lru_hit_ratio": 1 - found["lru_misses"] / accesses}
