#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/growth's parts that need no VM: pp-growth does what it is told, memory is read right,
the section of the report on made-up results. How much anything costs is not tested.

Usage: growth_test.py PP-GROWTH
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
from lab import costs, parts, report, results  # noqa: E402
from lab.growth import guest, memory  # noqa: E402
from lab.growth import results as growing  # noqa: E402
from lab.report import costs as section  # noqa: E402

TOOL = ""
PAGE = 4096
MACHINE = {"kernel": "6.12.1-test", "accelerator": "icount", "cpus": 2}
SMAPS = """\
7f0000000000-7f0000001000 r-xp 00000000 08:01 12 /usr/lib/libc.so.6
Rss:                  40 kB
Pss:                  10 kB
Anonymous:             0 kB
7f0000001000-7f0000002000 rw-p 00000000 08:01 13 /opt/libpagepatrol.so
Rss:                   8 kB
Pss:                   8 kB
Anonymous:             4 kB
VmFlags: rd wr
7f0000002000-7f0000004000 rw-p 00000000 00:00 0
Rss:                  16 kB
Pss:                  16 kB
Anonymous:            16 kB
7f0000004000-7f0000005000 rw-p 00000000 00:00 0 [stack]
Rss:                   4 kB
Pss:                   4 kB
Anonymous:             4 kB
"""


def alive(processes, **more):
    bare = {"processes": processes, "arm": "bare", "start_ns": 3e6, "fault_ns": 12000, "end_ns": 5e5,
            "used_bytes": 200000 * processes, "slab_bytes": 30000 * processes, "percpu_bytes": 0,
            "anonymous_bytes": 100000 * processes, "page_table_bytes": 1, "stack_bytes": 1}
    ours = bare | {"arm": "pagepatrol", "start_ns": 5e6, "slab_bytes": 40240 * processes,
                   "anonymous_bytes": 151200 * processes, "ranges": processes, "status_ns": 3e5 * processes,
                   "map_bytes": 1000000 + 5800 * processes, "small_table_bytes": 1, "gone_ns": 1,
                   "left_subscriptions": 0, "left_processes": 0, "left_map_bytes": 1000000}
    return [bare, ours | more]


def sample():
    """The kinds as the guest says them."""
    maps = {name: {"value_bytes": size, "max_entries": 64, "memory_bytes": 5000}
            for name, size in (("pp_small_tables", 5704), ("pp_large_tables", 90184))}
    sizes = {"rss_bytes": 4096, "pss_bytes": 4096, "anonymous_bytes": 2048}
    counts = growing.begin("counts", MACHINE, "abc123", "2000-01-01 00:00 UTC", False)
    said = [{"kind": "loaded", "maps": maps, "map_bytes": 1000000, "programs_bytes": 100},
            {"kind": "shim", "ranges": 0, "program": "sleep", "bare": sizes, "process": sizes, "library": sizes},
            {"kind": "refused", "asked": 2048, "ranges": 1024}]
    said += [{"kind": "lookup", "ranges": ranges, "fault_bare_ns": 12000, "fault_ns": 16000 + ranges,
              "pair_bare_ns": 11000, "pair_ns": 20000 + 400 * ranges} for ranges in (1, 10, 1000)]
    said += [{"kind": "alive"} | row for processes in (1, 11) for row in alive(processes)]
    said += [{"kind": "many"} | row for row in alive(1563, ranges=100032)]
    for one in said:
        growing.add(counts, one)
    pushes = growing.begin("pushes", MACHINE, "abc123", "2000-01-01 00:00 UTC", True)
    for repetition in range(2):
        for processes in (1, 2):
            for arm, pairs in (("bare", 1000), ("pagepatrol", 500 + 100 * repetition)):
                growing.add(pushes, {"kind": "push", "arm": arm, "repetition": repetition, "processes": processes,
                                     "pairs": pairs, "seconds": 2.0})
    return parts.with_part(parts.with_part(None, "counts", counts), "pushes", pushes)


