#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/run's parts that need no VM: statistics, targets, the plan, the optimum, the report on
made-up results. Usage: lab_test.py PP-BELADY
"""
import contextlib
import copy
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock
import xml.etree.ElementTree as ET
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
# pylint: disable=wrong-import-position
from lab import (machine, measure, optimum, plan, profile, report, residency, results, stats,  # noqa: E402
                 targets)
from lab.arms import METHODS, Arm  # noqa: E402
from lab.cgroup import Job, Outcome, run_together  # noqa: E402
from lab.report import names  # noqa: E402
from lab.system import Failure  # noqa: E402
from lab.workloads import kv, kv_writes  # noqa: E402

MIB = 1 << 20
REPO = Path(__file__).resolve().parent.parent
BELADY = Path()
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
    one["profiles"] = [{"arm": "default/mglru", "samples": 500, "where": [
        {"group": "idle", "name": "idle", "share": 0.6}, {"group": "kernel", "name": "filemap_fault", "share": 0.3},
        {"group": "kernel", "name": "the rest", "share": 0.1}]}, {"arm": "pagepatrol/mglru", "samples": 700, "where": [
            {"group": "PagePatrol", "name": "BPF pp_fault", "share": 0.25},
            {"group": "kernel", "name": "<lambda>", "share": 0.75}]},
                       {"arm": "pagepatrol/classic", "refused": "<why>"}]
    found["comparisons"] = [one]
    found["targets"] = targets.judge(found["comparisons"])
    return found


class Stats(unittest.TestCase):
    def test_summary(self):
        self.assertEqual(stats.summary([3, 1, 2]), stats.Summary(2, 1, 3, 3))
        self.assertIsNone(stats.summary([]))
        self.assertIsNone(stats.summary([1, None]))

    def test_ratio_is_of_medians_its_range_of_pairs(self):
        ratio = stats.ratio([30, 33, 36], [10, 12, 11])
        self.assertEqual(ratio.median, 3)
        self.assertEqual((ratio.low, ratio.count), (2.75, 3))
        self.assertAlmostEqual(ratio.high, 36 / 11)
        self.assertIsNone(stats.ratio([1], []))
        self.assertIsNone(stats.ratio([1], [0]))


class Targets(unittest.TestCase):
    def verdict(self, lru, what):
        return next(v for v in sample()["targets"] if v["lru"] == lru and what in v["what"])

    def test_ratio(self):
        self.assertEqual(self.verdict("classic", "times")["value"], 3)
        self.assertTrue(self.verdict("classic", "times")["met"])
        self.assertFalse(self.verdict("mglru", "times")["met"])

    def test_what_could_be_reached(self):
        self.assertEqual(self.verdict("classic", "times")["possible"], 4)
        self.assertIsNone(self.verdict("classic", "optimum")["possible"])

    def test_share_of_the_optimum(self):
        self.assertTrue(self.verdict("classic", "optimum")["met"])
        self.assertAlmostEqual(self.verdict("mglru", "optimum")["value"], 0.5 / 0.56)

    def test_harm_is_against_the_better_default(self):
        one = sample()["comparisons"][0]
        self.assertEqual(results.better_default(one, one["primary"]), "default/mglru")
        self.assertEqual(self.verdict("classic", "better")["value"], 1.65)
        self.assertEqual(self.verdict("mglru", "better")["value"], 0.95)
        self.assertFalse(self.verdict("mglru", "better")["met"])

    def test_what_was_not_measured_has_no_verdict(self):
        found = sample()["comparisons"]
        found[0]["arms"] = found[0]["arms"][:2]
        self.assertEqual(targets.judge(found), [])

    def test_the_spread(self):
        verdict = self.verdict("classic", "times")
        self.assertEqual((verdict["low"], round(verdict["high"], 2), verdict["base"]), (2.75, 3.27, "default/classic"))
        self.assertFalse(targets.within_spread(verdict))
        self.assertTrue(targets.within_spread(verdict | {"bound": 3.1}))
        self.assertFalse(targets.within_spread(verdict | {"bound": 2.75}))

    def test_what_failed_has_no_verdict(self):
        found = sample()["comparisons"]
        found[0]["failure"] = "it broke"
        self.assertEqual(targets.judge(found), [])

    def judged(self, workload, ours, default):
        """{what: verdict} on MGLRU of one run each."""
        one = results.comparison(plan.WORKLOADS[workload], MACHINE)
        one["arms"] = [arm("default/classic", default), arm("default/mglru", default), arm("pagepatrol/mglru", ours)]
        return {verdict["what"]: verdict for verdict in targets.judge([one])}

    def test_the_scan_may_not_get_worse(self):
        found = self.judged("backup", run(30, 0), run(20, 0))
        self.assertEqual(list(found), ["look-ups, against the better default"])
        for scanned, met in ((99, True), (97, False)):
            found = self.judged("get-scan-one", run(30, 0, scan_throughput=scanned), run(20, 0, scan_throughput=100))
            verdict = found["records scanned, against the better default"]
            self.assertEqual((verdict["value"], verdict["met"]), (scanned / 100, met))

    def test_processor_time_of_random_reads(self):
        for seconds, met in ((1.01, True), (1.03, False)):
            verdict = self.judged("random-60", run(1, 0) | {"cpu_seconds": seconds}, run(1, 0))[
                "CPU time, times the default's"]
            self.assertEqual((verdict["value"], verdict["bound"], verdict["met"]), (seconds, 1.02, met))

    def test_less_may_be_better(self):
        ratio = stats.ratio([2.0, 4.0, 2.0], [1.0, 1.0, 1.0])
        self.assertEqual(ratio.inverted(), stats.Summary(0.5, 0.25, 0.5, 3))

    def test_processor_time_by_read(self):
        runs = [run(1, 0) | {"disk_reads": reads} for reads in (4, 2)]
        one = {"arms": [arm("default/mglru", *runs), arm("damon/mglru", run(1, 0), run(1, 0) | {"disk_reads": 0})]}
        self.assertEqual(results.values(one, "default/mglru", "cpu_per_read"), [0.25, 0.5])
        self.assertEqual(results.values(one, "damon/mglru", "cpu_per_read"), [None, None])


class Results(unittest.TestCase):
    def test_what_measure_says_is_taken_in(self):
        one = {"arms": [], "pictures": [], "profiles": [], "optimum": {"accesses": 1024}}
        about = {"default/mglru": "x", "advice/mglru": "y"}  # in the arms' order
        results.add(one, {"kind": "refused", "arm": "advice/mglru", "reason": "because"}, about)
        for number in (1, 2):
            results.add(one, {"kind": "run", "arm": "default/mglru", "repetition": number} | run(number, 0),
                        about)
        for name in ("default/mglru", "advice/mglru"):
            results.add(one, {"kind": "picture", "arm": name, "times": [], "files": []}, about)
        results.add(one, {"kind": "profile", "arm": "default/mglru", "samples": 0, "where": []}, about)
        self.assertEqual(results.arm_of(one, "advice/mglru")["refused"], "because")
        self.assertEqual(results.values(one, "default/mglru", "throughput"), [1, 2])
        self.assertEqual(results.values(one, "default/mglru", "workingset_refault_file"), [5, 5])
        # 3 MiB of the 4 that were asked for
        self.assertEqual(results.values(one, "default/mglru", "hit_ratio"), [0.25, 0.25])
        for found in (one["pictures"], one["arms"]):
            self.assertEqual([each["arm"] for each in found], ["default/mglru", "advice/mglru"])
        self.assertEqual(len(one["profiles"]), 1)

    def test_more_than_was_asked_for(self):
        one = {"arms": [], "optimum": {"accesses": 512}}
        results.add(one, {"kind": "run", "arm": "default/mglru"} | run(1, 0), {"default/mglru": "x"})
        self.assertEqual(results.values(one, "default/mglru", "hit_ratio"), [-0.5])

    def test_what_broke_has_no_figures(self):
        one, about = {"arms": [], "optimum": None}, {"damon/mglru": "x"}
        results.add(one, {"kind": "run", "arm": "damon/mglru"} | run(1, 0), about)
        results.add(one, {"kind": "refused", "arm": "damon/mglru", "reason": "failed: it broke"}, about)
        self.assertEqual((one["arms"][0]["refused"], one["arms"][0]["runs"]), ("failed: it broke", []))

    def test_a_long_run_in_parts(self):
        order = ["search-tree", "search-large", "model"]

        def one(name, disk="sata", kernel="stock", **more):
            where = {"disk": {"model": disk}, "kernel": kernel}
            return {"workload": name, "machine": where, "failure": None} | more
        earlier = results.begin("old", "yesterday", False)
        earlier["comparisons"] = [one("model"), one("search-tree", "nvme"), one("search-tree", seconds=1)]
        found = results.begin("new", "today", False)
        results.keep(found, earlier, order)
        results.put(found, one("search-tree", seconds=2), order)
        results.put(found, one("search-tree", seconds=3, failure="it broke"), order)
        results.put(found, one("search-large"), order)
        results.put(found, one("search-tree", kernel="patched", seconds=4), order)
        self.assertEqual(
            [(*results.key(each), each["commit"], each.get("seconds")) for each in found["comparisons"]],
            [("search-tree", "nvme", "stock", "old", None), ("search-tree", "sata", "patched", "new", 4),
             ("search-tree", "sata", "stock", "new", 2), ("search-large", "sata", "stock", "new", None),
             ("model", "sata", "stock", "old", None)])
        with self.assertRaisesRegex(ValueError, "--quick"):
            results.keep(results.begin("new", "today", True), earlier, order)
        with self.assertRaisesRegex(ValueError, "no longer: model"):
            results.keep(found, earlier, order[:2])


class Turns(unittest.TestCase):
    """What runs when, with nothing run."""

    def setUp(self):
        self.turns = []

        class Named(Arm):
            def __init__(this, method, reason=None, essential=True):  # pylint: disable=no-self-argument
                super().__init__("mglru")
                this.method, this.reason, this.essential = method, reason, essential

            def refuses(this, workload):  # pylint: disable=no-self-argument
                return this.reason

            @contextlib.contextmanager
            def prepared(this, options):  # pylint: disable=no-self-argument
                self.turns.append(f"+{this.method}")
                try:
                    yield
                finally:
                    self.turns.append(f"-{this.method}")
        self.arms = [Named("a"), Named("never", "because"), Named("b")]

    def run_all(self, answers=("same",) * 6, quick=True):
        """`answers`: of the runs in turn; one that is an exception is what happens instead."""
        answers = iter(answers)

        def once(_workload, arm, _options, _sampler=None):
            self.turns.append(arm.method)
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return {"metrics": {"throughput": answer}}, "same" if isinstance(answer, float) else answer
        with unittest.mock.patch("lab.measure.measure_once", once):
            return list(measure.measure(plan.WORKLOADS["ycsb-c-leveldb"], self.arms, 3,
                                        types.SimpleNamespace(quick=quick)))

    def test_the_closer_look_begins_with_what_is_there(self):
        looked_at = []

        def closer(_workload, arms, *_):
            looked_at.extend(arm.name for arm in arms)
            return ()
        with unittest.mock.patch("lab.measure.look_closer", closer):
            self.run_all()
        self.assertEqual(looked_at, ["b/mglru", "a/mglru"])

    def test_every_other_repetition_goes_backwards(self):
        said = self.run_all()
        self.assertEqual(said[0], {"kind": "refused", "arm": "never/mglru", "reason": "because"})
        self.assertEqual([(each["arm"], each["repetition"]) for each in said[1:]],
                         [("a/mglru", 1), ("b/mglru", 1), ("b/mglru", 2), ("a/mglru", 2),
                          ("a/mglru", 3), ("b/mglru", 3)])
        # what an arm needs is there for its own turns alone
        self.assertEqual(" ".join(self.turns), "+a a -a +b b b -b +a a a -a +b b -b")

    def test_all_arms_must_get_the_same_result(self):
        with self.assertRaisesRegex(Failure, "b/mglru did not get the result that a/mglru got"):
            self.run_all(("same", "other"))
        self.assertEqual(self.turns[-1], "-b")

    def test_an_alternative_that_breaks_harms_no_other(self):
        self.arms[2].essential = False
        for answer, reason in (
                (Failure("it broke"), "failed: it broke"), (OSError(2, "gone"), "failed: [Errno 2] gone"),
                (subprocess.CalledProcessError(3, "damon"), "failed: Command 'damon' returned non-zero exit status 3."),
                ("other", "failed: ycsb-c-leveldb: b/mglru did not get the result that a/mglru got")):
            self.turns = []
            said = self.run_all(("same", answer, "same", "same"))
            self.assertEqual([each for each in said if each["kind"] == "refused"][1:],
                             [{"kind": "refused", "arm": "b/mglru", "reason": reason}])
            self.assertEqual([each["arm"] for each in said if each["kind"] == "run"], 3 * ["a/mglru"])
            self.assertEqual(" ".join(self.turns), "+a a -a +b b -b +a a a -a")

    def test_default_and_pagepatrol_must_not_break(self):
        with self.assertRaisesRegex(OSError, "gone"):
            self.run_all(("same", OSError(2, "gone")))
        self.assertEqual([method.method for method in METHODS if method.essential], ["default", "pagepatrol"])

    def closer(self, workload, worth_profile, refuses=None):
        """What is looked at in runs of their own."""
        self.turns, arms = [], [arm for arm in plan.ARMS.values() if arm.essential]

        def once(_workload, arm, _options, watcher=None):
            self.turns.append(arm.name)
            watcher.result = lambda: {"samples": 1}
            return {}, ""
        with unittest.mock.patch("lab.measure.measure_once", once), \
                unittest.mock.patch("lab.residency.Residency"), \
                unittest.mock.patch("lab.profile.refuses", return_value=refuses):
            return list(measure.look_closer(
                plan.WORKLOADS[workload], arms, types.SimpleNamespace(data=Path("/")), unittest.mock.Mock(),
                worth_profile))

    def test_profiles_of_both_lrus(self):
        self.assertEqual(self.closer("search-large", True), [
            {"kind": "profile", "arm": name, "samples": 1} for name in plan.QUICK_ARMS])
        self.assertEqual(self.turns, list(plan.QUICK_ARMS))
        self.assertEqual(self.closer("search-large", False), [])
        self.assertEqual([(said["kind"], said["arm"]) for said in self.closer("model", False)],
                         [("picture", name) for name in measure.PICTURED])

    def test_a_profile_is_worth_it_where_there_is_a_target_or_harm(self):
        self.arms[0].method, self.arms[2].method = "default", "pagepatrol"
        for quick, throughput, workload, expected in (
                (False, 97.0, "ycsb-c-leveldb", True), (False, 99.0, "ycsb-c-leveldb", False),
                (True, 97.0, "ycsb-c-leveldb", False), (False, 99.0, "get-scan-30", True),
                (True, 99.0, "get-scan-30", False)):
            worth = []
            with unittest.mock.patch("lab.measure.look_closer", lambda *given: worth.append(given[-1]) or ()), \
                    unittest.mock.patch.dict(plan.WORKLOADS, {"ycsb-c-leveldb": plan.WORKLOADS[workload]}):
                self.run_all((100.0, throughput, throughput, 100.0, 100.0, throughput), quick)
            self.assertEqual(worth, [expected], (quick, throughput, workload))

    def test_no_profile_is_no_failure(self):
        self.assertEqual(self.closer("search-large", True, "there is none"), [
            {"kind": "profile", "arm": name, "refused": "there is none"} for name in plan.QUICK_ARMS])
        with unittest.mock.patch("lab.profile.Profiler", side_effect=profile.NoProfile("it broke")):
            self.assertEqual(self.closer("search-large", True)[0]["refused"], "it broke")

    def test_the_scanner_has_what_it_needs(self):
        """The limit of the arm `cgroup`."""
        for name, expected in (("get-scan-10", 8 * MIB), ("backup", int(0.1 * 0.7 * 48000) * 4096)):
            limits = {}

            @contextlib.contextmanager
            def cgroup(which, limit, _parent):
                limits[which] = limit  # pylint: disable=cell-var-from-loop
                yield Path("/cgroup")
            options = types.SimpleNamespace(parts={"lmdb": {"bytes": 48000 * 4096, "pages": 48000}})
            with unittest.mock.patch("lab.arms.memory_cgroup", cgroup), \
                    plan.ARMS["cgroup/mglru"].around(plan.WORKLOADS[name], unittest.mock.MagicMock(), options) as said:
                pass
            self.assertEqual(limits, {"rest": None, "scanner": said["scanner_limit_bytes"]})
            self.assertAlmostEqual(limits["scanner"], expected, delta=4096)

    def test_the_kernel_side_is_loaded_where_that_is_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            build, log = Path(folder), Path(folder) / "log"
            (build / "ctl").mkdir()
            (build / "ctl/ppctl").write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
            (build / "ctl/ppctl").chmod(0o755)
            for load, module in ((True, "/a/module.ko"), (True, ""), (False, None)):
                options = types.SimpleNamespace(build=build, load=load, module=module)
                with plan.ARMS["pagepatrol/mglru"].prepared(options), plan.ARMS["damon/mglru"].prepared(options):
                    pass
            self.assertEqual(log.read_text().splitlines(),
                             ["load --module /a/module.ko", "unload", "load", "unload"])

    def test_the_bound_has_no_limit(self):
        workload = plan.WORKLOADS["model"]
        limits = {arm.method: arm.limit(workload, types.SimpleNamespace(quick=True))
                  for arm in plan.ARMS.values()}
        self.assertIsNone(limits.pop("unlimited"))
        self.assertEqual(set(limits.values()), {96 * MIB})


class Jobs(unittest.TestCase):
    """Programs in a folder that looks like a cgroup."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.cgroup = Path(place.name)
        (self.cgroup / "memory.events").write_text("oom_kill 0\n")

    def ends_with(self, status, **more):
        return run_together(self.cgroup, [Job(["sh", "-c", f"echo done; exit {status}"], **more)])[0]

    def test_what_a_program_may_end_with(self):
        for status, more in ((0, {}), (1, {"ok": (0, 1)})):
            outcome = self.ends_with(status, **more)
            self.assertEqual((outcome.runs, outcome.output), (1, "done\n"))
        for status, more in ((1, {}), (2, {"ok": (0, 1)})):
            with self.assertRaisesRegex(Failure, f"exit status {status}"):
                self.ends_with(status, **more)

    def test_a_backup_finds_nothing_and_has_done_its_work(self):
        options = types.SimpleNamespace(build=Path("/build"), data=Path("/data"), quick=True)
        for name, ok in (("backup", (0, 1)), ("backup-tar", (0,))):
            (server, scan), = plan.WORKLOADS[name].passes(options)
            self.assertEqual((server.ok, scan.ok), ((0,), ok))


