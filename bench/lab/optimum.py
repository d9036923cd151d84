# SPDX-License-Identifier: Apache-2.0
"""Belady's optimum of a workload's trace, by pp-belady."""
import itertools
import json
import subprocess
from array import array

from lab.system import Failure

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


def of(workload, options):
    """None where there is no trace. hit_ratio: of all accesses, the first ones included."""
    pages = workload.trace(options)
    if pages is None:
        return None
    found = compute(options.build, pages, workload.optimum_pages(options))
    accesses = found["accesses"]
    return found | {"hit_ratio": 1 - found["optimal_misses"] / accesses,
                    "lru_hit_ratio": 1 - found["lru_misses"] / accesses}
