#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""lmdb_reads.py INDEX ARCHIVE PASSES: what a server on two LMDB environments does.

It scans ARCHIVE; every fourth record of it asks for one of INDEX, at random. Prints
what it read, as a checksum. It knows nothing of PagePatrol. Without arguments it ends at
once: libraries are then in memory.
"""
import random
import sys
import zlib

import lmdb

if len(sys.argv) == 1:
    sys.exit()
index, archive = (
    lmdb.open(path, readonly=True, lock=False, map_size=256 << 20) for path in sys.argv[1:3]
)
rng = random.Random(1)
total = 0
with index.begin(buffers=True) as lookups, archive.begin(buffers=True) as scan:
    entries = index.stat()["entries"]
    for _ in range(int(sys.argv[3])):
        for number, (_, value) in enumerate(scan.cursor()):
            total = zlib.crc32(value[-64:], zlib.crc32(value[:64], total))
            if number % 4 == 0:
                total = zlib.crc32(lookups.get(b"%08d" % rng.randrange(entries)), total)
print(f"{total:08x}")
