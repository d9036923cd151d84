# SPDX-License-Identifier: Apache-2.0
"""What changes its database: YCSB's mixes with updates or inserts on the log-structured stores,
inserts into SQLite. Each run has a fresh copy, which is read through and checked after it."""
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from lab.cgroup import Job, Outcome
from lab.system import Failure
from lab.workload import Metric
from lab.workloads.kv import RECORDS, KeyValue, SqliteIndex, Store, role_of

# the mix: (what it does, of which kind of operation the latencies are, the policy)
MIXES = {
    "ycsb-a": ("half reads, half updates", "get", "point-reads.toml"),
    "ycsb-b": ("95 % reads, 5 % updates", "get", "point-reads.toml"),
    "ycsb-d": ("95 % reads, mostly of what was written last, 5 % inserts", "get", "point-reads.toml"),
    "ycsb-e": ("95 % scans of 1 to 100 records, 5 % inserts", "scan", "get-scan.toml"),
    "ycsb-f": ("half reads, half read-modify-writes", "get", "point-reads.toml"),
}
# of the log-structured stores: written once, deleted when it is merged into others
TABLES = (".ldb", ".sst")


def latencies_of(kind):
    names = {"get": "read", "scan": "scan", "insert": "insert"}
    return tuple(Metric(key, f"{names[kind]} {title}", "ms", False, 2)
                 for key, title in (("p50", "P50"), ("p99", "P99"), ("p999", "P99.9")))


def copied(source, target):
    """A file of a fresh copy. A table is the same file: that takes no time, and it lies on the
    disk as it did in every other run."""
    if Path(source).suffix in TABLES:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


class Writing(KeyValue):
    """What all of them have in common, beside what their engines' classes have."""
    primary = Metric("throughput", "operations", "1/s", decimals=0)

    def folder(self, options):
        return options.data / "fresh"

    @contextlib.contextmanager
    def prepared(self, options):
        folder = self.folder(options)
        if folder.exists():  # of a run that was ended from outside
            shutil.rmtree(folder)
        try:
            shutil.copytree(options.data / self.engine, folder, copy_function=copied)
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def read(self, passes, options):
        mix = role_of(passes[0]["outcomes"][0], "mix")
        inserts = mix["kinds"]["insert"]["count"] if "insert" in mix["kinds"] else 0
        found = self.records(options)
        # those of the warm-up are there as well, but were not counted
        if found < RECORDS + inserts:
            raise Failure(f"{self.name}: {RECORDS} records and {inserts} inserted, but {found} there "
                          "when all was done")
        return super().read(passes, options)

    def records(self, options):
        """How many there are; pp-kv checks each value. In one thread, with a look-up that never
        comes, as LevelDB allows one process and --role scan is for two."""
        command = [options.build / "bench/pp-kv", "run", self.engine, self.folder(options), "--workload",
                   "get-scan", "--scans", 1, "--interleave", 1 << 40, "--warm-up", 0, "--json", "-"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{self.name}: the database after the run: {done.stderr.strip()}")
        return role_of(Outcome(Job(command), done.stdout), "scan")["operations"]


class Ycsb(Writing, Store):
    """A mix that writes."""

    def __init__(self, engine, workload):
        super().__init__(engine, workload)
        does, self.timed, self.policy = MIXES[workload]
        self.metrics = latencies_of(self.timed)
        self.title = f"YCSB {workload[-1].upper()}: {engine}"
        self.text = f"A mapped {engine} database: {does}. The limit is 30 % of the data."


class Inserts(Writing, SqliteIndex):
    """A fixed amount, so that what was read and written can be compared."""
    name, title, workload, timed = "insert-sqlite", "Inserts: SQLite", "insert", "insert"
    text = ("Rows with random keys are inserted into an SQLite database that is mapped, one at a time: its index "
            "is looked up at random, its table grows at the end. The limit is 10 % of the data: it is not what lies "
            "there that fills memory, but what is written.")
    # its index is looked up at random, and grows in between the rows: lookup-scan.toml is for one that lies apart
    policy, share = "point-reads.toml", 0.1
    threads = 1  # SQLite has one writer at a time: others would sleep, and that be measured
    metrics = latencies_of("insert")

    def passes(self, options):
        count = 5_000 if options.quick else 20_000
        return [[Job(self.command(options, "--operations", count), name="pp-kv")]]
