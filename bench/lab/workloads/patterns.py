# SPDX-License-Identifier: Apache-2.0
"""The access patterns of pp-bench, by its configs in bench/configs: the microbenchmarks, and the
loop over weights larger than memory. pp-bench counts its own bytes and hot faults."""
import dataclasses
import json
import subprocess
import tempfile
import types
from array import array
from pathlib import Path

from lab.cgroup import Job
from lab.data import Tools
from lab.system import MIB, PAGE, Failure
from lab.workload import LOCKED_SHARE, Dataset, Metric, Workload


def make_patterns(folder, tools):
    for name, size, seed in (("hot", "64M", 1), ("scan", "200M", 2), ("data", "64M", 4)):
        tools.make_file(size, folder / name, "--seed", seed)


def make_model(folder, tools):
    # named as weights are
    tools.make_file("137M", folder / "model.gguf", "--seed", 3)


def make_graph(folder, tools):
    # numbered by degree, as the policy needs it: 16 edges a node, so 69 MiB
    tools.make_file(folder / "graph", "--graph", 1_000_000, "--sorted", stdout=subprocess.DEVNULL)


PATTERNS = Dataset("patterns", "512M", make_patterns)
MODEL = Dataset("model", "256M", make_model)
GRAPH = Dataset("graph", "128M", make_graph)


def lockable(limit_mib):
    """How many pages the arm `advice` locks."""
    return int(LOCKED_SHARE * limit_mib * MIB) // PAGE


class Pattern(Workload):
    """One step of one config."""
    dataset = PATTERNS
    config, limit_mib, files = "", 0, ("data",)
    settings = {}  # key: value of --set, beside dir
    advice = {}  # the same, for the arm `advice`
    primary = Metric("throughput", "pages read", "1/s", decimals=0)

    def used(self, options):
        return self.files

    def limit(self, options):
        return self.limit_mib * MIB

    def configured(self, options):  # pylint: disable=unused-argument
        return self.settings

    def passes(self, options):
        settings = {"dir": options.data} | self.configured(options)
        return [[Job([options.build / "bench/pp-bench", options.repo / f"bench/configs/{self.config}.toml",
                      *(f"--set={key}={value}" for key, value in settings.items()),
                      "--json", "-"], name="pp-bench")]]

    def make_traced(self, folder, options):
        """Files of the same size: where a pattern reads does not depend on what it reads."""
        for name in self.files:
            with open(folder / name, "wb") as file:
                file.truncate(options.parts[name]["bytes"])

    def trace(self, options):
        """Recorded from pp-bench itself. Accesses that repeat one of the last 64 pages are left
        out."""
        with tempfile.TemporaryDirectory() as folder:
            self.make_traced(Path(folder), options)
            here = types.SimpleNamespace(**vars(options) | {"data": Path(folder)})
            command = [options.repo / "bench/trace", "-o", f"{folder}/trace", "--file", f"{folder}/*",
                       "--", *self.passes(here)[0][0].command]
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                                  check=False)
            if done.returncode:
                raise Failure(f"recording the accesses of {self.name}: {done.stderr.strip()}")
            return array("Q", (Path(folder) / "trace").read_bytes())

    def first_pages(self, options):
        """What vmtouch locks of a file whose beginning is as good as any part, or better."""
        return [(f"0-{int(LOCKED_SHARE * self.limit(options))}", [options.data / self.files[0]])]

    def advised(self, job, options):
        return dataclasses.replace(job, command=job.command + [
            f"--set={key}={value}" for key, value in self.advice.items()])

    @staticmethod
    def step(passes):
        return json.loads(passes[0]["outcomes"][0].output)["steps"][0]

    def read(self, passes, options):
        step = self.step(passes)
        values = {"throughput": step["accesses"] / step["seconds"]}
        if step["hot_accesses"]:
            values["hot_share"] = 100 * step["hot_major_faults"] / step["hot_accesses"]
        return values

    def answer(self, passes):
        return str(self.step(passes)["checksum"])


HOT_SHARE = Metric("hot_share", "hot accesses that waited for the disk", "%", False, 2)


