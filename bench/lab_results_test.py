#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What bench/run makes of numbers: statistics, targets, results.json, the report on made-up results.
Usage: lab_results_test.py
"""
import copy
import re
import sys
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "scripts")]
# pylint: disable=wrong-import-position
from lab import plan, report, results, stats, targets  # noqa: E402
from lab.report import charts, doc  # noqa: E402
from lab_sample import MACHINE, arm, run, sample  # noqa: E402


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
        found = self.judged("ycsb-c-leveldb", run(30, 0), run(20, 0))
        self.assertEqual(list(found), ["look-ups, against the better default"])
        for workload, title in (("get-scan-one", "records scanned"), ("backup", "passes of the backup")):
            for scanned, met in ((99, True), (97, False)):
                found = self.judged(workload, run(30, 0, scan_throughput=scanned), run(20, 0, scan_throughput=100))
                verdict = found[f"{title}, against the better default"]
                self.assertEqual((verdict["value"], verdict["met"]), (scanned / 100, met))

    def test_a_scan_that_got_nowhere_got_worse(self):
        verdict = self.judged("backup", run(30, 0, scan_throughput=0.0), run(20, 0, scan_throughput=5))[
            "passes of the backup, against the better default"]
        self.assertEqual((verdict["value"], verdict["met"]), (0, False))
        one = results.comparison(plan.WORKLOADS["backup"], MACHINE)
        one["arms"] = [arm("default/mglru", run(20, 0, scan_throughput=5)),
                       arm("pagepatrol/mglru", run(30, 0, scan_throughput=0.0))]
        self.assertTrue(targets.harmed(one))

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
            return {"workload": name, "machine": where, "failure": None, "arms": []} | more
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
        # what has more stays: an arm that ran, or any run of two that failed
        ran = {"arms": [arm("damon/mglru", run(1, 0)), arm("default/mglru", run(1, 0))]}
        broke = {"arms": [arm("damon/mglru", refused="failed: x"), arm("default/mglru", run(1, 0))]}
        for name, before, after, put in (("search-tree", ran, broke, False), ("model", broke, ran, True),
                                         ("search-large", ran | {"failure": "x"}, {"failure": "y"}, False)):
            found["comparisons"] = []
            self.assertTrue(results.put(found, one(name, **before), order))
            self.assertEqual(results.put(found, one(name, **after), order), put, name)
        with self.assertRaisesRegex(ValueError, "--quick"):
            results.keep(results.begin("new", "today", True), earlier, order)
        with self.assertRaisesRegex(ValueError, "no longer: model"):
            results.keep(found, earlier, order[:2])


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

    def test_a_picture_that_failed(self):
        found = sample()
        found["comparisons"][0]["pictures"] = [{"arm": "default/mglru", "refused": "it <broke>"}]
        self.assertIn("No residency map of kernel&#x27;s default, MGLRU: it &lt;broke&gt;", self.check(found))

    def test_pictures_of_late_samples(self):
        """Looked at after 1, 2 and 9 s: what was seen at 2 holds for two of three columns."""
        svg = charts.residency("x", [1, 2, 9], [[0], [50], [100]])
        dark, = re.findall(r'opacity="1.00" d="M([0-9.]+) ', svg)
        half, = re.findall(r'opacity="0.50" d="M([0-9.]+) ', svg)
        width = (430 - 44 - 8) / 3
        self.assertAlmostEqual(float(half), 44, delta=0.1)
        self.assertAlmostEqual(float(dark), 44 + 2 * width, delta=0.1)

    def test_where_time_went_that_was_missing(self):
        text = self.check(sample()).replace("\u00a0", " ")
        link = '<a href="#profile-search-large-sata-6-12-1-test">the kernel: 7.5 s, by default 8.0 s</a>'
        # three targets missed on MGLRU; there is no profile of classic LRU, and nothing was missed
        self.assertEqual(text.count(link), 3)
        found = sample()
        found["comparisons"][0]["profiles"][1]["where"] = [
            {"group": "idle", "name": "idle", "share": 0.9}, {"group": "PagePatrol", "name": "x", "share": 0.1}]
        self.assertIn("waiting: 9.0 s, by default 12.0 s", self.check(found).replace("\u00a0", " "))
        del found["comparisons"][0]["profiles"][0]["seconds"]  # of before they were noted
        self.assertIn(">profile</a>", self.check(found))
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
        self.assertIn("advice/mglru: failed: status <1>", report.text(found))

    def test_where_pagepatrol_was_loaded_all_the_time(self):
        found = sample()
        native = copy.deepcopy(found["comparisons"][0])
        native["machine"] |= {"where": "native", "kernel": "6.12.1-mine", "packages": {"ripgrep": "13.0", "tar": "1.3"}}
        found["comparisons"].append(native)
        found["targets"] = targets.judge(found["comparisons"])
        text = self.check(found)
        self.assertIn("In the virtual machine PagePatrol's kernel side was loaded for its own arms alone. Outside of "
                      "it the kernel side was loaded all the time", text)
        # two kernels: each row says which
        self.assertIn("<td>search-large</td><td>sata</td><td>6.12.1-mine</td>", text)
        self.assertIn("search-large, sata, 6.12.1-test, classic", report.text(found))
        self.assertIn("(ripgrep 13.0, tar 1.3), not in a virtual machine", text)
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


class Document(unittest.TestCase):
    EMPTY = "".join(f"before\n<!-- {name}: begin (by hand?) -->\n<!-- {name}: end -->\n" for name in ("compared", "targets"))

    def test_what_is_said(self):
        lines = doc.filled(self.EMPTY, sample()).splitlines()
        self.assertIn(
            "| search-large, quick | sata | 6.12.1-test | searched, MiB/s | 20.0 (MGLRU) | - | 33.0 / 19.0 "
            "| 1.65 (1.50 to 1.80) / 0.95 | - / - | 44.0 | - | abc123 |", lines)
        self.assertIn("| search-large, quick | sata | 6.12.1-test | classic LRU | throughput, times the default's "
                      "| at least 2.5 | 3.000 (2.750 to 3.273) | 4.000 | met | abc123 |", lines)
        self.assertEqual((lines.count("before"), len(lines)), (2, 17))

    def test_next_best(self):
        found = sample()
        found["comparisons"][0]["arms"][2] |= {"refused": None, "runs": 3 * [run(21, 0)]}
        found["comparisons"][0]["arms"].append(arm("alone/mglru", *3 * [run(40, 0)]))
        said = doc.filled(self.EMPTY, found)
        self.assertIn("| 20.0 (MGLRU) | 21.0 (program's own advice, MGLRU) |", said)
        self.assertIn("| 1.57 (1.43 to 1.71) / 0.90 | 44.0 | 40.0 | abc123 |", said)

    def test_rows_of_others_stay(self):
        found = sample()
        text = doc.filled(self.EMPTY, found)
        self.assertEqual(doc.filled(text, found), text)
        for quick in (False, True):
            other = sample() | {"quick": quick}
            other["comparisons"][0]["commit"] = "def456"
            text = doc.filled(text, other)
        # the full run before the short one; that was made again
        rows = [row for row in text.splitlines() if "| searched, MiB/s |" in row]
        self.assertEqual([row.split(" | ")[0] for row in rows], ["| search-large", "| search-large, quick"])
        self.assertNotIn("abc123", text)

    def test_what_failed_or_met_the_only_target_says_nothing(self):
        found = sample()
        found["comparisons"][0]["failure"] = "it broke"
        self.assertNotIn("search", doc.filled(self.EMPTY, found))
        one = results.comparison(plan.WORKLOADS["model"], MACHINE)
        one["arms"] = [arm("default/mglru", *3 * [run(1, 0)]), arm("pagepatrol/mglru", *2 * [run(2, 0)])]
        found["comparisons"] = [one | {"commit": "abc123"}]
        self.assertNotIn("model", doc.filled(self.EMPTY, found))
        one["arms"][1]["runs"].append(run(2, 0))
        found["targets"] = targets.judge(found["comparisons"])
        text = doc.filled(self.EMPTY, found)
        self.assertEqual(text.count("| model, quick | sata"), 1)

    def test_a_document_without_the_lines(self):
        with self.assertRaisesRegex(ValueError, "compared: begin"):
            doc.filled("nothing", sample())


if __name__ == "__main__":
    unittest.main()
