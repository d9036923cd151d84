# SPDX-License-Identifier: Apache-2.0
"""What bench/run runs: the workloads in the order of the report, and what --quick leaves out.
Limits and passes are the workloads' own, see workloads/."""
from dataclasses import dataclass

from lab.arms import all_arms
from lab.workloads import kv, kv_writes, patterns, search

# the kernel's defaults and PagePatrol, on both LRUs: what --quick compares
QUICK_ARMS = ("default/classic", "default/mglru", "pagepatrol/classic", "pagepatrol/mglru")
REPETITIONS = 3


@dataclass(frozen=True)
class Entry:
    workload: object
    quick: bool = False  # part of --quick
    disks: tuple = ("sata",)  # the disk models it is run with; --quick: the first


PLAN = (
    Entry(search.SearchTree(), quick=True, disks=("sata", "nvme")),
    Entry(search.SearchLarge(), quick=True, disks=("sata", "nvme")),
    Entry(kv.GetScan(0.3), quick=True, disks=("sata", "nvme")),
    Entry(kv.GetScan(0.1)),
    Entry(kv.GetScanOne()),
    Entry(kv.Backup()),
    Entry(kv.BackupTar()),
    Entry(kv.LookupScan()),
    Entry(kv_writes.Inserts()),
    *(Entry(kv.PointReads(engine, workload)) for engine in ("leveldb", "rocksdb")
      for workload in ("ycsb-c", "uniform")),
    *(Entry(kv_writes.Ycsb(engine, workload)) for engine in ("leveldb", "rocksdb")
      for workload in kv_writes.MIXES),
    Entry(patterns.Model(), quick=True),
    Entry(patterns.HotAndScan(), quick=True),
    Entry(patterns.GraphWalk()),
    Entry(patterns.Sequential()),
    Entry(patterns.CyclicBurst()),
    Entry(patterns.RandomRegion()),
    Entry(patterns.Reaccess()),
    *(Entry(patterns.RandomRead(share)) for share in (0.3, 0.6, 0.9)),
)

WORKLOADS = {entry.workload.name: entry.workload for entry in PLAN}
ARMS = {arm.name: arm for arm in all_arms()}