class HotAndScan(Pattern):
    name, title, config, limit_mib = "hot-and-scan", "Hot pages beside a scan", "hot-and-scan", 96
    text = ("One process reads 64 MiB at random and scans 200 MiB from start to end in between (with --quick "
            "the first half of that), with 96 MiB of memory.")
    policy, metrics, files = "hot-and-scan.toml", (HOT_SHARE,), ("hot", "scan")
    pictured = {"hot file (64 MiB)": "hot", "scanned file (200 MiB)": "scan"}
    advice = {"files.hot.lock": 64 * MIB // PAGE, "files.scan.advice": "sequential"}

    def configured(self, options):
        return {"step.hot-and-scan.passes": 1, "step.hot-and-scan.share": 0.5} if options.quick else {}

    def locked(self, options):
        return [("", [options.data / "hot"])]


class Model(Pattern):
    name, title, config, limit_mib = "model", "Weights larger than memory", "loop", 96
    text = ("A mapped file of 137 MiB is read from start to end, again and again, with 96 MiB of memory, "
            "as a program does that runs a model which does not fit.")
    dataset, policy, effects = MODEL, "model.toml", ("dropped",)
    files = ("model.gguf",)
    pictured = {"weights (137 MiB)": "model.gguf"}
    advice = {"files.loop.lock": lockable(limit_mib)}
    locked = Pattern.first_pages

    def configured(self, options):
        return {"files.loop.path": "model.gguf", "step.loop.passes": self.count(options)}

    @staticmethod
    def count(options):
        return 2 if options.quick else 10


class GraphWalk(Pattern):
    """Index and hubs fit, all of the edges do not."""
    name, title, config, limit_mib = "graph-walk", "Random walks on a graph", "graph-walk", 32
    text = ("Random walks of 50 steps on a mapped graph of 69 MiB with 32 MiB of memory: each step looks up a node "
            "in the index (11 % of the file) and one of its edges. Nodes are numbered by degree, so the edges "
            "of the hubs, which walks meet most, lie right behind the index.")
    dataset, policy, effects = GRAPH, "graph.toml", ("kept",)
    metrics = (dataclasses.replace(HOT_SHARE, title="index reads that waited for the disk"),)
    files = ("graph",)
    pictured = {"graph (69 MiB), the index first": "graph"}
    advice = {"files.graph.advice": "random", "files.graph.lock": lockable(limit_mib)}
    locked = Pattern.first_pages

    def configured(self, options):
        # the config says MADV_RANDOM, which is for the arm `advice` to do
        return {"files.graph.advice": "none", "step.graph-walk.walks": 200 if options.quick else 600}

    def make_traced(self, folder, options):
        """The graph itself: what it holds is where the walk goes."""
        self.dataset.make(folder, Tools(options.repo, options.build))


class Micro(Pattern):
    """A pattern in one file of 64 MiB, in 24 MiB of memory."""
    limit_mib = 24
    policy = ""
    not_policed = "no shipped policy is about it"
    not_advised = "no advice fits"


class Sequential(Micro):
    name, title, config = "micro-sequential", "Microbenchmark: runs with gaps", "sequential"
    text = "Reads 8 pages, skips 24, to the end of the file, twice."
    advice = {"files.data.advice": "random"}


class CyclicBurst(Micro):
    name, title, config = "micro-cyclic-burst", "Microbenchmark: a moving window", "cyclic-burst"
    text = "Reads a window of 4 MiB twice and moves it by 1 MiB."
    advised = None
    not_advised = "LRU is right here, and read-ahead is as it should be"


class RandomRegion(Micro):
    name, title, config = "micro-random-region", "Microbenchmark: random regions", "random-region"
    text = "Random accesses within 5 % of the file, then within another 5 %."
    advice = {"files.data.advice": "random"}


class Reaccess(Micro):
    name, title, config = "micro-reaccess", "Microbenchmark: forward, and back at times", "reaccess"
    text = "Moves forward and, after each fourth page, reads one of the last 4096 again."
    metrics = (HOT_SHARE,)
    advised = None
    not_advised = "LRU is right here, and read-ahead is as it should be"


class RandomRead(Pattern):
    """What PagePatrol costs where it can win little: CPU time for what is read."""
    config, files, policy = "random-region", ("hot",), "hot-only.toml"
    locked = Pattern.first_pages

    def __init__(self, share):
        self.share, self.name = share, f"random-{round(100 * share)}"
        self.title = f"Random reads, {share:.0%} of the file fit"
        self.limit_mib = int(share * 64)
        self.advice = {"files.data.advice": "random", "files.data.lock": lockable(self.limit_mib)}
        self.text = ("Every page of a file is as likely to be read as any other, so nobody can know which to keep: what "
                     "counts is the CPU time beside that of the default. The policy pins the file as far as the budget goes.")

    def configured(self, options):
        return {"files.data.path": "hot", "step.random-region.share": 1.0,
                "step.random-region.regions": 1, "step.random-region.repeats": 1 if options.quick else 4}
