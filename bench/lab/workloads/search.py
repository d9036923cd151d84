# SPDX-License-Identifier: Apache-2.0
"""File search: the unmodified rg --mmap, again and again, as a new process each time."""
import random

from lab.cgroup import Job
from lab.system import MIB, PAGE
from lab.workload import LOCKED_SHARE, Dataset, Metric, Workload

# sizes like those of the files of a large C project: half of them below 5 KiB, 14 KiB on average
MEDIAN, SIGMA, LARGEST = 4900, 1.45, MIB
# MiB by folder; --quick searches the first folder alone
TREE = {"first": 30, "second": 170}
LARGE = {"first": 75, "second": 225}
LARGE_FILE = 25


def make_tree(folder, tools):
    """Of each folder one text, cut into files in folders of 20, three levels deep."""
    rng = random.Random(5)
    text = folder / "text"
    for seed, (top, size) in enumerate(TREE.items()):
        tools.make_file(f"{size}M", text, "--text", "--seed", 5 + seed)
        with open(text, "rb") as source:
            number = 0
            while piece := source.read(min(LARGEST, 64 + int(rng.lognormvariate(0, SIGMA) * MEDIAN))):
                place = folder / top / f"part{number // 400:02}" / f"module{number // 20 % 20:02}"
                place.mkdir(parents=True, exist_ok=True)
                (place / f"file{number:05}.c").write_bytes(piece)
                number += 1
        text.unlink()


def make_large(folder, tools):
    for seed, (top, size) in enumerate(LARGE.items()):
        (folder / top).mkdir()
        for number in range(size // LARGE_FILE):
            tools.make_file(f"{LARGE_FILE}M", folder / top / f"{number}.log", "--text",
                            "--seed", 10 + 10 * seed + number)


class Search(Workload):
    """The same command, the limit 70 % of the data."""
    policy = "ripgrep.toml"
    effects = ("dropped",)
    primary = Metric("throughput", "searched", "MiB/s")
    metrics = (Metric("later_throughput", "from the 2nd run on", "MiB/s"),)
    share = 0.7

    @staticmethod
    def used(options):
        return ("first",) if options.quick else ("first", "second")

    def limit(self, options):
        """Of the pages: most files of a tree end within one."""
        return int(self.share * self.data_pages(options)) * PAGE

    @staticmethod
    def count(options):
        return 3 if options.quick else 10

    def passes(self, options):
        job = Job(["rg", "--mmap", "--no-config", "--count", "--text", "wolf",
                   *(options.data / top for top in self.used(options))], name="rg")
        return [[job] for _ in range(self.count(options))]

    def read(self, passes, options):
        size, seconds = self.data_bytes(options) / MIB, [result["seconds"] for result in passes]
        return {"throughput": len(seconds) * size / sum(seconds),
                "later_throughput": (len(seconds) - 1) * size / sum(seconds[1:])}

    def answer(self, passes):
        found = {"\n".join(sorted(result["outcomes"][0].output.splitlines())) for result in passes}
        return "\n".join(sorted(found))

    def trace(self, options):
        """Each page once per run; the order within a run makes no difference to the optimum."""
        pages = self.data_pages(options)
        return (page for _ in range(self.count(options)) for page in range(pages))

    def locked(self, options):
        """Whole files, in the order of their names, as far as they fit."""
        room, whole, ranges = int(LOCKED_SHARE * self.limit(options)), [], []
        for path in sorted(path for top in self.used(options)
                           for path in (options.data / top).rglob("*") if path.is_file()):
            size = -(-path.stat().st_size // PAGE) * PAGE
            if size > room:
                ranges = [(f"0-{room}", [path])] if room >= MIB else []
                break
            room -= size
            whole.append(path)
        return [("", whole), *ranges]


class SearchTree(Search):
    name, title = "search-tree", "Search in many files"
    text = ("`rg --mmap` searches a tree of source-like files (half of them below 5 KiB), again and "
            "again, each time as a new process. The limit is 70 % of the data.")
    dataset = Dataset("search-tree", "512M", make_tree, (TREE, MEDIAN, SIGMA, LARGEST))


class SearchLarge(Search):
    name, title = "search-large", "Search in a few large files"
    text = ("`rg --mmap` searches files of 25 MiB, again and again, each time as a new process. The "
            "limit is 70 % of the data.")
    dataset = Dataset("search-large", "512M", make_large, (LARGE, LARGE_FILE))
