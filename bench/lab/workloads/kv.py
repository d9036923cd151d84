# SPDX-License-Identifier: Apache-2.0
"""Look-ups in embedded databases, beside scans and backups: pp-kv on Debian's libraries. Nothing
here changes its data: that is kv_writes.py's."""
import contextlib
import dataclasses
import json
import sqlite3

from lab.cgroup import Job
from lab.system import MIB, PAGE, Failure
from lab.workload import LOCKED_SHARE, Dataset, Metric, Workload

# values of 1 KiB: 187 MiB in LMDB
RECORDS = 140_000
THREADS = 2

# Of pages that are locked one by one, and lie scattered: each cuts the mapping in two places. How many
# pieces a process may have (vm.max_map_count as the kernel has it), those that it has anyway, and what
# the kernel takes for one (struct vm_area_struct, its place in the tree), which the limit covers too
MAX_PIECES, OTHER_PIECES, PIECE_BYTES = 65530, 1000, 256
# what two pp-kv need beside: heaps, stacks, page tables
PROGRAMS_BYTES = 8 * MIB

# latencies beyond P99.9, at least
BEYOND = 10

P50 = Metric("p50", "look-up P50", "ms", False, 2)
P99 = Metric("p99", "look-up P99", "ms", False, 2)
P999 = Metric("p999", "look-up P99.9", "ms", False, 2)
SCAN = Metric("scan_throughput", "records scanned", "1/s", True, 0)
PASSES = Metric("scan_throughput", "passes of the backup", "1/min", True, 1)


def recipe(engine):
    """Its own dataset for each engine."""
    def make(folder, tools):
        tools.call(tools.build / "bench/pp-kv", "load", engine, folder / engine, "--records", RECORDS)
        if engine == "lmdb":
            # else the first to open it would have to make it, inside of what is measured
            (folder / engine / "lock.mdb").touch()
    return Dataset(f"kv-{engine}", "640M", make, (engine, RECORDS))


DATA = {engine: recipe(engine) for engine in ("lmdb", "leveldb", "rocksdb", "sqlite")}


def role_of(outcome, *names):
    """The part of pp-kv's result that is about one of these roles; None if nothing is."""
    if not outcome.output:
        return None
    roles = json.loads(outcome.output)["roles"]
    return next((role for role in roles if role["role"] in names), None)


