#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/trace against programs whose accesses are known: trace_test.py BUILD. The program
must not notice: the same output, checksum, exit status."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from array import array
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
TRACE = Path(__file__).resolve().parent / "trace"
PAGE = os.sysconf("SC_PAGESIZE")

# maps a file, and hands the mapping to write(2) and writev(2)
WRITER = """
import mmap, os, sys
with open(sys.argv[1], "rb") as file:
    data = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
os.write(1, data)
os.writev(1, [data[5:9000], data[20000:60000]])
"""

FORKS = """
import mmap, os, sys
file = open(sys.argv[1], "rb")
data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
total = data[0]
child = os.fork()
for page in range(1, len(data) // mmap.PAGESIZE):
    total += data[page * mmap.PAGESIZE]
if child:
    os.wait()
os.write(1, b"%d\\n" % total)
"""


class TraceTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="trace-test."))
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, name, pages, text=False):
        path = self.folder / name
        subprocess.run([BUILD / "bench/make-file", str(pages * PAGE), path]
                       + (["--text"] if text else []), check=True)
        return path

    def trace(self, command, *options, files="*", status=0):
        """(its stdout, accesses as (file name, page), the facts)"""
        out = self.folder / "out.trace"
        done = subprocess.run(
            [TRACE, "-o", out, "--file", f"{self.folder}/{files}", *options, "--", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"PAGEPATROL_BUILD": str(BUILD)}, check=False)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        facts = json.loads(Path(f"{out}.json").read_text())
        words = array("I")
        words.frombytes(out.read_bytes())
        names = [os.path.basename(file["path"]) for file in facts["files"]]
        self.assertEqual(len(words), 2 * facts["accesses"])
        return done.stdout, [(names[f], p) for f, p in zip(words[::2], words[1::2])], facts

    def bench(self, step, *files):
        config = self.folder / "config.toml"
        config.write_text("".join(f'[files.{f.name}]\npath = "{f}"\n' for f in files)
                          + "[[step]]\n" + step)
        return [BUILD / "bench/pp-bench", config]

    def checksum(self, text):
        return [line for line in text.decode().splitlines() if "checksum" in line]

    def test_loop(self):
        command = self.bench('pattern = "loop"\nfile = "a"\npasses = 3\n', self.file("a", 300))
        out, accesses, facts = self.trace(command)
        self.assertEqual(accesses, [("a", page) for page in range(300)] * 3)
        self.assertEqual(self.checksum(out), self.checksum(subprocess.check_output(command)))
        self.assertEqual((facts["lost"], facts["untraced_mappings"]), (0, 0))

    def test_the_window_filters_repeats(self):
        command = self.bench('pattern = "loop"\nfile = "a"\npasses = 3\n', self.file("a", 40))
        self.assertEqual(len(self.trace(command, "--window", "64")[1]), 40)
        self.assertEqual(len(self.trace(command, "--window", "32")[1]), 120)

    def test_hot_and_scan(self):
        command = self.bench('pattern = "hot-and-scan"\nhot = "h"\nscan = "s"\nratio = 4\n',
                             self.file("h", 2000), self.file("s", 400))
        out, accesses, _ = self.trace(command)
        self.assertEqual(self.checksum(out), self.checksum(subprocess.check_output(command)))
        self.assertEqual([p for f, p in accesses if f == "s"], list(range(400)) * 2)
        hot = [p for f, p in accesses if f == "h"]
        # the warm-up, then at random one page after every four scanned ones; of these 200
        # few repeat one of the 13 before
        self.assertEqual(hot[:2000], list(range(2000)))
        self.assertTrue(190 <= len(hot) - 2000 <= 200, len(hot))
        self.assertEqual(accesses[2000], ("s", 0))

    def test_hubs_of_a_sorted_graph_lie_in_front(self):
        graph, plain = self.folder / "graph", self.folder / "plain"
        for path, more in (graph, ["--sorted"]), (plain, []):
            layout = subprocess.check_output(
                [BUILD / "bench/make-file", "--graph", "200000", *more, path], text=True)
        index = int(layout.split()[3]) // PAGE  # the same in both
        pages = graph.stat().st_size // PAGE
        shares = []
        for path in graph, plain:
            step = f'pattern = "graph-walk"\nfile = "{path.name}"\nwalks = 40\nsteps = 50\n'
            _, accesses, _ = self.trace(self.bench(step, path), "--window", "32",
                                        files=path.name)
            edges = [page for _, page in accesses if page >= index]
            # the first tenth of what is behind the index
            hubs = [page for page in edges if page < index + (pages - index) // 10]
            shares.append(len(hubs) / len(edges))
        self.assertGreater(shares[0], 3 * shares[1])

    @unittest.skipUnless(shutil.which("rg"), "no ripgrep")
    def test_ripgrep_is_sequential(self):
        self.file("text", 1000, text=True)
        command = ["rg", "--mmap", "--no-config", "-j1", "-c", "wolf|a", self.folder / "text"]
        out, accesses, _ = self.trace(command)
        self.assertEqual(out, subprocess.check_output(command))
        pages = [page for _, page in accesses]
        self.assertEqual(sorted(set(pages)), list(range(1000)))
        self.assertEqual(pages, sorted(pages))

    def test_mapped_memory_in_system_calls(self):
        self.file("a", 200)
        command = [sys.executable, "-c", WRITER, self.folder / "a"]
        out, accesses, _ = self.trace(command, "--window", "32")
        self.assertEqual(out, subprocess.check_output(command))
        self.assertEqual(accesses[:200], [("a", page) for page in range(200)])
        # all were closed again: the last 32 aside, each page of the second call counts
        self.assertEqual(accesses[200:], [("a", page) for page in [0, 1, 2, *range(4, 15)]])

    def test_forked_children_are_traced(self):
        self.file("a", 500)
        command = [sys.executable, "-c", FORKS, self.folder / "a"]
        out, accesses, facts = self.trace(command)
        self.assertEqual(sorted(out), sorted(subprocess.check_output(command)))
        self.assertEqual(len(facts["files"]), 1)
        self.assertEqual(sorted(page for _, page in accesses),
                         sorted([0] + list(range(1, 500)) * 2))

    def test_threads_of_a_store(self):
        data = self.folder / "db"
        kv = BUILD / "bench/pp-kv"
        if subprocess.run([kv, "load", "lmdb", data, "--records", "3000"], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).returncode:
            self.skipTest("built without LMDB")
        command = [kv, "run", "lmdb", data, "--workload", "get-scan", "--threads", "3",
                   "--operations", "3000", "--warm-up", "0", "--scans", "2", "--json", "-"]
        # the lock file holds mutexes, which the kernel looks at
        out, accesses, _ = self.trace(command, files="db/data.mdb")
        expected = json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL))
        self.assertEqual([role["checksum"] for role in json.loads(out)["roles"]],
                         [role["checksum"] for role in expected["roles"]])
        self.assertGreater(len({page for name, page in accesses if name == "data.mdb"}), 1000)

    def test_a_crash_stays_one(self):
        self.file("a", 10)
        crash = "import ctypes, mmap; ctypes.string_at(64)"
        command = [sys.executable, "-c", "import mmap; f = open('%s', 'rb'); m = mmap.mmap("
                   "f.fileno(), 0, prot=mmap.PROT_READ); m[0]; " % (self.folder / "a") + crash]
        self.trace(command, status=128 + signal.SIGSEGV)

    def test_what_is_lost_is_told(self):
        command = self.bench('pattern = "loop"\nfile = "a"\npasses = 1\n', self.file("a", 300))
        _, accesses, facts = self.trace(command, "--limit", "100", status=125)
        self.assertEqual((len(accesses), facts["lost"]), (100, 200))


if __name__ == "__main__":
    unittest.main()