class Counting(unittest.TestCase):
    """What a cgroup has spent before the jobs is not theirs."""

    def test_before_the_passes(self):
        with tempfile.TemporaryDirectory() as folder:
            cgroup = Path(folder)

            def has(faults, cpu, stall):
                (cgroup / "memory.stat").write_text(f"anon 1\npgfault {faults}\n")
                (cgroup / "cpu.stat").write_text(f"usage_usec {cpu}\nuser_usec 1\n")
                (cgroup / "memory.pressure").write_text(
                    f"some avg10=0.00 total=9\nfull avg10=0.00 avg60=0.00 total={stall}\n")
            has(10, 3_000_000, 500_000)
            spent = measure.Spent(cgroup)
            has(14, 5_000_000, 2_000_000)
            self.assertEqual(spent.so_far(), {"memory_stat": {"pgfault": 4}, "cpu_seconds": 2.0,
                                              "memory_stall_seconds": 1.5})
            (cgroup / "memory.pressure").unlink()
            self.assertIsNone(spent.so_far()["memory_stall_seconds"])

    def test_the_policys_counters_are_of_the_jobs_alone(self):
        order = []

        def note(what, result=None):
            return lambda *_, **__: order.append(what) or result
        cgroup = contextlib.nullcontext(Path("/cgroup"))
        with unittest.mock.patch.multiple(
                "lab.measure", switch_lru=note("lru"), memory_cgroup=lambda *_: cgroup,
                drop_caches=note("drop"), warm_programs=note("warm"), Spent=unittest.mock.MagicMock(),
                run_passes=note("jobs"), total=note("total", {"disk_bytes": 0}), kernel_bytes=note("kernel", 0)), \
                unittest.mock.patch("lab.arms.counters", note("counters", {"uploads": 0})), \
                self.assertRaisesRegex(Failure, "the policy matched nothing"):
            options = types.SimpleNamespace(build=Path("/build"), data=Path("/data"), repo=REPO, quick=True,
                                            parts={"leveldb": {"pages": 1}})
            measure.run_once(plan.WORKLOADS["ycsb-c-leveldb"], plan.ARMS["pagepatrol/mglru"], options, None)
        self.assertEqual(order, ["lru", "drop", "warm", "counters", "jobs", "counters"])