class Tool(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name, "file")
        with self.file.open("wb") as file:
            file.truncate(40 * PAGE)

    def test_pairs(self):
        out = subprocess.run([TOOL, "pairs", self.file, self.file, "--milliseconds", "50"], check=True,
                             stdout=subprocess.PIPE).stdout
        said = json.loads(out)
        self.assertEqual(said["processes"], 2)
        self.assertGreater(said["pairs"], 0)
        self.assertGreaterEqual(said["seconds"], 0.05)

    def test_held_processes_have_their_mappings_and_end_with_stdin(self):
        for more in [], ["--fork"]:
            with subprocess.Popen([TOOL, "hold", self.file, "--processes", "3", "--ranges", "20", *more],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
                ready = json.loads(held.stdout.readline())
                self.assertGreater(ready["start_ns"], 0)
                maps = Path(f"/proc/{ready['first_pid']}/maps").read_text()
                self.assertEqual(maps.count(f"{self.file}\n"), 20)
                held.stdin.close()
                self.assertIn("end_ns", json.loads(held.stdout.readline()))
                self.assertEqual(held.wait(), 0)

    def test_misuse(self):
        for arguments in ([], ["pairs"], ["pairs", "/nonexistent"], ["hold", self.file],
                          ["hold", self.file, "--processes", "0"], ["hold", self.file, "--processes", "1", "--fork"],
                          ["hold", self.file, "--processes", "2", "--ranges", "21"]):
            done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertEqual(done.stdout, "", arguments)
            self.assertNotEqual(done.stderr, "", arguments)


class Status(unittest.TestCase):
    def test_parsed(self):
        text = ("module:    loaded, version 0.1, 2 address spaces subscribed\nprograms:  page_added\n"
                "user 0: 2 processes, keeping 0.3 MiB\nprocesses: 2\n"
                "  12 a: 9 ranges (uid 0), subscribed: 64 ranges, may keep 0.2 MiB\n"
                "    7f00-7f01 /x: 3 ranges, may keep 1: pin, rule 1\n"
                "  13 b (uid 1), attached: 2 ranges, may keep 0.1 MiB\ntotal:     uploads 7\n")
        self.assertEqual(guest.parsed(text), {"processes": 2, "subscriptions": 2, "ranges": 66})
        self.assertRaises(guest.Failure, guest.parsed, "module:    not loaded\n")


class Memory(unittest.TestCase):
    def test_of_process(self):
        found = memory.of_process(SMAPS, "libpagepatrol.so")
        self.assertEqual(found["process"], {"rss_bytes": 68 << 10, "pss_bytes": 38 << 10,
                                            "anonymous_bytes": 24 << 10})
        # its .bss counts as the library's, the stack does not
        self.assertEqual(found["library"], {"rss_bytes": 24 << 10, "pss_bytes": 24 << 10,
                                            "anonymous_bytes": 20 << 10})

    def test_of_machine(self):
        found = memory.of_machine(Path("/proc/meminfo").read_text())
        self.assertGreater(found["used_bytes"], found["page_table_bytes"])
        self.assertGreater(found["slab_bytes"], 0)


class Results(unittest.TestCase):
    def test_parts_are_replaced_each_by_itself(self):
        found = sample()
        again = parts.with_part(found, "pushes", growing.begin("pushes", MACHINE, "def", "later", False))
        self.assertEqual(again["counts"], found["counts"])
        self.assertEqual(again["pushes"]["push"], [])

    def test_what_is_begun_is_not_shared(self):
        growing.add(growing.begin("pushes", MACHINE, "a", "b", False), {"kind": "push"})
        self.assertEqual(growing.begin("pushes", MACHINE, "a", "b", False)["push"], [])

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "growth.json")
            self.assertIsNone(parts.load(path))
            path.write_text(json.dumps(sample()))
            self.assertEqual(parts.load(path), sample())
            path.write_text('{"format": 0}')
            self.assertRaises(ValueError, parts.load, path)

    def test_figures(self):
        found = sample()
        self.assertEqual(growing.per_process(found["counts"]["alive"], "slab_bytes"), 10240)
        self.assertIsNone(growing.per_process(found["counts"]["alive"][:2], "slab_bytes"))
        (processes, ours, bare, ratio), _ = growing.rates(found["pushes"])
        self.assertEqual((processes, ours.median, bare.median), (1, 275, 500))
        self.assertEqual((ratio.median, ratio.low, ratio.high), (0.55, 0.5, 0.6))


