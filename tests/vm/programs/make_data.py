#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the data that one of the programs tests reads: make_data.py WHAT FOLDER.

The programs' own libraries write it, with values that don't compress, so that as
many bytes are mapped as are stored. The same call writes the same content. It must
not be measured: it runs once, before the arms.
"""
import os
import random
import subprocess
import sys

MIB = 1 << 20
INDEX = 8 * MIB  # looked up at random
ARCHIVE = 32 * MIB  # read from front to back
MODEL = 48 * MIB  # the same, again and again


def values(size, each, seed):
    """Pairs of consecutive keys and values; `size` bytes of values in all."""
    rng = random.Random(seed)
    for number in range(size // each):
        yield b"%08d" % number, rng.randbytes(each)


def make_lmdb(folder):
    import lmdb

    for name, size, each, seed in ("index", INDEX, 900, 1), ("archive", ARCHIVE, 1900, 2):
        # two values of the archive fill a page; nobody else is there, nothing is to be synced
        with lmdb.open(os.path.join(folder, name), map_size=256 * MIB, sync=False) as env:
            with env.begin(write=True) as transaction:
                for key, value in values(size, each, seed):
                    transaction.put(key, value, append=True)


def make_leveldb(folder):
    import plyvel

    for name, size, each, seed in ("index", INDEX, 900, 1), ("archive", ARCHIVE, 3900, 2):
        path = os.path.join(folder, name)
        db = plyvel.DB(path, create_if_missing=True, compression=None, write_buffer_size=8 * MIB)
        batch = db.write_batch()
        for number, (key, value) in enumerate(values(size, each, seed)):
            batch.put(key, value)
            if number % 256 == 255:
                batch.write()
                batch = db.write_batch()
        batch.write()
        db.close()
        # the log becomes a table when it is opened again
        plyvel.DB(path).close()


def make_sqlite(folder):
    for name, rows, each in ("index", INDEX // 1000, 900), ("archive", ARCHIVE // 4000, 3900):
        os.makedirs(os.path.join(folder, name))
        subprocess.run(
            ["sqlite3", os.path.join(folder, name, "data.db")],
            input=f"""PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                CREATE TABLE entry (id INTEGER PRIMARY KEY, value BLOB);
                WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows - 1})
                INSERT INTO entry SELECT i, randomblob({each}) FROM n;""",
            text=True, check=True, stdout=subprocess.DEVNULL)


def make_rocksdb(folder):
    subprocess.run(
        ["db_bench", "--db=" + os.path.join(folder, "archive"), "--benchmarks=fillseq,flush",
         "--mmap_read=1", "--disable_wal=1", "--compression_type=none", "--value_size=4000",
         f"--num={ARCHIVE // 4000}", "--threads=1", "--seed=1"],
        check=True, stdout=subprocess.DEVNULL)


def make_model(folder):
    with open(os.path.join(folder, "model.gguf"), "wb") as file:
        for _, value in values(MODEL, MIB, 1):
            file.write(value)


def make_git(folder):
    """A bare repository with one commit in one pack."""
    repository = os.path.join(folder, "repository.git")
    git = ["git", "-c", "core.compression=0", "-c", "core.fsync=none", "-C", repository]
    subprocess.run(["git", "init", "-q", "--bare", repository], check=True)
    with subprocess.Popen(git + ["fast-import", "--quiet", "--depth=0"], stdin=subprocess.PIPE) as importer:
        pipe = importer.stdin
        pipe.write(b"commit refs/heads/master\ncommitter a <a@b> 0 +0000\ndata 0\n\n")
        for name, value in values(ARCHIVE, 256 << 10, 1):
            pipe.write(b"M 644 inline %s/%s\ndata %d\n" % (name[-2:], name, len(value)))
            pipe.write(value + b"\n")
        pipe.close()
    if importer.returncode:
        sys.exit("git fast-import failed")
    subprocess.run(["git", "-C", repository, "symbolic-ref", "HEAD", "refs/heads/master"], check=True)


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    os.makedirs(folder)
    globals()["make_" + what](folder)
    os.sync()
