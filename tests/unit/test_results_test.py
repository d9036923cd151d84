#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/test_results.py: the tables that it fills in. Usage: test_results_test.py
"""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/test_results.py"


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def filled(self, command, what, text):
        document = self.folder / "document.md"
        document.write_text(text)
        subprocess.run([sys.executable, SCRIPT, command, what, document], check=True)
        return document.read_text().splitlines()

    def test_kernels(self):
        (self.folder / "kernels.tsv").write_text(
            "a\t1\tvm\t5\t1\t2\tc1\t\nb\t2\tload\t0\t1\t0\tc1\tno: too old\n")
        found = self.filled("table", self.folder / "kernels.tsv", "\n".join((
            "text", "<!-- kernels: begin -->", "| kernel | release | load | unit | shim | bpf | vm |",
            "| --- | --- | --- | --- | --- | --- | --- |", "| a | 1 | yes (c0) | - | - | 3 passed (c0) | - |",
            "| b | 1 | yes (c0) | - | - | 3 passed (c0) | - |", "<!-- kernels: end -->", "more")))
        # what was said of b's other release holds no longer
        self.assertEqual(found[4:6], [
            "| a | 1 | yes (c0) | - | - | 3 passed (c0) | 5 passed, 1 failed, 2 skipped (c1) |",
            "| b | 2 | no: too old (c1) | - | - | - | - |"])
        self.assertEqual((found[0], found[-1]), ("text", "more"))

    def test_figures(self):
        def result(name, top, **values):
            test = {"name": "T", "time": "1s", "seconds": "3"} | values
            (self.folder / f"{name}.json").write_text(
                json.dumps(top | {"testsuites": [{"name": "S", "testsuite": [test]}]}))
        for lru, share in (("mglru", "0.25"), ("classic", "0.3")):
            result(lru, {"kernel": "patched", "lru": lru}, later_share=share)
        result("unit", {}, other_share="1")
        found = self.filled("figures", self.folder, "\n".join((
            "<!-- figures: begin -->", "| test | figure | stock | patched | debug | debug-module |",
            "| --- | --- | --- | --- | --- | --- |", "| S.T | later_share | 0.3 / 0.3 | 1 / 1 | - | - |",
            "| S.U | bytes_ratio | - / 0.5 | 7 / 7 | - | - |", "| S.V | gone_share | - | 8 / 8 | - | - |",
            "<!-- figures: end -->", "")))
        # of patched nothing stays that this run did not find
        self.assertEqual(found[3:-1], ["| S.T | later_share | 0.3 / 0.3 | 0.3 / 0.25 | - | - |",
                                      "| S.U | bytes_ratio | - / 0.5 | - | - | - |"])


if __name__ == "__main__":
    unittest.main()
