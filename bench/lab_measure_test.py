#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How bench/run measures, with nothing measured: turns, jobs, what is counted, what looks on.
Usage: lab_measure_test.py
"""
import contextlib
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
# pylint: disable=wrong-import-position
from lab import machine, measure, plan, profile, residency  # noqa: E402
from lab.arms import METHODS, Arm  # noqa: E402
from lab.cgroup import Job, run_together  # noqa: E402
from lab.system import Failure  # noqa: E402

MIB = 1 << 20
REPO = Path(__file__).resolve().parent.parent


class Turns(unittest.TestCase):
    """What runs when, with nothing run."""

    def setUp(self):
        self.turns = []

        class Named(Arm):
            def __init__(this, method, reason=None, essential=True):  # pylint: disable=no-self-argument
                super().__init__("mglru")
                this.method, this.reason, this.essential = method, reason, essential

            def refuses(this, workload):  # pylint: disable=no-self-argument
                return this.reason

            @contextlib.contextmanager
            def prepared(this, options):  # pylint: disable=no-self-argument
                self.turns.append(f"+{this.method}")
                try:
                    yield
                finally:
                    self.turns.append(f"-{this.method}")
        self.arms = [Named("a"), Named("never", "because"), Named("b")]

    def run_all(self, answers=("same",) * 6, quick=True):
        """`answers`: of the runs in turn; one that is an exception is what happens instead."""
        answers = iter(answers)

        def once(_workload, arm, _options, _sampler=None):
            self.turns.append(arm.method)
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return {"metrics": {"throughput": answer}}, "same" if isinstance(answer, float) else answer
        with unittest.mock.patch("lab.measure.measure_once", once):
            return list(measure.measure(plan.WORKLOADS["ycsb-c-leveldb"], self.arms, 3,
                                        types.SimpleNamespace(quick=quick)))

    def test_the_closer_look_begins_with_what_is_there(self):
        looked_at = []

        def closer(_workload, arms, *_):
            looked_at.extend(arm.name for arm in arms)
            return ()
        with unittest.mock.patch("lab.measure.look_closer", closer):
            self.run_all()
        self.assertEqual(looked_at, ["b/mglru", "a/mglru"])

    def test_every_other_repetition_goes_backwards(self):
        said = self.run_all()
        self.assertEqual(said[0], {"kind": "refused", "arm": "never/mglru", "reason": "because"})
        self.assertEqual([(each["arm"], each["repetition"]) for each in said[1:]],
                         [("a/mglru", 1), ("b/mglru", 1), ("b/mglru", 2), ("a/mglru", 2),
                          ("a/mglru", 3), ("b/mglru", 3)])
        # what an arm needs is there for its own turns alone
        self.assertEqual(" ".join(self.turns), "+a a -a +b b b -b +a a a -a +b b -b")

    def test_all_arms_must_get_the_same_result(self):
        with self.assertRaisesRegex(Failure, "b/mglru did not get the result that a/mglru got"):
            self.run_all(("same", "other"))
        self.assertEqual(self.turns[-1], "-b")

    def test_an_alternative_that_breaks_harms_no_other(self):
        self.arms[2].essential = False
        for answer, reason in (
                (Failure("it broke"), "failed: it broke"), (OSError(2, "gone"), "failed: [Errno 2] gone"),
                (subprocess.CalledProcessError(3, "damon"), "failed: Command 'damon' returned non-zero exit status 3."),
                ("other", "failed: ycsb-c-leveldb: b/mglru did not get the result that a/mglru got")):
            self.turns = []
            said = self.run_all(("same", answer, "same", "same"))
            self.assertEqual([each for each in said if each["kind"] == "refused"][1:],
                             [{"kind": "refused", "arm": "b/mglru", "reason": reason}])
            self.assertEqual([each["arm"] for each in said if each["kind"] == "run"], 3 * ["a/mglru"])
            self.assertEqual(" ".join(self.turns), "+a a -a +b b -b +a a a -a")

    def test_default_and_pagepatrol_must_not_break(self):
        with self.assertRaisesRegex(OSError, "gone"):
            self.run_all(("same", OSError(2, "gone")))
        self.assertEqual([method.method for method in METHODS if method.essential], ["default", "pagepatrol"])

    def closer(self, workload, worth_profile, refuses=None, breaks=()):
        """What is looked at in runs of their own. `breaks`: arms."""
        self.turns, arms = [], [arm for arm in plan.ARMS.values() if arm.essential]

        def once(_workload, arm, _options, watcher=None):
            self.turns.append(arm.name)
            if arm.name in breaks:
                raise OSError(2, "gone")
            watcher.result = lambda: {"samples": 1}
            return {"seconds": 2.0}, ""
        with unittest.mock.patch("lab.measure.measure_once", once), \
                unittest.mock.patch("lab.residency.Residency"), \
                unittest.mock.patch("lab.profile.refuses", return_value=refuses):
            return list(measure.look_closer(
                plan.WORKLOADS[workload], arms, types.SimpleNamespace(data=Path("/")), unittest.mock.Mock(),
                worth_profile))

    def test_profiles_of_both_lrus(self):
        self.assertEqual(self.closer("search-large", True), [
            {"kind": "profile", "arm": name, "samples": 1, "seconds": 2.0} for name in plan.QUICK_ARMS])
        self.assertEqual(self.turns, list(plan.QUICK_ARMS))
        self.assertEqual(self.closer("search-large", False), [])
        self.assertEqual([(said["kind"], said["arm"]) for said in self.closer("model", False)],
                         [("picture", name) for name in measure.PICTURED])

    def test_a_profile_is_worth_it_where_there_is_a_target_or_harm(self):
        self.arms[0].method, self.arms[2].method = "default", "pagepatrol"
        for quick, throughput, workload, expected in (
                (False, 97.0, "ycsb-c-leveldb", True), (False, 99.0, "ycsb-c-leveldb", False),
                (True, 97.0, "ycsb-c-leveldb", False), (False, 99.0, "get-scan-30", True),
                (True, 99.0, "get-scan-30", False)):
            worth = []
            with unittest.mock.patch("lab.measure.look_closer", lambda *given: worth.append(given[-1]) or ()), \
                    unittest.mock.patch.dict(plan.WORKLOADS, {"ycsb-c-leveldb": plan.WORKLOADS[workload]}):
                self.run_all((100.0, throughput, throughput, 100.0, 100.0, throughput), quick)
            self.assertEqual(worth, [expected], (quick, throughput, workload))

    def test_no_profile_is_no_failure(self):
        self.assertEqual(self.closer("search-large", True, "there is none"), [
            {"kind": "profile", "arm": name, "refused": "there is none"} for name in plan.QUICK_ARMS])
        with unittest.mock.patch("lab.profile.Profiler", side_effect=Failure("it broke")):
            self.assertEqual(self.closer("search-large", True)[0]["refused"], "it broke")

    def test_a_run_that_is_only_looked_at_may_fail(self):
        first, second = measure.PICTURED
        said = self.closer("model", False, breaks=[first])
        self.assertEqual(said[0], {"kind": "picture", "arm": first, "refused": "[Errno 2] gone"})
        self.assertEqual((said[1]["arm"], said[1]["seconds"]), (second, 2.0))

    def test_who_is_alone(self):
        workload, cgroup = plan.WORKLOADS["backup"], unittest.mock.Mock()
        options = types.SimpleNamespace(build=Path("/build"), data=Path("/data"), quick=True)
        for name, expected in (("alone/mglru", ["server"]), ("default/mglru", ["server", "rg"])):
            with unittest.mock.patch("lab.measure.run_together") as run, \
                    unittest.mock.patch("lab.measure.disk_counts", return_value={}):
                measure.run_passes(workload, plan.ARMS[name], cgroup, workload.passes(options), options)
            self.assertEqual([job.name for job in run.call_args[0][1]], expected)

    def test_a_guest_that_hangs(self):
        def seconds(arms, repetitions):
            options = types.SimpleNamespace(kernel="stock", arms=arms * ["x"], repetitions=repetitions)
            return machine.Vm(Path(), Path(), options, "sata").timeout()
        self.assertEqual((seconds(1, 1), seconds(10, 3)), (7200, 45000))

    def test_the_scanner_has_what_it_needs(self):
        """The limit of the arm `cgroup`."""
        for name, expected in (("get-scan-10", 8 * MIB), ("backup", int(0.1 * 0.7 * 48000) * 4096)):
            limits = {}

            @contextlib.contextmanager
            def cgroup(which, limit, _parent):
                limits[which] = limit  # pylint: disable=cell-var-from-loop
                yield Path("/cgroup")
            options = types.SimpleNamespace(parts={"lmdb": {"bytes": 48000 * 4096, "pages": 48000}})
            with unittest.mock.patch("lab.arms.memory_cgroup", cgroup), \
                    plan.ARMS["cgroup/mglru"].around(plan.WORKLOADS[name], unittest.mock.MagicMock(), options) as said:
                pass
            self.assertEqual(limits, {"rest": None, "scanner": said["scanner_limit_bytes"]})
            self.assertAlmostEqual(limits["scanner"], expected, delta=4096)

    def test_the_kernel_side_is_loaded_where_that_is_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            build, log = Path(folder), Path(folder) / "log"
            (build / "ctl").mkdir()
            (build / "ctl/ppctl").write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
            (build / "ctl/ppctl").chmod(0o755)
            for load, module in ((True, "/a/module.ko"), (True, ""), (False, None)):
                options = types.SimpleNamespace(build=build, load=load, module=module)
                with plan.ARMS["pagepatrol/mglru"].prepared(options), plan.ARMS["damon/mglru"].prepared(options):
                    pass
            self.assertEqual(log.read_text().splitlines(),
                             ["load --module /a/module.ko", "unload", "load", "unload"])

    def test_the_bound_has_no_limit(self):
        workload = plan.WORKLOADS["model"]
        limits = {arm.method: arm.limit(workload, types.SimpleNamespace(quick=True))
                  for arm in plan.ARMS.values()}
        self.assertIsNone(limits.pop("unlimited"))
        self.assertEqual(set(limits.values()), {96 * MIB})


class Jobs(unittest.TestCase):
    """Programs in a folder that looks like a cgroup."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.cgroup = Path(place.name)
        (self.cgroup / "memory.events").write_text("oom_kill 0\n")

    def ends_with(self, status, **more):
        return run_together(self.cgroup, [Job(["sh", "-c", f"echo done; exit {status}"], **more)])[0]

    def test_what_a_program_may_end_with(self):
        for status, more in ((0, {}), (1, {"ok": (0, 1)})):
            outcome = self.ends_with(status, **more)
            self.assertEqual((outcome.runs, outcome.output), (1, "done\n"))
        for status, more in ((1, {}), (2, {"ok": (0, 1)})):
            with self.assertRaisesRegex(Failure, f"exit status {status}"):
                self.ends_with(status, **more)

    def test_a_backup_finds_nothing_and_has_done_its_work(self):
        options = types.SimpleNamespace(build=Path("/build"), data=Path("/data"), quick=True)
        for name, ok in (("backup", (0, 1)), ("backup-tar", (0,))):
            (server, scan), = plan.WORKLOADS[name].passes(options)
            self.assertEqual((server.ok, scan.ok), ((0,), ok))