class Kernels(unittest.TestCase):
    """The module for the kernel that the VM has, by what scripts/vm itself asks."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.repo = Path(place.name)
        (self.repo / "scripts").mkdir()
        shutil.copy(REPO / "scripts/lib.sh", self.repo / "scripts")
        for script, said in (("fetch-kernel", str(self.repo / "stock")), ("build-module", "of $2")):
            path = self.repo / "scripts" / script
            path.write_text(f'#!/bin/sh\necho "{said}"\n')
            path.chmod(0o755)
        for name, option in (("stock", "n"), ("mine", "y")):
            (self.repo / name / "boot").mkdir(parents=True)
            (self.repo / name / "release").write_text("6.12.1\n")
            (self.repo / name / "boot/config-6.12.1").write_text(f"CONFIG_PAGEPATROL={option}\n")

    def test_module_of_a_kernel(self):
        headers = f"of {self.repo}/stock/usr/src/linux-headers-6.12.1"
        self.assertEqual(machine.module(self.repo), headers)
        self.assertEqual(machine.module(self.repo, self.repo / "stock"), headers)
        self.assertEqual(machine.module(self.repo, self.repo / "mine"), "")
        with self.assertRaisesRegex(Failure, "status 125"):
            machine.module(self.repo, "/nowhere")

    def test_the_guest_is_told(self):
        options = types.SimpleNamespace(kernel="mine", repetitions=1, arms=["pagepatrol/mglru"], quick=False)
        commands = []
        with unittest.mock.patch("lab.machine.module", return_value=""), \
                unittest.mock.patch("lab.machine.stream", lambda command: commands.append(command) or ()):
            vm = machine.Vm(REPO, Path("/build"), options, "nvme")
            list(vm.run(plan.WORKLOADS["model"], Path("/image"), {}))
        command = [str(part) for part in commands[0]]
        guest = command[command.index("--", 2) + 1:]
        self.assertEqual(command[command.index("--kernel") + 1], "mine")
        self.assertEqual(guest[guest.index("--load"):], ["--load", "--module", "", "--data", "/scratch"])


class Plan(unittest.TestCase):
    def test_names_are_unique_and_files_exist(self):
        self.assertEqual(len(plan.WORKLOADS), len(plan.PLAN))
        for workload in plan.WORKLOADS.values():
            self.assertTrue(workload.title and workload.text and workload.primary and workload.dataset)
            for role, policy in workload.policies().items():
                self.assertIn(role, workload.roles)
                self.assertTrue((REPO / "policies" / policy).is_file(), policy)
            for each in plan.ARMS.values():
                self.assertNotEqual(each.refuses(workload), "")

    def test_targets_and_report_know_the_names(self):
        self.assertLessEqual(set(plan.QUICK_ARMS), set(plan.ARMS))
        for method in METHODS:
            self.assertIn(method.method, names.METHODS)


    def test_who_cant_run_says_why(self):
        def refused(name):
            found = {arm.method: reason for arm in plan.ARMS.values()
                     if (reason := arm.refuses(plan.WORKLOADS[name])) and "not installed" not in reason}
            found.pop("damon", None)  # what this kernel has
            return found
        one, scattered = "one process does all of it", "scattered over the tables"
        for name, expected in {
                "graph-walk": {"cgroup": one},
                "backup-tar": {"vmtouch": "scattered over the file"},
                "lookup-scan": {"cgroup": one},
                "insert-sqlite": {"cgroup": one},
                "ycsb-a-leveldb": {"cgroup": one, "vmtouch": scattered, "advice": "neither mappings"},
                "ycsb-e-rocksdb": {"cgroup": one, "vmtouch": scattered}}.items():
            found = refused(name)
            self.assertEqual(set(found), set(expected), name)
            for method, reason in expected.items():
                self.assertIn(reason, found[method])


class Places(unittest.TestCase):
    """What the arm vmtouch locks."""

    def test_the_index_of_an_sqlite_database(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sqlite/data.db"
            path.parent.mkdir()
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT)")
                database.executemany("INSERT INTO entry (key) VALUES (?)", [(str(n),) for n in range(9999)])
                database.execute("CREATE UNIQUE INDEX entry_key ON entry (key)")
                database.commit()
            (where, paths), = plan.WORKLOADS["lookup-scan"].locked(types.SimpleNamespace(data=Path(folder)))
            size = path.stat().st_size
            self.assertEqual(list(path.parent.iterdir()), [path])
        start, end = map(int, where.split("-"))
        self.assertEqual((paths, end, start % 4096), ([path], size, 0))
        self.assertTrue(size / 4 < start < size * 3 / 4, where)

    def test_the_most_popular_records(self):
        """What the arm advice locks of LMDB: within the limit, and in as many pieces as there may be."""
        pages = 46984  # of the database
        found = {}
        for share, name in ((0.1, "get-scan-10"), (0.3, "get-scan-30"), (0.3, "get-scan-one"), (0.7, "backup"),
                            (0.7, "backup-tar")):
            workload = plan.WORKLOADS[name]
            options = types.SimpleNamespace(build=Path("/build"), data=Path("/data"), quick=False,
                                            parts={"lmdb": {"bytes": pages * 4096, "pages": pages}})
            limit = workload.limit(options)
            self.assertEqual(limit, int(share * pages) * 4096)
            job = workload.passes(options)[0][0]
            words = workload.advise(job, options).command[-1].split(",")
            self.assertEqual(words[0], "random")
            found[name] = int(words[-1].removeprefix("lock-hot="))
            with_pieces = found[name] // 4096 * (4096 + 2 * kv.PIECE_BYTES)
            self.assertTrue(0.4 * limit < with_pieces <= min(0.85 * limit, limit - 8 * MIB), name)
            self.assertLess(found[name] // 4096 * 2, 65530)
        self.assertEqual(found["get-scan-30"], found["get-scan-one"])
        options.parts["lmdb"]["pages"] *= 4
        self.assertEqual(plan.WORKLOADS["backup"].hot_bytes(options), 32265 * 4096)

    def test_the_beginning_of_the_graph(self):
        options = types.SimpleNamespace(data=Path("/data"), quick=False)
        self.assertEqual(plan.WORKLOADS["graph-walk"].locked(options),
                         [(f"0-{int(0.85 * 32 * MIB)}", [Path("/data/graph")])])


class Writing(unittest.TestCase):
    workload = plan.WORKLOADS["ycsb-d-leveldb"]

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.data = Path(place.name)
        self.options = types.SimpleNamespace(data=self.data, build=Path("/nowhere"), quick=True)
        (self.data / "leveldb").mkdir()
        for name in ("000001.ldb", "MANIFEST-000002"):
            (self.data / "leveldb" / name).write_text("as loaded")

    def test_each_run_has_the_same_data(self):
        left = self.data / "fresh"
        left.mkdir()
        (left / "of a run that was ended").write_text("x")
        for _ in range(2):
            with self.workload.prepared(self.options):
                fresh = self.workload.folder(self.options)
                self.assertIn(fresh, self.workload.passes(self.options)[0][0].command)
                self.assertEqual({path.name: path.read_text() for path in fresh.iterdir()},
                                 {"000001.ldb": "as loaded", "MANIFEST-000002": "as loaded"})
                self.assertTrue((fresh / "000001.ldb").samefile(self.data / "leveldb/000001.ldb"))
                # as LevelDB does: tables go, logs grow
                (fresh / "000001.ldb").unlink()
                (fresh / "MANIFEST-000002").write_text("changed")
        with self.assertRaises(Failure), self.workload.prepared(self.options):
            raise Failure("the run failed")
        self.assertEqual([path.name for path in self.data.iterdir()], ["leveldb"])

    def read(self, records):
        latency = {"count": 5, "p50": 1e6, "p99": 2e6, "p99.9": 3e6, "histogram": []}
        said = {"roles": [{"role": "mix", "operations": 100, "throughput": 10.0, "not_found": 0,
                           "latency_ns": latency | {"p50": 9e6},
                           "kinds": {"get": latency, "insert": latency}}]}
        with unittest.mock.patch.object(kv_writes.Writing, "records", lambda *_: records):
            return self.workload.read([{"outcomes": [Outcome(Job([]), json.dumps(said))]}], self.options)

    def test_latencies_are_those_of_the_reads(self):
        found = self.read(kv_writes.RECORDS + 6)
        self.assertEqual((found["throughput"], found["p50"], found["p999"]), (10, 1, 3))

    def test_what_was_inserted_must_be_there(self):
        with self.assertRaisesRegex(Failure, "5 inserted, but 140004 there"):
            self.read(kv_writes.RECORDS + 4)


class Optimum(unittest.TestCase):
    def test_search_reads_what_does_not_fit(self):
        workload = plan.WORKLOADS["search-large"]
        options = types.SimpleNamespace(quick=True, build=BELADY.parent.parent,
                                        parts={"first": {"bytes": 4096000, "pages": 1000}})
        found = optimum.Optimum(workload, options).beside()
        self.assertEqual((found["accesses"], found["capacity"]), (3000, 700))
        self.assertAlmostEqual(found["hit_ratio"], 2 / 3 * 0.7, 2)
        self.assertEqual(found["lru_hit_ratio"], 0)


    def test_a_graph_is_walked_as_it_is(self):
        workload = plan.WORKLOADS["graph-walk"]
        options = types.SimpleNamespace(quick=True, build=BELADY.parent.parent, repo=REPO, parts={})
        with unittest.mock.patch.dict("os.environ", PAGEPATROL_BUILD=str(options.build)):
            pages = [access >> 32 for access in workload.trace(options)]
        index = sum(1 <= page <= 8_000_000 // 4096 + 1 for page in pages)
        # 200 walks of 50 steps, each an edge and a place in the index; hubs share pages of that, and
        # what was read just before is not in the trace
        self.assertTrue(9_500 < len(pages) - index <= 10_000 and 5_000 < index < 10_000, (index, len(pages)))


class Residency(unittest.TestCase):
    def test_a_file_just_written_is_resident(self):
        with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
            path = Path(folder) / "file"
            path.write_bytes(b"x" * (100 * 4096 + 1))
            file = residency.Residency(path)
            seen = file.look()
            file.close()
        self.assertEqual(seen, [100] * residency.ROWS)


class Profile(unittest.TestCase):
    LINES = """\
         swapper  ffffffff994e5fff pv_native_safe_halt ([kernel.kallsyms])
         swapper  ffffffff988d3217 handle_softirqs ([kernel.kallsyms])
 rg worker #1 ba  ffffffff988d3217 filemap_map_pages ([kernel.kallsyms])
              rg  ffffffffc0412345 ext4_map_blocks ([ext4])
              rg  ffffffffc0412345 [unknown] ([unknown])
              rg  ffffffffc0412345 do_range ([pagepatrol])
              rg  ffffffffc0412345 pp_page_used ([kernel.kallsyms])
              rg  ffffffffc0055555 bpf_prog_6deef7357e7b4530_fault_enter (bpf_prog_6deef7357e7b4530_fault_enter)
              rg  ffffffffc0055555 bpf_trampoline_6442 (bpf_trampoline_6442)
              rg      7f618e100c01 operator new(unsigned long) (/usr/lib/libstdc++.so.6)
              rg      7f618e100c01 [unknown] (/usr/bin/rg)
              rg      7f618e100c01 main (/tmp/gone (deleted))
              rg      7fff8e100c01 [unknown] ([vdso])
              rg  ffffffffff600001 [unknown] ([vsyscall])
              rg      7fff8e100c01 [unknown] ([unknown])
              rg      7f618e100c01 [unknown] (/usr/bin/rg)
