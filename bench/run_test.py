#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/run itself: what it runs, and where, with nothing run. Usage: run_test.py
"""
import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

sys.dont_write_bytecode = True
import script  # noqa: E402  pylint: disable=wrong-import-position

bench_run = script.load("run")


class FakeVm:
    """A machine on which nothing happens."""
    as_folder = False
    disks, says = [], ()

    def __init__(self, _repo, _build, _options, disk):
        self.disk = disk
        self.disks.append(disk)

    def describe(self):
        return {"kernel": "6.12.1-test", "where": "vm", "disk": {"model": self.disk}}

    def run(self, _workload, _data, _parts):
        yield from self.says
        if self.says:
            raise bench_run.Failure("the measurement ended with status 1")


class Run(unittest.TestCase):
    def setUp(self):
        FakeVm.disks = []
        optimum = unittest.mock.Mock()
        optimum.beside.return_value = None
        parts = {name: {"bytes": 4096000, "pages": 1000} for name in ("first", "second", "lmdb")}
        for patch in (unittest.mock.patch.object(bench_run.machine, "Vm", FakeVm),
                      unittest.mock.patch.object(bench_run.optimum, "Optimum", return_value=optimum),
                      unittest.mock.patch.object(bench_run.data, "prepared",
                                                 return_value=(Path("/image"), parts)),
                      contextlib.redirect_stdout(io.StringIO())):
            self.enter(patch)
        self.options = argparse.Namespace(
            quick=False, native=False, disk=None, only=None, build=Path("/nowhere"), repo=bench_run.REPO, add=False,
            arms=["default/mglru"], repetitions=1)

    def enter(self, context):
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def compare(self, workload, disk):
        *_, found = bench_run.compare(workload, disk, self.options)
        return found

    def compare_all(self):
        return [self.compare(workload, disk) for workload, disk in bench_run.planned(self.options)]

    def test_each_workload_has_its_own_disks(self):
        self.options.only = ["search-tree", "search-large", "get-scan-30", "backup"]
        found = self.compare_all()
        self.assertEqual(FakeVm.disks, ["sata", "nvme"] * 3 + ["sata"])
        self.assertEqual([one["machine"]["disk"]["model"] for one in found], FakeVm.disks)
        self.assertEqual((self.options.disk, hasattr(self.options, "parts")), (None, False))

    def test_the_disk_that_was_asked_for(self):
        self.options.only, self.options.disk = ["search-tree", "backup"], "none"
        self.compare_all()
        self.assertEqual(FakeVm.disks, ["none", "none"])

    def test_workloads_by_pattern(self):
        def only(names):
            with unittest.mock.patch.object(sys, "argv", ["run", "--only", names]):
                return bench_run.arguments().only
        self.assertEqual(only("search-*,model"), ["search-tree", "search-large", "model"])
        self.assertEqual(only("*"), list(bench_run.plan.WORKLOADS))
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
            only("model,ycbs-*")
        self.assertIn("--only: 'ycbs-*' is not one of search-tree, ", said.getvalue())

    def test_the_guest_says_why_it_failed(self):
        self.options.only, self.options.disk = ["backup"], "none"
        with unittest.mock.patch.object(FakeVm, "says", [{"kind": "failure", "text": "it broke"}]), \
                contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(self.compare_all()[0]["failure"], "it broke")
        options = argparse.Namespace(guest="backup", parts="{}", arms=["default/mglru"], repetitions=1)
        said = io.StringIO()
        with unittest.mock.patch.object(bench_run, "measure", side_effect=OSError(2, "gone")), \
                contextlib.redirect_stdout(said), self.assertRaises(SystemExit):
            bench_run.guest(options)
        self.assertEqual(json.loads(said.getvalue()), {"kind": "failure", "text": "[Errno 2] gone"})

    def test_data_that_cant_be_made_fails_its_own_comparison(self):
        self.options.only = ["search-large", "backup"]
        for failure in (bench_run.Failure("no room"), OSError(28, "no room"),
                        subprocess.CalledProcessError(1, "no room")):
            made = bench_run.data.prepared.return_value
            with unittest.mock.patch.object(bench_run.data, "prepared", side_effect=(failure, made, made)), \
                    contextlib.redirect_stderr(io.StringIO()):
                first, second, third = self.compare_all()
            self.assertIn("no room", first["failure"])
            self.assertEqual((first["limit_bytes"], second["failure"], third["failure"]), (None, None, None))
            self.assertEqual(third["data_bytes"], 3 * 4096000)


    RUN = {"kind": "run", "arm": "default/mglru", "repetition": 1, "seconds": 1.0, "disk_bytes": 0, "major_faults": 0,
           "metrics": {"throughput": 1.0}}

    def test_one_that_is_ended_has_what_it_has(self):
        self.options.only, self.options.disk = ["backup"], "none"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.json"

            def ended(*_):
                yield self.RUN
                raise SystemExit(143)
            found = bench_run.results.begin("abc", "now", False)
            with unittest.mock.patch.object(FakeVm, "run", ended), self.assertRaises(SystemExit):
                bench_run.measure_all(found, Path(folder), self.options)
            one, = bench_run.results.load(path)["comparisons"]
            self.assertEqual((one["failure"], len(one["arms"][0]["runs"])), (bench_run.results.UNFINISHED, 1))
            # another run does not write over it
            bench_run.results.set_aside(path)
            self.assertRegex(" ".join(each.name for each in Path(folder).iterdir()), r"^results-\d{8}-\d{6}\.json$")

    def test_more_is_not_replaced_by_less(self):
        self.options.only, self.options.disk = ["backup"], "none"
        with unittest.mock.patch.object(FakeVm, "says", [self.RUN | {"repetition": number} for number in (1, 2)]), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            earlier = self.compare_all()
            earlier[0]["failure"] = None
            for arms, repetitions, lost in ((["default/mglru"], 1, "2 repetitions"),
                                            (["pagepatrol/mglru"], 2, "the arms default/mglru")):
                self.options.arms, self.options.repetitions = arms, repetitions
                *_, found = bench_run.compare(bench_run.plan.WORKLOADS["backup"], "none", self.options, earlier)
                self.assertIn(f"has {lost} of it", found["failure"])
                self.assertEqual(found["arms"], [])
        self.assertIn("HINT: the same --arms", said.getvalue())

    def test_what_is_withheld_from_documents(self):
        document = unittest.mock.Mock()
        document.read_text.return_value = "".join(f"<!-- {name}: begin -->\n<!-- {name}: end -->\n"
                                                  for name in ("compared", "targets"))
        one = bench_run.results.comparison(bench_run.plan.WORKLOADS["backup"], FakeVm(0, 0, 0, "sata").describe())
        one["arms"] = [{"arm": "default/mglru", "method": "default", "lru": "mglru", "runs": [self.RUN]}]
        with contextlib.redirect_stderr(io.StringIO()) as said:
            bench_run.fill(document, {"comparisons": [one], "quick": False})
        self.assertIn("backup, sata, 6.12.1-test: an arm has 1 repetition(s), and 3 are needed", said.getvalue())
        self.assertNotIn("backup", document.write_text.call_args[0][0])

    def test_nothing_to_report_of(self):
        with self.assertRaisesRegex(bench_run.Failure, "is not there\n  HINT: bench/run"):
            bench_run.judged(Path("/nowhere"))


class Native(unittest.TestCase):
    """What is looked at before anything is measured here: with a PagePatrol that is made up."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        (self.build / "ctl").mkdir()
        for patch in (unittest.mock.patch("os.geteuid", return_value=0),
                      unittest.mock.patch("lab.native.LRU_SWITCH", self.build)):
            patch.start()
            self.addCleanup(patch.stop)

    def make(self, path, script):
        (self.build / path).write_text(f"#!/bin/sh\n{script}\n")
        (self.build / path).chmod(0o755)

    def status(self, loaded):
        self.make("ctl/ppctl", f"""[ "$*" = "status --json" ] || exit 2
            n=0; [ ! -e {self.build}/pushed ] || n=1
            echo '{{"loaded": {loaded}, "totals": {{"uploads": '$n'}}}}'""")

    def check(self, *arms):
        bench_run.native.Native.check(self.build, [bench_run.plan.ARMS[name] for name in arms])

    def test_only_where_it_is_needed(self):
        self.check("default/mglru", "advice/mglru")
        with unittest.mock.patch("os.geteuid", return_value=1), \
                self.assertRaisesRegex(bench_run.Failure, "needs root"):
            self.check("default/mglru")

    def test_not_loaded(self):
        self.status("false")
        with self.assertRaisesRegex(bench_run.Failure, "not loaded here\n  HINT: ppctl load"):
            self.check("default/mglru", "pagepatrol/classic")

    def test_loaded_and_of_no_use(self):
        self.status("true")
        self.make("pp-run", "exit 0")
        with self.assertRaisesRegex(bench_run.Failure, "handed nothing over\n  HINT"):
            self.check("pagepatrol/mglru")

    def test_loaded(self):
        self.status("true")
        self.make("pp-run", f"""[ "$1 $3" = "--policy --" ] && grep -q pin "$2" && shift 3 && "$@" &&
            touch {self.build}/pushed""")
        self.check("pagepatrol/mglru")
        self.assertEqual(sorted(path.name for path in self.build.iterdir()), ["ctl", "pp-run", "pushed"])

    def test_once_and_before_all_else(self):
        with unittest.mock.patch.object(sys, "argv", ["run", "--native", "--build", str(self.build)]), \
                unittest.mock.patch.object(bench_run.native.Native, "check", side_effect=bench_run.Failure("no")), \
                unittest.mock.patch.object(bench_run, "compare") as compare:
            with self.assertRaisesRegex(bench_run.Failure, "no"):
                bench_run.main()
            compare.assert_not_called()


if __name__ == "__main__":
    unittest.main()