class Counting(unittest.TestCase):
    """What a cgroup has spent before the jobs is not theirs."""

    def test_before_the_passes(self):
        with tempfile.TemporaryDirectory() as folder:
            cgroup = Path(folder)

            def has(faults, cpu, stall):
                (cgroup / "memory.stat").write_text(f"anon 1\npgfault {faults}\n")
                (cgroup / "cpu.stat").write_text(f"usage_usec {cpu}\nuser_usec 1\n")
                (cgroup / "memory.pressure").write_text(
                    f"some avg10=0.00 total=9\nfull avg10=0.00 avg60=0.00 total={stall}\n")
            has(10, 3_000_000, 500_000)
            spent = measure.Spent(cgroup)
            has(14, 5_000_000, 2_000_000)
            self.assertEqual(spent.so_far(), {"memory_stat": {"pgfault": 4}, "cpu_seconds": 2.0,
                                              "memory_stall_seconds": 1.5})
            (cgroup / "memory.pressure").unlink()
            self.assertIsNone(spent.so_far()["memory_stall_seconds"])

    def test_the_policys_counters_are_of_the_jobs_alone(self):
        order = []

        def note(what, result=None):
            return lambda *_, **__: order.append(what) or result
        cgroup = contextlib.nullcontext(Path("/cgroup"))
        with unittest.mock.patch.multiple(
                "lab.measure", switch_lru=note("lru"), memory_cgroup=lambda *_: cgroup,
                drop_caches=note("drop"), warm_programs=note("warm"), Spent=unittest.mock.MagicMock(),
                run_passes=note("jobs"), total=note("total", {"disk_bytes": 0}), kernel_bytes=note("kernel", 0)), \
                unittest.mock.patch("lab.arms.counters", note("counters", {"uploads": 0})), \
                self.assertRaisesRegex(Failure, "the policy matched nothing"):
            options = types.SimpleNamespace(build=Path("/build"), data=Path("/data"), repo=REPO, quick=True,
                                            parts={"leveldb": {"pages": 1}})
            measure.run_once(plan.WORKLOADS["ycsb-c-leveldb"], plan.ARMS["pagepatrol/mglru"], options, None)
        self.assertEqual(order, ["lru", "drop", "warm", "counters", "jobs", "counters"])


