#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What bench/run has to run: the plan, the workloads, the optimum. Usage: lab_test.py PP-BELADY
"""
import contextlib
import json
import sqlite3
import sys
import tempfile
import types
import unittest
import unittest.mock
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
# pylint: disable=wrong-import-position
from lab import optimum, plan  # noqa: E402
from lab.arms import METHODS  # noqa: E402
from lab.cgroup import Job, Outcome  # noqa: E402
from lab.report import names  # noqa: E402
from lab.system import Failure  # noqa: E402
from lab.workloads import kv, kv_writes  # noqa: E402

MIB = 1 << 20
REPO = Path(__file__).resolve().parent.parent
BELADY = Path()


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
            self.assertEqual("cgroup" in found, "alone" in found, name)
            found.pop("alone", None)
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


class Scanning(unittest.TestCase):
    """What a scan beside a server got done."""

    def read(self, name, scan):
        latency = {"count": 9, "p50": 1, "p99": 1, "p99.9": 1, "histogram": []}
        server = {"roles": [{"role": "get", "operations": 9, "throughput": 9.0, "latency_ns": latency}]}
        return plan.WORKLOADS[name].read([{"outcomes": [Outcome(Job([], role="server"), json.dumps(server)), scan]}], None)

    def test_passes_that_were_finished(self):
        job = Job([], role="scan")
        self.assertEqual(self.read("backup", Outcome(job, runs=3, runs_seconds=9.0, seconds=11.0))["scan_throughput"], 20)
        self.assertEqual(self.read("backup", Outcome(job, seconds=11.0))["scan_throughput"], 0)

    def test_one_that_got_nowhere(self):
        job = Job([], role="scan")
        self.assertEqual(self.read("get-scan-30", Outcome(job))["scan_throughput"], 0)
        said = json.dumps({"roles": [{"role": "scan", "operations": 0, "throughput": 0.0}]})
        self.assertEqual(self.read("get-scan-30", Outcome(job, said))["scan_throughput"], 0)


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

    def read(self, records, reads=12000):
        latency = {"count": reads, "p50": 1e6, "p99": 2e6, "p99.9": 3e6, "histogram": []}
        said = {"roles": [{"role": "mix", "operations": 100, "throughput": 10.0, "not_found": 0,
                           "latency_ns": latency | {"p50": 9e6},
                           "kinds": {"get": latency, "insert": latency | {"count": 5}}}]}
        with unittest.mock.patch.object(kv_writes.Writing, "records", lambda *_: records):
            return self.workload.read([{"outcomes": [Outcome(Job([]), json.dumps(said))]}], self.options)

    def test_latencies_are_those_of_the_reads(self):
        found = self.read(kv_writes.RECORDS + 6)
        self.assertEqual((found["throughput"], found["p50"], found["p999"]), (10, 1, 3))
        # of so few that the slowest are chance
        self.assertNotIn("p999", self.read(kv_writes.RECORDS + 6, 9000))

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


if __name__ == "__main__":
    BELADY = Path(sys.argv.pop(1))
    unittest.main()
