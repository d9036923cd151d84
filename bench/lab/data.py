# SPDX-License-Identifier: Apache-2.0
"""Makes the data of the workloads, on the host, and keeps it in the cache folder: as the image
of a disk for the VM, or as a folder. Made again only if what makes it has changed."""
import contextlib
import fcntl
import hashlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.system import PAGE, Failure


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("PAGEPATROL_CACHE") or Path(base) / "pagepatrol") / "bench"


class Tools:
    """What a recipe may call."""

    def __init__(self, repo, build):
        self.repo, self.build = repo, build

    def call(self, *command, **more):
        command = [str(part) for part in command]
        try:
            return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **more)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"making data: {' '.join(command)}: {error}") from error

    def make_file(self, *arguments, **more):
        self.call(self.build / "bench/make-file", *arguments, **more)


def key_of(dataset, repo):
    """Changes when the recipe or a generator does."""
    state = hashlib.sha256(inspect.getsource(dataset.make).encode())
    for path in ("make-file.cpp", "text.cpp", "kv/load.cpp", "kv/records.hpp", "kv/lsm.hpp",
                 *(f"kv/{engine}.cpp" for engine in ("leveldb", "lmdb", "rocksdb", "sqlite"))):
        state.update((repo / "bench" / path).read_bytes())
    state.update(repr((dataset.name, dataset.image_size, dataset.parameters)).encode())
    return state.hexdigest()[:12]


def describe(folder):
    """{"top-level name": {"bytes", "pages", "files"}}"""
    parts = {}
    for top in sorted(folder.iterdir()):
        files = [top] if top.is_file() else [path for path in top.rglob("*") if path.is_file()]
        sizes = [path.stat().st_size for path in files]
        parts[top.name] = {"bytes": sum(sizes), "pages": sum(-(-size // PAGE) for size in sizes),
                           "files": len(sizes)}
    return parts


@contextlib.contextmanager
def _locked(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_older(dataset, name):
    for old in cache_folder().glob(f"{dataset.name}-????????????*"):
        if not old.name.startswith(name):
            shutil.rmtree(old) if old.is_dir() else old.unlink()


def prepared(dataset, repo, build, as_folder=False):
    """(image or folder, what describe() says of it)"""
    name = f"{dataset.name}-{key_of(dataset, repo)}"
    target = cache_folder() / (name if as_folder else f"{name}.img")
    facts = cache_folder() / f"{name}.json"
    with _locked(cache_folder() / f"{dataset.name}.lock"):
        if not target.exists() or not facts.exists():
            print(f"  making the data '{dataset.name}' ...", file=sys.stderr, flush=True)
            _forget_older(dataset, name)
            tools = Tools(repo, build)
            with tempfile.TemporaryDirectory(prefix=".making-", dir=cache_folder()) as work:
                folder = Path(work) / "data"
                folder.mkdir()
                dataset.make(folder, tools)
                facts.write_text(json.dumps(describe(folder)) + "\n")
                if as_folder:
                    folder.rename(target)
                else:
                    tools.call(repo / "scripts/vm", "--data", folder, "--scratch-size",
                               dataset.image_size, "--make-disk", target)
    return target, json.loads(facts.read_text())
