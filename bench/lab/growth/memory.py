# SPDX-License-Identifier: Apache-2.0
"""Memory, as the kernel counts it: of the machine, of the BPF side, of a process."""
import json
from pathlib import Path

from lab.machine import call

KIB = 1024
MACHINE = {"slab_bytes": "SUnreclaim", "percpu_bytes": "Percpu", "anonymous_bytes": "AnonPages",
           "page_table_bytes": "PageTables", "stack_bytes": "KernelStack"}
# of a mapping in smaps; "Anonymous" is what is the process's alone
SMAPS = {"Rss": "rss_bytes", "Pss": "pss_bytes", "Anonymous": "anonymous_bytes"}


def of_machine(text):
    """From the text of /proc/meminfo. `used`: all that is neither free nor could be dropped."""
    kib = {key: int(value.split()[0]) for key, value in
           (line.split(":") for line in text.splitlines())}
    spare = sum(kib[key] for key in ("MemFree", "Buffers", "Cached", "SReclaimable"))
    return {"used_bytes": (kib["MemTotal"] - spare) * KIB,
            **{name: kib[key] * KIB for name, key in MACHINE.items()}}


def of_machine_now():
    return of_machine(Path("/proc/meminfo").read_text())


def of_process(text, library):
    """From the text of /proc/PID/smaps: sums over all mappings, and over those of a file with
    that name, its .bss included."""
    total = dict.fromkeys(SMAPS.values(), 0)
    own = dict.fromkeys(SMAPS.values(), 0)
    inside = False
    for line in text.splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):
            # the anonymous mapping that follows a library's is its .bss
            name = rest[4] if len(rest) > 4 else ""
            inside = name.endswith("/" + library) or (inside and not name)
        elif (key := SMAPS.get(first[:-1])):
            total[key] += int(rest[0]) * KIB
            own[key] += int(rest[0]) * KIB * inside
    return {"process": total, "library": own}


def of_process_now(pid, library):
    return of_process(Path(f"/proc/{pid}/smaps").read_text(), library)


def of_bpf():
    """Maps by name, and the programs' memory together, as they are charged."""
    maps = {one["name"]: {"value_bytes": one["bytes_value"], "max_entries": one["max_entries"],
                          "memory_bytes": int(one["bytes_memlock"])}
            for one in json.loads(call(["bpftool", "-j", "map", "show"]))}
    programs = json.loads(call(["bpftool", "-j", "prog", "show"]))
    return maps, sum(int(one["bytes_memlock"]) for one in programs)
