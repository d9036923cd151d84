# SPDX-License-Identifier: Apache-2.0
"""Made-up results of bench/run, for its tests."""
import types

from lab import plan, results, targets

MIB = 1 << 20
MACHINE = {"kernel": "6.12.1-test", "accelerator": "tcg", "cpus": 2, "memory_bytes": 2 << 30,
           "where": "vm", "disk": {"model": "sata", "slowdown": 20, "bytes_per_second": 28000000,
                                   "requests_per_second": 2600}}


def run(throughput, hit, **metrics):
    return {"repetition": 1, "seconds": 2.0, "cpu_seconds": 1.0, "disk_bytes": 3 * MIB,
            "major_faults": 4, "memory_stat": {"workingset_refault_file": 5}, "hit_ratio": hit,
            "metrics": {"throughput": throughput} | metrics}


def arm(name, *runs, refused=None):
    method, lru = name.split("/")
    return {"arm": name, "method": method, "lru": lru, "about": "about `it`", "refused": refused,
            "runs": list(runs)}


def sample():
    found = results.begin("abc123", "2000-01-01 00:00 UTC", True)
    workload = plan.WORKLOADS["search-large"]
    options = types.SimpleNamespace(quick=True, parts={
        "first": {"bytes": 100 * MIB, "pages": 25600}, "second": {"bytes": 1, "pages": 1}})
    best = {"capacity": 17920, "accesses": 100, "pages": 10, "optimal_misses": 44, "lru_misses": 100,
            "hit_ratio": 0.56, "lru_hit_ratio": 0.0}
    one = results.comparison(workload, MACHINE)
    results.set_up(one, workload, options, best)
    one["arms"] = [
        arm("default/classic", run(10, 0), run(12, 0), run(11, 0)),
        arm("default/mglru", run(20, 0.1), run(20, 0.1), run(20, 0.1)),
        arm("advice/mglru", refused="the program is <not> ours"),
        arm("pagepatrol/classic", run(30, 0.55), run(33, 0.54), run(36, 0.55)),
        arm("pagepatrol/mglru", run(19, 0.5), run(19, 0.5), run(19, 0.5)),
        arm("unlimited/mglru", run(44, 0.7), run(44, 0.7), run(44, 0.7))]
    for each in one["arms"][3]["runs"] + one["arms"][4]["runs"]:
        each["kernel_bytes"] = 7 * MIB
    one["optimum_beside_kernel"] = best | {"hit_ratio": 0.55}
    one["pictures"] = [{"arm": "pagepatrol/mglru", "times": [0.25, 0.5], "files": [
        {"title": "a <file>", "bytes": 4096, "samples": [[0, 50], [100, 100]]}]}]
    one["profiles"] = [{"arm": "default/mglru", "samples": 500, "seconds": 20.0, "where": [
        {"group": "idle", "name": "idle", "share": 0.6}, {"group": "kernel", "name": "filemap_fault", "share": 0.3},
        {"group": "kernel", "name": "the rest", "share": 0.1}]}, {"arm": "pagepatrol/mglru", "samples": 700, "seconds": 10.0, "where": [
            {"group": "PagePatrol", "name": "BPF pp_fault", "share": 0.25},
            {"group": "kernel", "name": "<lambda>", "share": 0.75}]},
                       {"arm": "pagepatrol/classic", "refused": "<why>"}]
    results.put(found, one, list(plan.WORKLOADS))
    found["targets"] = targets.judge(found["comparisons"])
    return found
