# SPDX-License-Identifier: Apache-2.0
"""What a measurement reads from and sets in the running kernel: caches, the LRU, the disk's
counters, PagePatrol's own. It must not know what is measured."""
import json
import os
import subprocess
from pathlib import Path

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
LRU_SWITCH = Path("/sys/kernel/mm/lru_gen/enabled")


class Failure(Exception):
    """Something could not be measured; the text says what and, if known, why."""


# all that a measurement may end with and that is no mistake of this code
FAILURES = (Failure, OSError, subprocess.CalledProcessError)


def write(path, text):
    try:
        path.write_text(text)
    except OSError as error:
        raise Failure(f"can't write '{text}' to {path}: {error.strerror}") from error


def numbers(path):
    """A file of lines "key number" as a dict."""
    return {key: int(value) for key, value in map(str.split, path.read_text().splitlines())}


def drop_caches():
    os.sync()
    write(Path("/proc/sys/vm/drop_caches"), "3")


def switch_lru(name):
    """Caches go first, so that no page is carried over from the other one. The kernel moves
    what is left from one LRU to the other at once: no boot is needed between."""
    drop_caches()
    write(LRU_SWITCH, "y" if name == "mglru" else "n")
    if (int(LRU_SWITCH.read_text(), 16) & 1) != (name == "mglru"):
        raise Failure(f"{LRU_SWITCH} does not switch to {name}")


def disk_counts(path):
    """Of the disk that `path` is on: requests and bytes read since boot, and the milliseconds
    in which any request was under way."""
    device = path.stat().st_dev
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
            # sectors of 512 bytes, whatever the disk's own size
            return {"reads": int(fields[3]), "bytes_read": int(fields[5]) * 512,
                    "busy_ms": int(fields[12])}
    raise Failure(f"{path} is not on a disk that /proc/diskstats knows")


def disk_bytes_read(path):
    return disk_counts(path)["bytes_read"]


def difference(after, before):
    return {key: after[key] - before[key] for key in after}


def status(build):
    """What PagePatrol says of itself."""
    command = [str(build / "ctl/ppctl"), "status", "--json"]
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    except subprocess.CalledProcessError as error:
        raise Failure(f"{' '.join(command)} ended with status {error.returncode}: "
                      "PagePatrol must be loaded (ppctl load)") from error
    return json.loads(done.stdout)


def counters(build):
    """PagePatrol's totals since it was loaded."""
    return status(build)["totals"]
