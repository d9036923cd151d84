# SPDX-License-Identifier: Apache-2.0
"""How the report calls and writes things."""
from svg import number

from lab import results

LRU = {"classic": "classic LRU", "mglru": "MGLRU"}
METHODS = {"default": "kernel's default", "pagepatrol": "PagePatrol", "advice": "program's own advice",
           "vmtouch": "vmtouch -l", "nocache": "nocache", "cgroup": "cgroup of its own",
           "damon": "DAMON", "unlimited": "no memory limit", "alone": "server alone"}
DISKS = {"sata": "disk like a SATA SSD", "nvme": "disk like an NVMe drive", "none": "disk not limited"}
MIB = 1 << 20


def arm(found):
    return f"{METHODS[found['method']]}, {LRU[found['lru']]}"


def reason(refused):
    """Why an arm has no figures."""
    return refused if refused.startswith(results.FAILED) else f"not here: {refused}"


def css(found):
    """The class of its colour."""
    kind = found["method"] if found["method"] in ("default", "pagepatrol") else "other"
    return {"default": "default", "pagepatrol": "policy", "other": "other"}[kind] + (
        " second" if found["lru"] == "classic" else "")


def percent(share, decimals=1):
    return f"{number(100 * share, decimals)}\u00a0%"


def times(value):
    return f"{value:.2f}\u00a0×"


def mebibytes(count, decimals=0):
    return f"{number(count / MIB, decimals)}\u00a0MiB"


def disk(machine):
    model = machine["disk"]["model"]
    return DISKS.get(model, f"disk: {model}")


def several_kernels(found):
    """Whether what is of which kernel has to be said."""
    return len({one["machine"]["kernel"] for one in found["comparisons"]}) > 1


def spread(summary, decimals, form="{}<small>{} to {}</small>"):
    """The median, below it the range of the repetitions if there is one. HTML, unless by another `form`."""
    middle, low, high = (number(value, decimals) for value in (summary.median, summary.low, summary.high))
    return middle if low == high else form.format(middle, low, high)
