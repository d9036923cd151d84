# SPDX-License-Identifier: Apache-2.0
"""What a workload is to the rest of bench/run. Each is a file in workloads/; it says which data
it needs, which programs run in which order, and what of their output counts. It must not know
which arm it runs in."""
import contextlib
from dataclasses import dataclass

from lab.system import PAGE

# of the limit: what the arms vmtouch and advice lock at most where not all of what is to stay fits.
# The rest is for the programs themselves, what streams through, and page tables
LOCKED_SHARE = 0.85


@dataclass(frozen=True)
class Metric:
    """A number that a run gives, beside those that every run has (see measure.py)."""
    key: str
    title: str
    unit: str
    higher_is_better: bool = True
    decimals: int = 1


@dataclass(frozen=True)
class Dataset:
    """Files that scripts make, kept in the cache as the image of a disk."""
    name: str
    image_size: str  # of the file system, as scripts/vm --scratch-size takes it
    make: object  # function(folder, tools): tools are what it may call, see data.py
    parameters: tuple = ()  # what else the content depends on


class Workload:
    """The defaults are those of a program that can't be changed, with nothing to lock."""
    name = title = text = ""
    dataset = None
    roles = ("main",)
    primary = None  # the Metric by which arms are compared
    metrics = ()  # further ones
    # the arm PagePatrol: a file in policies/ for the role "main", or {role: file}; of the
    # counters one at least must have counted
    policy, effects = "", ("dropped", "kept")
    not_policed = "there is no policy for it"
    # the arm vmtouch: locked(options) -> [(range of vmtouch -p or "", paths)]
    locked, not_locked = None, "nothing in it deserves to stay"
    # the arm advice: advised(job, options) -> Job
    advised, not_advised = None, "the program is not ours to change"
    # what the residency map shows: {title: path below the data}
    pictured = {}

    def policies(self):
        """{role: file in policies/}"""
        if isinstance(self.policy, dict):
            return self.policy
        return {"main": self.policy} if self.policy else {}

    def limit(self, options):
        """memory.max in bytes."""
        raise NotImplementedError

    @contextlib.contextmanager
    def prepared(self, options):  # pylint: disable=unused-argument
        """What a run needs beside the data: there before the caches are dropped, and until its
        results have been read. None of it is measured."""
        yield

    def passes(self, options):
        """Lists of jobs; those of a list run at the same time, the lists one after another."""
        raise NotImplementedError

    def read(self, passes, options):
        """passes: [{"seconds", "disk", "outcomes"}]. Returns the metrics' values by key."""
        raise NotImplementedError

    def answer(self, passes):
        """What must be the same in all arms: a checksum, the matches found."""
        raise NotImplementedError

    def trace(self, options):
        """Pages in the order of access, as numbers, or None where it is not known: what the
        optimum is computed from, and the share of accesses that did not come from the disk."""
        return None

    @staticmethod
    def used(options):
        """The top-level files and folders of the data that are used."""
        return tuple(options.parts)

    def data_bytes(self, options):
        return sum(options.parts[part]["bytes"] for part in self.used(options))

    def data_pages(self, options):
        return sum(options.parts[part]["pages"] for part in self.used(options))

    def optimum_pages(self, options):
        """How many pages the optimum may keep: all of the limit, which no real arm has for
        pages of files alone."""
        return self.limit(options) // PAGE