class Kernels(unittest.TestCase):
    """The module for the kernel that the VM has, by what scripts/vm itself asks."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.repo = Path(place.name)
        (self.repo / "scripts").mkdir()
        shutil.copy(REPO / "scripts/lib.sh", self.repo / "scripts")
        for script, said in (("fetch-kernel", str(self.repo / "stock")), ("build-module", "of $2")):
            path = self.repo / "scripts" / script
            path.write_text(f'#!/bin/sh\necho "{said}"\n')
            path.chmod(0o755)
        for name, option in (("stock", "n"), ("mine", "y")):
            (self.repo / name / "boot").mkdir(parents=True)
            (self.repo / name / "release").write_text("6.12.1\n")
            (self.repo / name / "boot/config-6.12.1").write_text(f"CONFIG_PAGEPATROL={option}\n")

    def test_module_of_a_kernel(self):
        headers = f"of {self.repo}/stock/usr/src/linux-headers-6.12.1"
        self.assertEqual(machine.module(self.repo), headers)
        self.assertEqual(machine.module(self.repo, self.repo / "stock"), headers)
        self.assertEqual(machine.module(self.repo, self.repo / "mine"), "")
        with self.assertRaisesRegex(Failure, "status 125"):
            machine.module(self.repo, "/nowhere")

    def test_the_guest_is_told(self):
        options = types.SimpleNamespace(kernel="mine", repetitions=1, arms=["pagepatrol/mglru"], quick=False)
        commands = []
        with unittest.mock.patch("lab.machine.module", return_value=""), \
                unittest.mock.patch("lab.machine.stream", lambda command: commands.append(command) or ()):
            vm = machine.Vm(REPO, Path("/build"), options, "nvme")
            list(vm.run(plan.WORKLOADS["model"], Path("/image"), {}))
        command = [str(part) for part in commands[0]]
        guest = command[command.index("--", 2) + 1:]
        self.assertEqual(command[command.index("--kernel") + 1], "mine")
        self.assertEqual(guest[guest.index("--load"):], ["--load", "--module", "", "--data", "/scratch"])


class Residency(unittest.TestCase):
    def test_a_file_just_written_is_resident(self):
        with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
            path = Path(folder) / "file"
            path.write_bytes(b"x" * (100 * 4096 + 1))
            file = residency.Residency(path)
            seen = file.look()
            file.close()
        self.assertEqual(seen, [100] * residency.ROWS)


class Profile(unittest.TestCase):
    LINES = """\
         swapper  ffffffff994e5fff pv_native_safe_halt ([kernel.kallsyms])
         swapper  ffffffff988d3217 handle_softirqs ([kernel.kallsyms])
 rg worker #1 ba  ffffffff988d3217 filemap_map_pages ([kernel.kallsyms])
              rg  ffffffffc0412345 ext4_map_blocks ([ext4])
              rg  ffffffffc0412345 [unknown] ([unknown])
              rg  ffffffffc0412345 do_range ([pagepatrol])
              rg  ffffffffc0412345 pp_page_used ([kernel.kallsyms])
              rg  ffffffffc0055555 bpf_prog_6deef7357e7b4530_fault_enter (bpf_prog_6deef7357e7b4530_fault_enter)
              rg  ffffffffc0055555 bpf_trampoline_6442 (bpf_trampoline_6442)
              rg      7f618e100c01 operator new(unsigned long) (/usr/lib/libstdc++.so.6)
              rg      7f618e100c01 [unknown] (/usr/bin/rg)
              rg      7f618e100c01 main (/tmp/gone (deleted))
              rg      7fff8e100c01 [unknown] ([vdso])
              rg  ffffffffff600001 [unknown] ([vsyscall])
              rg      7fff8e100c01 [unknown] ([unknown])
              rg      7f618e100c01 [unknown] (/usr/bin/rg)