""".splitlines()

    def test_what_was_seen_is_grouped(self):
        found = profile.summed(self.LINES)
        self.assertEqual(found["samples"], 16)
        self.assertEqual(
            {(each["group"], each["name"]): round(16 * each["share"]) for each in found["where"]},
            {("idle", "idle"): 1, ("kernel", "handle_softirqs"): 1, ("kernel", "filemap_map_pages"): 1,
             ("kernel", "ext4_map_blocks"): 1, ("kernel", "[unknown]"): 1, ("PagePatrol", "do_range"): 1,
             ("PagePatrol", "pp_page_used"): 1, ("PagePatrol", "BPF fault_enter"): 1,
             ("PagePatrol", "bpf_trampoline_6442"): 1, ("programs", "rg: libstdc++.so.6"): 1,
             ("programs", "rg: rg"): 2, ("programs", "rg: gone (deleted)"): 1, ("programs", "rg: [vdso]"): 1,
             ("programs", "rg: [vsyscall]"): 1, ("programs", "rg: [unknown]"): 1})
        self.assertEqual(found["where"][0]["name"], "rg: rg")

    def test_what_is_little_is_summed(self):
        found = profile.summed(1000 * self.LINES[:1] + self.LINES[1:3])
        self.assertEqual([(each["group"], each["name"]) for each in found["where"]],
                         [("idle", "idle"), ("kernel", "the rest")])

    def test_what_is_not_understood_is_told(self):
        with self.assertRaisesRegex(profile.NoProfile, "what is 'nonsense'"):
            profile.summed(["nonsense"])
        with self.assertRaisesRegex(profile.NoProfile, "saw nothing"):
            profile.summed([])

    def watch(self, perf):
        """A profile by this perf; what it is must not outlive the run."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "perf"
            path.write_text("#!/bin/bash\n" + perf)
            path.chmod(0o755)
            profiler = profile.Profiler()
            with unittest.mock.patch.dict("os.environ", PATH=f"{folder}:/usr/bin:/bin"):
                try:
                    with profiler.watching():
                        pass
                finally:
                    self.assertFalse(profiler.file.parent.exists())
                    self.assertIsNotNone(profiler.process.poll())
            return profiler.result()

    RECORD = """
        [[ $* =~ control=fd:([0-9]+),([0-9]+) ]] || { printf '%s' "$SAMPLES"; exit; }
        read -r order <&"${BASH_REMATCH[1]}"
        """

    def test_perf_is_started_and_ended(self):
        samples = "\n".join(["            perf  ffffffff988d3217 do_poll ([kernel.kallsyms])", *self.LINES])
        with unittest.mock.patch.dict("os.environ", SAMPLES=samples):
            found = self.watch(self.RECORD + """
                [ "$order" = enable ] || exit 3
                trap 'exit 0' INT
                echo ack >&"${BASH_REMATCH[2]}"
                while :; do sleep 0.05; done""")
        self.assertEqual(found["samples"], len(self.LINES))

    def test_a_perf_that_does_not_do_it(self):
        breaks = """echo ack >&"${BASH_REMATCH[2]}"; echo full >&2; exit 1"""
        for perf, said in (("echo no >&2; exit 1", "does not begin: no"),
                           ("trap '' INT" + self.RECORD + breaks, "record: full")):
            with self.assertRaisesRegex(profile.NoProfile, said):
                self.watch(perf)