class Section(unittest.TestCase):
    def check(self, growth, overhead=None, comparisons=()):
        found = results.begin("abc123", "2000-01-01 00:00 UTC", False) | {"comparisons": list(comparisons)}
        html = section.html(growth, overhead, found)
        if html:
            ET.fromstring(html.replace("\u00a0", " "))
        ET.fromstring(report.page(found, growth, overhead).replace("<!DOCTYPE html>\n", ""))
        return html

    def test_section_says_what_was_found(self):
        items = [{"item": item, "bare_ns": 1e6, "with_ns": 1.5e6, "unit": unit, "value": 1.5,
                  "target": target, "verdict": None} for item, (_, unit, target) in costs.ITEMS.items()]
        native = MACHINE | {"accelerator": "none", "kernel": "6.1.0-mine"}
        overhead = {"format": 1, "here": parts.part(native, "def456", "2000-01-02", True) | {"items": items[:4]},
                    "vm": parts.part(MACHINE, "789abc", "2000-01-03", False) | {"items": items[4:]}}
        html = self.check(sample(), overhead)
        for said in ("Each thing by itself, without the kernel side: commit def456, 2000-01-02, kernel 6.1.0-mine, "
                     "2 processors, not in a virtual machine, a short run.",
                     "Each thing by itself, in the VM: commit 789abc, 2000-01-03, kernel 6.12.1-test, 2 processors, "
                     "QEMU (icount).", "Counts: commit abc123"):
            self.assertIn(said, html)
        for expected in ("5.6 KiB", "89 bytes for each range", "1.06 × as much", "20.59 × as much", "has 1\N{NO-BREAK SPACE}024",
                         "10.0 KiB of kernel objects more", "50.0 KiB of memory of its own", "100\N{NO-BREAK SPACE}032", "0.50-0.60",
                         *(what for what, _, _ in costs.ITEMS.values())):
            self.assertIn(expected, html)
        self.assertEqual(html.count("<figure"), 9)

    def test_section_of_little(self):
        self.assertEqual(self.check(None), "")
        whole = sample()
        for part in growing.PARTS:
            self.check({"format": 1, part: whole[part]})
            # of a run that was interrupted at once
            self.check({"format": 1, part: growing.begin(part, MACHINE, "abc", "then", False)})
        short = sample()["counts"] | {"alive": alive(1), "many": [], "lookup": [], "refused": None}
        self.check({"format": 1, "counts": short})
        self.assertIn("Each thing", self.check(None, {"vm": parts.part(MACHINE, "a", "b", False) | {"items": []}}))

    def test_random_reads(self):
        def arm(name, reads, *seconds):
            method, lru = name.split("/")
            return {"arm": name, "method": method, "lru": lru,
                    "runs": [{"cpu_seconds": s, "disk_reads": reads} for s in seconds]}
        one = {"workload": "random-30", "failure": None,
               "arms": [arm("default/mglru", 10000, 10, 10), arm("pagepatrol/mglru", 8000, 10.1, 10.3)]}
        said = section.random_reads({"comparisons": [one]}).replace("\u00a0", " ")
        self.assertIn("random-30, MGLRU: <b>+2.0 %</b> (+1.0 to +3.0), and for one read of the disk "
                      "<b>+27.5 %</b> (+26.2 to +28.8): 1 275 µs", said)
        self.assertIn("of another set-up", said)
        self.assertEqual(section.random_reads({"comparisons": [one | {"failure": "it broke"}]}), "")

    def test_text(self):
        lines = section.text(sample()).splitlines()
        self.assertTrue(any(line.split()[:2] == ["1", "563"] for line in lines))


if __name__ == "__main__":
    TOOL = sys.argv.pop(1)
    unittest.main()
