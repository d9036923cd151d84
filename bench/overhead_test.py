#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pp-overhead measures (each arm ran, the JSON is whole) and bench/overhead judges as
its targets say. How much anything costs is not tested: the machine may be in use.

Usage: overhead_test.py PP-OVERHEAD LIBPAGEPATROL.SO
"""
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

TOOL, SHIM = sys.argv.pop(1), sys.argv.pop(1)

overhead = script.load("overhead")
overhead.TOOLS.overhead, overhead.TOOLS.shim = Path(TOOL), Path(SHIM)


class Measures(unittest.TestCase):
    def check(self, arms, names, samples):
        self.assertEqual(list(arms), names)
        for arm in arms.values():
            self.assertEqual(arm["samples"], samples)
            self.assertGreater(arm["min"], 0)
            self.assertGreaterEqual(arm["median"], arm["min"])
        self.assertEqual(arms[names[0]]["ratio"], 1)

    def test_arms(self):
        with tempfile.TemporaryDirectory() as folder:
            file, policy = Path(folder, "file"), Path(folder, "policy.toml")
            file.write_bytes(b"x" * 10000)
            policy.write_text(overhead.MISS)
            for shim in (None, "", policy):
                self.check(overhead.TOOLS.arms("pairs", file, "--rounds", "3", policy=shim),
                           ["bare", "libc"], 3)
            self.check(overhead.TOOLS.arms("faults", file, "--rounds", "2"), ["libc"], 2)
            self.check(overhead.TOOLS.arms("faults", file, "--rounds", "2", "--bare"), ["bare"], 2)
            self.check(overhead.TOOLS.arms("starts", "--rounds", "2", "--arm", "a", "--arm", "b",
                                        f"LD_PRELOAD={SHIM}", "--", "/bin/true"), ["a", "b"], 2)

    def test_misuse(self):
        for arguments in ([], ["pairs"], ["pairs", "/nonexistent"], ["faults", "/dev/null"],
                          ["starts", "--", "/bin/true"], ["starts", "--arm", "a"],
                          ["starts", "--arm", "a", "--", "/bin/false"],
                          ["pairs", __file__, "--rounds", "0"]):
            done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertEqual(done.stdout, "", arguments)
            self.assertNotEqual(done.stderr, "", arguments)


class Judges(unittest.TestCase):
    def test_targets(self):
        for item, (_, unit, target) in overhead.ITEMS.items():
            if target is None:
                self.assertIsNone(overhead.result(item, 100, 200)["verdict"])
                continue
            limit = 1e6 * target if unit == "ratio" else 1e6 * (1 + target)
            self.assertEqual(overhead.result(item, 1e6, limit - 1)["verdict"], "ok", item)
            self.assertEqual(overhead.result(item, 1e6, limit + 100)["verdict"], "over", item)

    def test_parts_are_kept_each_by_itself(self):
        def parts(items):
            return {part: (lambda quick: items, lambda: {"kernel": "6.12"}, "heading") for part in ("here", "vm")}
        items = [overhead.result("start-policy", 1e6, 1.5e6)]
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            file = Path(folder) / "bench/overhead.json"
            file.parent.mkdir()
            with unittest.mock.patch.object(overhead, "BUILD", Path(folder)):
                for arguments, found in (([], items), (["--vm", "--quick"], [])):
                    with unittest.mock.patch.object(sys, "argv", ["overhead", *arguments]), \
                            unittest.mock.patch.object(overhead, "PARTS", parts(found)):
                        overhead.main()
            found = json.loads(file.read_text())
        self.assertEqual({part: (found[part]["items"], found[part]["quick"]) for part in ("here", "vm")},
                         {"here": (items, False), "vm": ([], True)})
        self.assertEqual(list(found["here"]), ["machine", "commit", "when", "quick", "items"])

    def test_table(self):
        results = [overhead.result(item, 1e6, 1.5e6) for item in overhead.ITEMS]
        lines = overhead.table(results).splitlines()
        self.assertEqual(len(lines), 1 + len(results))
        for line, (what, unit, _) in zip(lines[1:], overhead.ITEMS.values()):
            self.assertTrue(line.startswith(what))
            self.assertIn("1.500 x" if unit == "ratio" else "+0.50 ms", line)
        json.dumps(results)


if __name__ == "__main__":
    unittest.main()
