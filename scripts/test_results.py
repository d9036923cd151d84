#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/test knows and found: which test programs meson has, what a program's
run amounted to, what works on which kernel. It runs no test and decides nothing about
suites.

  test_results.py list BUILD                     SUITE, NAME, PROTOCOL, TIMEOUT, SHELL COMMAND per line
  test_results.py count LABEL PROTOCOL STATUS JSON  PASSED FAILED SKIPPED, then the failed tests' names
  test_results.py table KERNELS.tsv [FILE]       the table of kernels; into FILE, between its
                                                 markers, where rows and cells that KERNELS.tsv
                                                 says nothing of stay as they are
  test_results.py figures FOLDER FILE            what the tests of suite vm measured, into FILE; the
                                                 same of kernels that FOLDER has nothing of
"""
import glob
import json
import os
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
import doc_table  # noqa: E402 pylint: disable=wrong-import-position


def list_tests(build):
    tests = json.loads(subprocess.check_output(["meson", "introspect", "--tests", build]))
    for test in tests:
        suite = test["suite"][0].split(":")[-1] if test["suite"] else ""
        command = ["env", *(f"{k}={v}" for k, v in test["env"].items()), *test["cmd"]]
        folder = test["workdir"] or build
        line = f"cd {shlex.quote(folder)} && exec {shlex.join(command)}"
        print(suite, test["name"].replace(" ", "_"), test["protocol"], test["timeout"], line, sep="\t")


def read_gtest(path):
    """Passed, skipped and the failed names, or None if gtest never got to write them."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            report = json.load(file)
    except (OSError, ValueError):
        return None
    passed, skipped, failed = 0, 0, []
    for suite in report.get("testsuites", []):
        for test in suite.get("testsuite", []):
            if test.get("failures"):
                failed.append(f"{suite['name']}.{test['name']}")
            elif test.get("result") == "SKIPPED" or test.get("status") == "NOTRUN":
                skipped += 1
            else:
                passed += 1
    return passed, skipped, failed


def count(label, protocol, status, path):
    result = read_gtest(path)
    if result is not None:
        passed, skipped, failed = result
        # Tests fine and yet a failure: it crashed at exit, the kernel warned, ...
        if status != 0 and not failed:
            failed = [f"(ended with status {status})"]
        elif passed + skipped + len(failed) == 0:
            failed = ["(holds no test)"]
    elif protocol == "gtest":
        passed, skipped, failed = 0, 0, [f"(ended with status {status} and left no result)"]
    else:
        passed, skipped = int(status == 0), int(status == 77)
        failed = [] if status in (0, 77) else [f"(ended with status {status})"]
    print(passed, len(failed), skipped)
    for name in failed:
        print(f"{label}: {name}")


TABLE_SUITES = ["load", "unit", "shim", "bpf", "vm"]
TABLE_COLUMNS = ["kernel", "release", *TABLE_SUITES]


def table(results, path):
    """Lines of `results`: KERNEL, RELEASE, SUITE, PASSED, FAILED, SKIPPED, COMMIT[, REMARK]."""
    text = open(path, encoding="utf-8").read() if path else ""
    try:
        known = doc_table.read(text, "kernels", TABLE_COLUMNS) if path else []
    except ValueError as error:
        sys.exit(f"{path}: {error}")
    rows = {row["kernel"]: row for row in known}
    with open(results, encoding="utf-8") as lines:
        for line in lines:
            kernel, release, suite, passed, failed, skipped, commit, *remark = line.rstrip("\n").split("\t")
            row = rows.setdefault(kernel, {})
            if row.get("release") != release:
                row.clear()  # what was said of another release holds no longer
            row.update(kernel=kernel, release=release)
            cell = f"{passed} passed" if int(passed) or not int(failed) else ""
            for number, word in ((failed, "failed"), (skipped, "skipped")):
                if int(number):
                    cell += f"{', ' if cell else ''}{number} {word}"
            row[suite] = f"{remark[0] if remark and remark[0] else cell} ({commit})"
    if not path:
        print(doc_table.table(TABLE_COLUMNS, rows.values()), end="")
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(doc_table.replace(text, "kernels", TABLE_COLUMNS, rows.values()))


LRUS = ("classic", "mglru")
FIGURE_KERNELS = ["stock", "patched", "debug", "debug-module"]
FIGURE_COLUMNS = ["test", "figure", *FIGURE_KERNELS]


def is_figure(name):
    """Shares of counts: what of a kernel's speed says nothing."""
    return name.endswith("_share") or name == "bytes_ratio"


def read_figures(folder):
    """{(test, figure): {kernel: {LRU: value}}}, in the tests' order."""
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                report = json.load(file)
        except ValueError:
            continue  # of one that was killed
        if "kernel" not in report or "lru" not in report:
            continue  # not of suite vm
        for suite in report["testsuites"]:
            for test in suite["testsuite"]:
                for name in filter(is_figure, test):
                    found.setdefault((f"{suite['name']}.{test['name']}", name), {}).setdefault(
                        report["kernel"], {})[report["lru"]] = test[name]
    return found


def figures(folder, path):
    """Fills in the columns of the kernels that ran, and leaves nothing of earlier runs in them."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    rows = {(row["test"], row["figure"]): row for row in doc_table.read(text, "figures", FIGURE_COLUMNS)}
    found = read_figures(folder)
    none = dict.fromkeys(set().union(*found.values()), "-")
    for row in rows.values():
        row.update(none)
    for key, values in found.items():
        row = rows.setdefault(key, dict(zip(("test", "figure"), key)))
        for kernel, by_lru in values.items():
            row[kernel] = " / ".join(by_lru.get(lru, "-") for lru in LRUS)
    with open(path, "w", encoding="utf-8") as file:
        file.write(doc_table.replace(text, "figures", FIGURE_COLUMNS, [
            row for row in rows.values() if any(row.get(kernel, "-") != "-" for kernel in FIGURE_KERNELS)]))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "list":
        list_tests(os.path.abspath(sys.argv[2]))
    elif len(sys.argv) == 6 and sys.argv[1] == "count":
        count(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    elif len(sys.argv) in (3, 4) and sys.argv[1] == "table":
        table(sys.argv[2], sys.argv[3] if len(sys.argv) == 4 else None)
    elif len(sys.argv) == 4 and sys.argv[1] == "figures":
        figures(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