class Report(unittest.TestCase):
    def check(self, found):
        text = report.page(found)
        ET.fromstring(text.replace("<!DOCTYPE html>\n", ""))
        # links to other parts of the page are all that there are
        self.assertIsNone(re.search(r'<script|href="(?!#)|src=|url\(', text))
        for target in re.findall('href="#([^"]*)"', text):
            self.assertIn(f'id="{target}"', text)
        report.text(found)
        return text

    def test_page_is_well_formed_and_needs_nothing(self):
        text = self.check(sample()).replace("\u00a0", " ")
        for expected in ("abc123", "6.12.1-test", "<b>3.00 ×</b> the default's on classic LRU (2.75-3.27)",
                         "<b>0.95 ×</b> the default's on MGLRU", "<td>4.000</td>",
                         "3.000<small>2.750 to 3.273</small>", "loaded for its own arms alone. All arms gave the same",
                         "7.0 MiB of the limit are the kernel's", "that is 100.0 % and 90.9 %.",
                         "optimum (Belady): 56.0 %",
                         "not here: the program is &lt;not&gt; ours", "looked at 500, 700 times",
                         "<td>filemap_fault</td><td>30.0 %</td><td>0.0 %</td>", "&lt;lambda&gt;",
                         "No profile: &lt;why&gt;",
                         "<td>the kernel</td><td>40.0 %</td><td>75.0 %</td>", "28 MB/s", "divided by 20"):
            self.assertIn(expected, text)

    def test_page_of_little(self):
        found = sample()
        one = found["comparisons"][0]
        for arms in ([], one["arms"][2:3], one["arms"][:1]):
            less = copy.deepcopy(found)
            less["comparisons"][0] |= {"arms": arms, "pictures": [], "profiles": [], "optimum": None,
                                       "failure": "it <failed>"}
            less["targets"] = targets.judge(less["comparisons"])
            self.assertIn("it &lt;failed&gt;", self.check(less))

    def test_where_time_went_that_was_missing(self):
        text = self.check(sample()).replace("\u00a0", " ")
        link = '<a href="#profile-search-large-sata-6-12-1-test">the kernel: 40.0 % → 75.0 %</a>'
        # three targets missed on MGLRU; there is no profile of classic LRU, and nothing was missed
        self.assertEqual(text.count(link), 3)
        found = sample()
        found["comparisons"][0]["profiles"][1]["where"] = [
            {"group": "idle", "name": "idle", "share": 0.9}, {"group": "PagePatrol", "name": "x", "share": 0.1}]
        self.assertIn("waiting for the disk: 60.0 % → 90.0 %", self.check(found).replace("\u00a0", " "))
        found["comparisons"][0]["profiles"] = []
        self.assertNotIn("<a ", self.check(found))

    def test_within_the_spread(self):
        found = sample()
        found["targets"][0] |= {"low": 2.4}
        self.assertIn('<td class="verdict">met, within the spread</td>', self.check(found))
        self.assertIn("met, within the spread  3.000, 2.400 to 3.273 (at least 2.5)", report.text(found))
        self.assertIn("MISSED  0.950 (at least 2.5)  search-large, sata, mglru", report.text(found))

    def test_what_failed_is_not_told_as_a_result(self):
        found = sample()
        bad = copy.deepcopy(found["comparisons"][0]) | {"workload": "search-tree", "failure": "it broke",
                                                          "limit_bytes": None, "data_bytes": None}
        found["comparisons"].append(bad)
        found["targets"] = targets.judge(found["comparisons"])
        text = self.check(found).replace("\u00a0", " ")
        for expected in ('<tr class="missed"><td>search-tree</td><td>sata</td><td colspan="7" class="verdict">failed',
                         "1 of 2 comparisons failed", "In the others: all arms gave the same results"):
            self.assertIn(expected, text)
        # its bars and its sentence
        self.assertNotIn("search-tree, sata, mglru", text)
        self.assertEqual(text.count("Searched with PagePatrol"), 1)
        self.assertIn("FAILED search-tree, sata: nothing is judged", report.text(found))
        found["comparisons"] = [bad]
        self.assertNotIn("gave the same results", self.check(found))

    def test_an_arm_that_broke(self):
        found = sample()
        found["comparisons"][0]["arms"][2]["refused"] = results.FAILED + "status <1>"
        text = self.check(found)
        self.assertIn('class="reason">failed: status &lt;1&gt;</td>', text)
        self.assertIn("All arms that have figures gave the same results", text)

    def test_where_pagepatrol_was_loaded_all_the_time(self):
        found = sample()
        native = copy.deepcopy(found["comparisons"][0])
        native["machine"] |= {"where": "native", "kernel": "6.12.1-mine"}
        found["comparisons"].append(native)
        found["targets"] = targets.judge(found["comparisons"])
        text = self.check(found)
        self.assertIn("In the virtual machine PagePatrol's kernel side was loaded for its own arms alone. Outside of "
                      "it the kernel side was loaded all the time", text)
        # two kernels: each row says which
        self.assertIn("<td>search-large</td><td>sata</td><td>6.12.1-mine</td>", text)
        self.assertIn("search-large, sata, 6.12.1-test, classic", report.text(found))
        found["comparisons"] = [native]
        self.assertNotIn("its own arms alone", self.check(found))

    def test_shares_of_the_optimum(self):
        found = sample()
        for each in found["comparisons"][0]["arms"][0]["runs"]:
            each["hit_ratio"] = -0.28
        text = self.check(found)
        self.assertIn("<th>of the optimum, %</th>", text)
        self.assertIn("<td>-28.0</td><td>-50.0</td>", text)
        # more was read than was asked for: no bar to the left
        self.assertIn("kernel&#x27;s default, classic LRU: 0.0 %", text)
        # without a limit: not comparable
        self.assertIn("<td>70.0</td><td>-</td>", text)

    def test_latency_curves(self):
        found = sample()
        for one in found["comparisons"][0]["arms"]:
            for each in one["runs"]:
                each["metrics"]["latency_histogram"] = [[1000, 900], [20000, 90], [300000, 10]]
        self.assertIn("Latency, milliseconds", self.check(found))


if __name__ == "__main__":
    BELADY = Path(sys.argv.pop(1))
    unittest.main()