class KeyValue(Workload):
    """pp-kv for a fixed time. It checks each value that it reads itself."""
    engine, workload, share, threads = "lmdb", "get-scan", 0.3, THREADS
    primary = Metric("throughput", "look-ups", "1/s", decimals=0)
    effects = ("uploads",)  # some of the policies are about read-ahead alone, which is not counted
    advice = {}  # role: words of --advise; {hot_bytes}: how much its author would lock
    timed = None  # the kind of operation whose latencies count; None: all
    not_locked = "what is hot lies scattered over the file"

    def limit(self, options):
        return int(self.share * self.data_pages(options)) * PAGE

    @staticmethod
    def seconds(options):
        return 10 if options.quick else 60

    def folder(self, options):
        return options.data / self.engine

    def command(self, options, *more):
        return [options.build / "bench/pp-kv", "run", self.engine, self.folder(options),
                "--workload", self.workload, "--threads", self.threads, "--json", "-", *more]

    def passes(self, options):
        return [[Job(self.command(options, "--seconds", self.seconds(options)), name="pp-kv")]]

    @property
    def advised(self):
        return self.advise if self.advice else None

    def hot_bytes(self, options):
        """Of the records' pages: as many as fit, the most popular first."""
        limit = self.limit(options)
        room = min(LOCKED_SHARE * limit, limit - PROGRAMS_BYTES)
        pages = min(room // (PAGE + 2 * PIECE_BYTES), (MAX_PIECES - OTHER_PIECES) // 2)
        return int(pages) * PAGE

    def advise(self, job, options):
        words = self.advice.get(job.role, "").format(hot_bytes=self.hot_bytes(options))
        return dataclasses.replace(job, command=job.command + ["--advise", words]) if words else job

    def read(self, passes, options):
        values = {}
        for outcome in passes[0]["outcomes"]:
            reads, scan = role_of(outcome, "get", "mix"), role_of(outcome, "scan")
            if reads and reads["operations"]:
                values["throughput"] = reads["throughput"]
                values |= self.latencies(reads["kinds"][self.timed] if self.timed else reads["latency_ns"])
            if scan:
                values["scan_throughput"] = scan["throughput"]
            elif outcome.job.role == "scan":  # it got nowhere
                values["scan_throughput"] = 0.0
        if "throughput" not in values:
            raise Failure(f"{self.name}: pp-kv tells of no look-ups")
        return values

    @staticmethod
    def latencies(found):
        """P99.9 only if enough took longer to tell."""
        values = {"p50": found["p50"] / 1e6, "p99": found["p99"] / 1e6, "latency_histogram": found["histogram"]}
        if found["count"] * 0.001 >= BEYOND:
            values["p999"] = found["p99.9"] / 1e6
        return values

    def answer(self, passes):
        missing = [role["not_found"] for outcome in passes[0]["outcomes"]
                   if (role := role_of(outcome, "get", "mix"))]
        return f"keys not found: {sum(missing)}"


class GetScan(KeyValue):
    """Two processes on one LMDB environment: the scan goes on as long as the look-ups."""
    title = "Look-ups beside a scan: LMDB"
    dataset, roles = DATA["lmdb"], ("server", "scan")
    policy = {"server": "point-reads.toml", "scan": "backup.toml"}
    metrics, effects = (P50, P99, P999, SCAN), ("dropped",)
    advice = {"server": "random,lock-hot={hot_bytes}", "scan": "behind"}

    def __init__(self, share):
        self.share, self.name = share, f"get-scan-{round(100 * share)}"
        self.text = (f"{THREADS} threads look up keys in LMDB, some far more often than others, while another "
                     f"process reads all of it, again and again. The limit is {share:.0%} of the data.")

    def passes(self, options):
        server = Job(self.command(options, "--role", "get", "--seconds", self.seconds(options)),
                     name="server", role="server")
        return [[server, Job(self.command(options, "--role", "scan"), name="scanner", role="scan",
                             background=True)]]


class GetScanOne(KeyValue):
    """The same in one process."""
    name, title = "get-scan-one", "Look-ups beside a scan in the same process: LMDB"
    text = ("As above with a limit of 30 %, but one of the threads of the same process scans: a policy "
            "can't tell them apart.")
    dataset, policy, metrics = DATA["lmdb"], "get-scan.toml", (P50, P99, P999, SCAN)
    advice = {"main": "random,behind,lock-hot={hot_bytes}"}


class Backup(KeyValue):
    """A program that knows nothing of databases reads everything beside the server."""
    name, title = "backup", "A backup that maps, beside a server"
    text = ("Look-ups in LMDB with enough memory for all that is hot (70 % of the data), while `rg --mmap` reads the "
            "same files, again and again: how much slower does the server get?")
    dataset, roles, share = DATA["lmdb"], ("server", "scan"), 0.7
    policy = {"server": "point-reads.toml", "scan": "backup.toml"}
    metrics, effects = (P50, P99, P999, PASSES), ("dropped",)
    advice = {"server": "random,lock-hot={hot_bytes}"}
    ok = (0, 1)  # rg found nothing: so it has to read each file to its end

    @staticmethod
    def program(options):
        return ["rg", "--mmap", "--no-config", "--count", "--text", "in no record", "--no-messages",
                options.data]

    def passes(self, options):
        server = Job(self.command(options, "--role", "get", "--seconds", self.seconds(options)),
                     name="server", role="server")
        program = self.program(options)
        return [[server, Job(program, name=program[0], role="scan", background=True, ok=self.ok)]]

    def read(self, passes, options):
        values = super().read(passes, options)
        for outcome in passes[0]["outcomes"]:
            # of those that it finished
            if outcome.job.role == "scan" and outcome.runs:
                values["scan_throughput"] = 60 * outcome.runs / outcome.runs_seconds
        return values


class BackupTar(Backup):
    """The same by read(2), which no rule reaches: PagePatrol has the server alone."""
    name, title = "backup-tar", "A backup that reads, beside a server"
    text = ("As above, but it is `tar` that reads everything, and by read(2): PagePatrol can say nothing to it, "
            "so only the server has a policy.")
    policy, effects = {"server": "point-reads.toml"}, ("uploads",)
    ok = (0,)

    @staticmethod
    def program(options):
        # into a pipe: an archive that is /dev/null makes tar read nothing. The lock changes while
        # it is read, of which tar complains
        return ["tar", "--create", "--file=-", "--use-compress-program=cat >/dev/null",
                "--exclude=lock.mdb", f"--directory={options.data}", "."]


class SqliteIndex(KeyValue):
    """SQLite, where what is hot has a place: the index, from its root to the end of the file."""
    engine, dataset, policy = "sqlite", DATA["sqlite"], "lookup-scan.toml"
    advice = {"main": "lock-index"}

    def locked(self, options):
        path = self.folder(options) / "data.db"
        # immutable: else it would leave a log and shared memory beside the file
        with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
            (page, root), = database.execute(
                "SELECT page_size, rootpage FROM pragma_page_size, sqlite_master WHERE name = 'entry_key'")
        return [(f"{(root - 1) * page}-{path.stat().st_size}", [path])]


class LookupScan(SqliteIndex):
    """An index that is looked up while its table is scanned."""
    name, title = "lookup-scan", "Index look-ups beside a table scan: SQLite"
    text = ("Threads of one process look up an index of an SQLite database that is mapped, another scans the "
            "table. The limit is 30 % of the data.")
    workload, metrics = "lookup-scan", (P50, P99, P999, SCAN)
    effects = ("dropped", "kept")


class Store(KeyValue):
    """Of the log-structured engines."""
    policy = "point-reads.toml"
    not_locked = "what is hot lies scattered over the tables"

    def __init__(self, engine, workload):
        self.engine, self.workload, self.name = engine, workload, f"{workload}-{engine}"
        self.dataset = DATA[engine]
        self.not_advised = "the library shows its user neither mappings nor descriptors"
        if engine == "rocksdb":
            # it says MADV_RANDOM itself, which is right for look-ups
            self.advice = {"main": "normal"} if workload == "ycsb-e" else {}
            self.not_advised += ", and says MADV_RANDOM itself"


class PointReads(Store):
    """The mixes that only read."""
    metrics = (P50, P99, P999)

    def __init__(self, engine, workload):
        super().__init__(engine, workload)
        kind = "all keys alike" if workload == "uniform" else "some keys far more often than others"
        self.title = f"{'YCSB C' if workload == 'ycsb-c' else 'Uniform reads'}: {engine}"
        self.text = f"Point reads of a mapped {engine} database, {kind}. The limit is 30 % of the data."
