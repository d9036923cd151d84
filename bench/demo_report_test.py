#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report on made-up results: sentences follow the numbers, the page is whole,
well-formed and needs nothing from outside.
"""
import json
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
# pylint: disable=wrong-import-position
import demo_report as report  # noqa: E402
import svg  # noqa: E402

MIB = 1 << 20


def result(workload, lru, policy, seconds, **more):
    passes = more.pop("passes", [137, 137])
    return {"workload": workload, "kernel": "6.12.1-test", "lru": lru, "policy": policy,
            "limit_bytes": 96 * MIB, "data_bytes": 137 * MIB, "seconds": seconds,
            "user_seconds": 1.0, "system_seconds": 2.0, "accesses": 1000, "hot_accesses": 0,
            "hot_major_faults": 0, "major_faults": 10, "minor_faults": 5,
            "bytes_read": sum(p or 0 for p in passes) * MIB, "pass_seconds": [1.0] * len(passes),
            "pass_bytes_read": [None if p is None else p * MIB for p in passes],
            "refaults": 3} | more


SAMPLE = [
    result("hot-and-scan", "classic", "default", 20, hot_accesses=1000, hot_major_faults=574),
    result("hot-and-scan", "classic", "pagepatrol", 5, hot_accesses=1000),
    result("hot-and-scan", "mglru", "default", 20, hot_accesses=1000, hot_major_faults=754),
    result("hot-and-scan", "mglru", "pagepatrol", 30, hot_accesses=1000, hot_major_faults=1),
    result("loop", "classic", "default", 10, passes=[137, 137, 137]),
    result("loop", "classic", "pagepatrol", 4, passes=[137, 41.1, 41.1]),
    result("rg-one-file", "mglru", "default", 9, accesses=None),
]


class Report(unittest.TestCase):
    def page(self, results):
        return report.page(report.Results(results), "abc123", "2000-01-01 00:00 UTC")

    def check_page(self, results):
        text = self.page(results)
        ET.fromstring(text.replace("<!DOCTYPE html>\n", ""))
        self.assertNotIn("<script", text)
        self.assertNotIn("href", text)
        self.assertNotIn("src=", text)
        self.assertNotIn("url(", text)
        return text

    def test_page_is_well_formed_and_needs_nothing(self):
        text = self.check_page(SAMPLE)
        for expected in ("abc123", "6.12.1-test", "137 MiB", "<svg"):
            self.assertIn(expected, text)

    def test_page_of_one_arm_or_one_result(self):
        self.check_page([r for r in SAMPLE if r["policy"] == "default"])
        self.check_page(SAMPLE[-1:])
        self.check_page([SAMPLE[5] | {"pass_bytes_read": [None, None], "bytes_read": None}])

    def test_hot_sentence(self):
        text = report.hot_sentence(report.Results(SAMPLE), "hot-and-scan").replace("\u00a0", " ")
        self.assertIn("<b>57.4 %</b> (classic LRU) and <b>75.4 %</b> (MGLRU)", text)
        self.assertIn("<b>0.0 %</b> (classic LRU) and <b>0.1 %</b> (MGLRU)", text)
        # better on one, worse on the other: both said as they are
        self.assertIn("<b>25 %</b> (classic LRU) and <b>150 %</b> (MGLRU)", text)

    def test_passes_sentence(self):
        text = report.passes_sentence(report.Results(SAMPLE), "loop").replace("\u00a0", " ")
        self.assertIn("default reads <b>100.0 %</b> (classic LRU)", text)
        self.assertIn("policy it is <b>30.0 %</b> (classic LRU)", text)
        self.assertIn("best possible is 29.9 %", text)

    def test_command(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "in.json").write_text(json.dumps(SAMPLE))
            done = subprocess.run(
                [sys.executable, report.__file__, "--commit", "abc", "--results",
                 folder / "results.json", "--html", folder / "report.html", folder / "in.json"],
                capture_output=True, text=True, check=True)
            self.assertEqual(len(done.stdout.splitlines()), 1 + len(SAMPLE))
            results = json.loads((folder / "results.json").read_text())
            self.assertEqual([r["commit"] for r in results], ["abc"] * len(SAMPLE))
            (folder / "in.json").write_text("{")
            done = subprocess.run(
                [sys.executable, report.__file__, "--commit", "abc", "--results",
                 folder / "r2.json", "--html", folder / "r2.html", folder / "in.json"],
                capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot read the results", done.stderr)
            self.assertFalse((folder / "r2.html").exists())


class Svg(unittest.TestCase):
    def test_ticks_are_round_and_cover_the_maximum(self):
        self.assertEqual(svg.ticks(100), [0, 20, 40, 60, 80, 100])
        self.assertEqual(svg.ticks(137), [0, 50, 100, 150])
        self.assertEqual(svg.ticks(0), [0, 1])
        for maximum in (0.03, 0.9, 1, 7, 57.4, 400, 123456):
            marks = svg.ticks(maximum)
            self.assertGreaterEqual(marks[-1] * 1.0001, maximum)
            self.assertLessEqual(len(marks), 8)

    def test_missing_values_leave_a_gap(self):
        chart = svg.Chart(["a", "b"], [svg.Series("s", "default", [1, None])], "y")
        self.assertEqual(svg.render(chart).count("<rect"), 1)

    def test_no_bar_leaves_the_chart(self):
        chart = svg.Chart(["a"], [svg.Series("s", "default", [150])], "y", y_max=100)
        figure = ET.fromstring(svg.render(chart))
        rect = next(e for e in figure.iter() if e.tag.endswith("rect"))
        self.assertGreaterEqual(float(rect.get("y")), svg.TOP)

    def test_text_is_escaped(self):
        chart = svg.Chart(["<a>"], [svg.Series("&", "default", [1])], "<y>", caption="<c>")
        ET.fromstring(svg.render(chart))


if __name__ == "__main__":
    unittest.main()