""".splitlines()

    def test_what_was_seen_is_grouped(self):
        found = profile.summed(self.LINES)
        self.assertEqual(found["samples"], 16)
        self.assertEqual(
            {(each["group"], each["name"]): round(16 * each["share"]) for each in found["where"]},
            {("idle", "idle"): 1, ("kernel", "handle_softirqs"): 1, ("kernel", "filemap_map_pages"): 1,
             ("kernel", "ext4_map_blocks"): 1, ("kernel", "[unknown]"): 1, ("PagePatrol", "do_range"): 1,
             ("PagePatrol", "pp_page_used"): 1, ("PagePatrol", "BPF fault_enter"): 1,
             ("PagePatrol", "bpf_trampoline_6442"): 1, ("programs", "rg: libstdc++.so.6"): 1,
             ("programs", "rg: rg"): 2, ("programs", "rg: gone (deleted)"): 1, ("programs", "rg: [vdso]"): 1,
             ("programs", "rg: [vsyscall]"): 1, ("programs", "rg: [unknown]"): 1})
        self.assertEqual(found["where"][0]["name"], "rg: rg")

    def test_what_is_little_is_summed(self):
        found = profile.summed(1000 * self.LINES[:1] + self.LINES[1:3])
        self.assertEqual([(each["group"], each["name"]) for each in found["where"]],
                         [("idle", "idle"), ("kernel", "the rest")])

    def test_what_is_not_understood_is_told(self):
        with self.assertRaisesRegex(Failure, "what is 'nonsense'"):
            profile.summed(["nonsense"])
        with self.assertRaisesRegex(Failure, "saw nothing"):
            profile.summed([])

    def watch(self, perf):
        """A profile by this perf; what it is must not outlive the run."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "perf"
            path.write_text("#!/bin/bash\n" + perf)
            path.chmod(0o755)
            profiler = profile.Profiler()
            with unittest.mock.patch.dict("os.environ", PATH=f"{folder}:/usr/bin:/bin"):
                try:
                    with profiler.watching():
                        pass
                finally:
                    self.assertFalse(profiler.file.parent.exists())
                    self.assertIsNotNone(profiler.process.poll())
            return profiler.result()

    RECORD = """
        [[ $* =~ control=fd:([0-9]+),([0-9]+) ]] || { printf '%s' "$SAMPLES"; exit; }
        read -r order <&"${BASH_REMATCH[1]}"
        """

    def test_perf_is_started_and_ended(self):
        samples = "\n".join(["            perf  ffffffff988d3217 do_poll ([kernel.kallsyms])", *self.LINES])
        with unittest.mock.patch.dict("os.environ", SAMPLES=samples):
            found = self.watch(self.RECORD + """
                [ "$order" = enable ] || exit 3
                echo ack >&"${BASH_REMATCH[2]}"
                read -r order <&"${BASH_REMATCH[1]}"
                [ "$order" = stop ] || exit 4""")
        self.assertEqual(found["samples"], len(self.LINES))

    def test_the_perf_of_this_machine(self):
        """What stands in for it above says nothing about it."""
        looks = ["perf", "record", "-q", "-a", "-e", "cpu-clock", "-o", "/dev/null", "--", "true"]
        if profile.refuses() or subprocess.run(looks, capture_output=True, check=False).returncode:
            self.skipTest("perf is not there, or may not look at the whole machine")
        profiler = profile.Profiler()
        with profiler.watching():
            subprocess.run(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done"], check=True)
        found = profiler.result()
        self.assertGreater(found["samples"], 0)
        self.assertIn("programs", {each["group"] for each in found["where"]})

    def test_a_perf_that_does_not_do_it(self):
        breaks = """echo ack >&"${BASH_REMATCH[2]}"; echo full >&2; exit 1"""
        for perf, said in (("echo no >&2; exit 1", "does not begin: no"),
                           (self.RECORD + breaks, "record ended with 1: full"),
                           (self.RECORD + breaks.replace("echo full >&2; ", ""), "with 1: it said nothing")):
            with self.assertRaisesRegex(Failure, said):
                self.watch(perf)


if __name__ == "__main__":
    unittest.main()
