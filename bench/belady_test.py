#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pp-belady on traces made by hand, against a slow and obvious implementation, and on one of
some millions of accesses. Usage: belady_test.py PP-BELADY
"""
import json
import random
import subprocess
import sys
import time
import unittest
from array import array

TOOL = ""


def run(trace, *capacities):
    done = subprocess.run([TOOL, *map(str, capacities)], input=array("Q", trace).tobytes(),
                          capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def misses(trace, capacity):
    found = run(trace, capacity)[0]
    return found["optimal_misses"], found["lru_misses"]


def obvious_optimum(trace, capacity):
    cached, count = set(), 0
    for i, page in enumerate(trace):
        if page in cached:
            continue
        count += 1
        if len(cached) == capacity:
            rest = trace[i + 1:]
            cached.remove(max(cached, key=lambda p: rest.index(p) if p in rest else len(trace)))
        cached.add(page)
    return count


class Belady(unittest.TestCase):
    def test_textbook(self):
        # the reference string of most textbooks: 3 frames, 9 faults, LRU 12
        trace = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1]
        self.assertEqual(misses(trace, 3), (9, 12))

    def test_loop(self):
        # of 10 pages in 4 frames the optimum keeps all but one; LRU hits nothing
        optimum, lru = misses(list(range(10)) * 5, 4)
        self.assertEqual(lru, 50)
        self.assertEqual(optimum, obvious_optimum(list(range(10)) * 5, 4))

    def test_all_fits(self):
        self.assertEqual(misses([5, 6, 5, 6, 5], 2), (2, 2))
        self.assertEqual(misses([1 << 63, 0, 1 << 63], 9), (2, 2))

    def test_one_frame(self):
        self.assertEqual(misses([1, 1, 2, 1, 1], 1), (3, 3))

    def test_several_capacities(self):
        found = run([1, 2, 3] * 4, 1, 2, 3)
        self.assertEqual([f["capacity"] for f in found], [1, 2, 3])
        self.assertEqual([f["optimal_misses"] for f in found], [12, 7, 3])
        self.assertEqual([(f["accesses"], f["pages"]) for f in found], [(12, 3)] * 3)

    def test_against_the_obvious(self):
        rng = random.Random(1)
        for _ in range(100):
            trace = [int(rng.paretovariate(0.7)) % 30 for _ in range(rng.randrange(1, 120))]
            capacity = rng.randrange(1, 12)
            self.assertEqual(misses(trace, capacity)[0], obvious_optimum(trace, capacity))

    def test_empty(self):
        self.assertEqual(misses([], 3), (0, 0))

    def test_millions_in_seconds(self):
        rng = random.Random(2)
        trace = [rng.getrandbits(18) for _ in range(1 << 16)] * 48
        start = time.monotonic()
        optimum, lru = misses(trace, 10000)
        self.assertLess(time.monotonic() - start, 30)
        self.assertLess(optimum, lru)

    def test_errors(self):
        for arguments, data, status in ((["x"], b"", 2), ([], b"", 2), (["0"], b"", 2),
                                        (["3"], b"1234567", 1)):
            done = subprocess.run([TOOL, *arguments], input=data, capture_output=True, check=False)
            self.assertEqual(done.returncode, status)
            self.assertIn(b"pp-belady: " if arguments else b"usage: ", done.stderr)


if __name__ == "__main__":
    TOOL = sys.argv.pop(1)
    unittest.main()
