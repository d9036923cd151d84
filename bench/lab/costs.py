# SPDX-License-Identifier: Apache-2.0
"""The programs of a build with and without the shim, the kernel side; the VM that counts instructions, for
bench/overhead and bench/growth. And the items of overhead.json, which the report tells."""
import json
import os

from lab.machine import call, stream

FILE_POLICY = 'schema = 1\n[[rule]]\npath = "{path}"\naction = "{action}"\n'

# of bench/overhead; item: (what it is, unit, target: at most)
ITEMS = {
    "pair-no-policy": ("mmap+munmap, shim, no policy", "ratio", None),
    "pair-no-rule": ("mmap+munmap, policy, no rule matches", "ratio", 1.15),
    "start-no-policy": ("start of a program, no policy", "ms", 1.0),
    "start-policy": ("start of a program, policy", "ms", 1.0),
    "pair-pin": ("mmap+munmap, rule matches: pin", "ratio", 1.8),
    "pair-activate": ("mmap+munmap, rule matches: activate", "ratio", 1.8),
    "pair-deactivate": ("mmap+munmap, rule matches: deactivate", "ratio", 1.8),
    "pair-stream": ("mmap+munmap, rule matches: stream", "ratio", 1.8),
    "fault-around": ("minor fault, loaded, no policy, default fault-around", "ratio", 1.01),
    "fault-around-pin": ("minor fault in a range (pin), default fault-around", "ratio", 1.05),
    "fault-around-stream": ("minor fault in a range (stream), default fault-around", "ratio", 1.05),
    "write-no-policy": ("first write to a page, loaded, no policy", "ratio", 1.01),
    "write-pin": ("first write to a page in a range (pin)", "ratio", 1.05),
    "fault-no-policy": ("minor fault, loaded, no policy, no fault-around", "ratio", 1.01),
    "fault-pin": ("minor fault in a range (pin), no fault-around", "ratio", 1.05),
    "fault-stream": ("minor fault in a range (stream), no fault-around", "ratio", 1.05),
}


class Tools:
    """A build's programs."""

    def __init__(self, build):
        self.shim, self.ppctl = build / "shim/libpagepatrol.so", build / "ctl/ppctl"
        self.overhead, self.growth = build / "bench/pp-overhead", build / "bench/pp-growth"

    def environment(self, policy):
        """For a program under the shim if `policy` (a path; "": none applies) is given."""
        bare = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        if policy is None:
            return bare
        return bare | {"LD_PRELOAD": str(self.shim), "PAGEPATROL_POLICY": str(policy)}

    def run(self, program, *arguments, policy=None):
        """The JSON that it prints."""
        return json.loads(call([program, *arguments], env=self.environment(policy)))

    def arms(self, *arguments, policy=None):
        """Of pp-overhead."""
        return self.run(self.overhead, *arguments, policy=policy)["arms"]

    def load(self, module, *options):
        """`module`: its path; "": it is built into the kernel."""
        call([self.ppctl, "load", *(["--module", module] if module else []), *options])

    def unload(self):
        call([self.ppctl, "unload"])


def file_policy(folder, path, action):
    """The path of a policy that has one rule, for the files that `path` matches."""
    policy = folder / f"{action}.toml"
    policy.write_text(FILE_POLICY.format(path=path, action=action))
    return policy


class Counting:
    """The VM in which a nanosecond is an instruction: exact and repeatable, nothing is said of
    caches and pipelines. Its clock runs ahead whenever it waits for the host: the limit is one
    of the host's."""
    environment, options = ("PAGEPATROL_ACCEL=icount",), ("--cpus", "1", "--timeout", "10000000")

    def __init__(self, repo):
        self.base = ["env", *self.environment, repo / "scripts/vm", *self.options]

    def describe(self):
        return json.loads(call([*self.base, "--describe"]))

    def run(self, command, seconds=7200):
        """What it prints, a dict a line; nothing is loaded yet."""
        yield from stream(["timeout", "-k", "30", seconds, *self.base, "--no-load", "--", *command])


class Parallel(Counting):
    """The VM with a processor for each of this machine (16 at most), all at work at once."""
    environment, options = (), ("--parallel", "--cpus", min(16, os.cpu_count()), "--timeout", "7200")
