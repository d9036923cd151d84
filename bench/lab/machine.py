# SPDX-License-Identifier: Apache-2.0
"""Where the measurements run: in the VM, started for each workload with its data as the disk
(natively: native.py). Also what is to be said of that machine, and of this code."""
import json
import subprocess
import sys
from datetime import datetime, timezone

from lab.cgroup import RUN_TIMEOUT
from lab.system import Failure


# whose programs and libraries are measured
PACKAGES = ("ripgrep", "tar", "liblmdb0", "libleveldb1d", "librocksdb7.8", "libsqlite3-0", "vmtouch", "nocache")


def call(command, **more):
    done = subprocess.run([str(part) for part in command], check=False, stdout=subprocess.PIPE,
                          text=True, **more)
    if done.returncode:
        raise Failure(f"{command[0]} ended with status {done.returncode}, see above")
    return done.stdout


def commit(repo):
    """Names the code whose results these are."""
    git = ["git", "-C", str(repo)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], check=True,
                              capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    clean = subprocess.run([*git, "diff", "--quiet", "HEAD", "--"], check=False).returncode == 0
    return name if clean else f"{name}-modified"


def packages():
    """{name: version} of what is measured, as far as it is Debian's. A guest has this machine's."""
    try:
        said = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package} ${Version}\n", *PACKAGES],
                              capture_output=True, text=True, check=False).stdout
    except OSError:
        return {}
    lines = (line.split() for line in said.splitlines())
    return {line[1]: line[2] for line in lines if line[0] == "ii"}


def now():
    """When results are from."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def module(repo, kernel="stock"):
    """The path of PagePatrol's module for one of scripts/vm's kernels, built if need be; "" if it is
    built in."""
    script = '. "$0" && kernel=$(pp_kernel "$1") && pp_module "$kernel"'
    return call(["bash", "-euc", script, repo / "scripts/lib.sh", kernel]).strip()


def own_command(repo, build, workload, parts, options):
    command = [repo / "bench/run", "--guest", workload.name, "--parts", json.dumps(parts),
               "--repetitions", options.repetitions, "--arms", ",".join(options.arms),
               "--build", build]
    return [str(part) for part in command] + (["--quick"] if options.quick else [])


def stream(command):
    """The dicts that the command prints, one a line, as they come."""
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True) as guest:
        try:
            for line in guest.stdout:
                try:
                    yield json.loads(line)
                except ValueError:
                    sys.stderr.write(line)
        except BaseException:  # ended from outside: so is the machine
            guest.terminate()
            raise
    if guest.returncode:
        raise Failure(f"the measurement ended with status {guest.returncode}, see above")


class Vm:
    """scripts/vm, with the kernel side loaded by the arm that needs it."""
    as_folder = False

    @staticmethod
    def check(build, arms):
        """Nothing to look at beforehand: a boot says what it lacks."""

    def __init__(self, repo, build, options, disk):
        self.repo, self.build, self.options = repo, build, options
        self.base = [repo / "scripts/vm", "--parallel", "--disk-model", disk]
        if options.kernel != "stock":
            self.base += ["--kernel", options.kernel]

    def describe(self):
        return json.loads(call([*self.base, "--describe"])) | {"where": "vm", "packages": packages()}

    def timeout(self):
        """Seconds. Each pass of a run has its own limit, and two more runs of some arms look closer: this
        is for a guest that hangs."""
        return max(7200, len(self.options.arms) * (self.options.repetitions + 2) * RUN_TIMEOUT)

    def run(self, workload, data, parts):
        path = module(self.repo, self.options.kernel)
        yield from stream([*self.base, "--no-load", "--disk", data, "--timeout", self.timeout(), "--",
                           *own_command(self.repo, self.build, workload, parts, self.options),
                           "--load", "--module", path, "--data", "/scratch"])
