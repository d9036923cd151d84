#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""leveldb_reads.py INDEX ARCHIVE PASSES: what a server on two LevelDB databases does.

It scans ARCHIVE; every fourth record of it asks for one of INDEX, at random. Prints
what it read, as a checksum. It knows nothing of PagePatrol. Without arguments it ends at
once: libraries are then in memory.
"""
import random
import sys
import zlib

import plyvel

if len(sys.argv) == 1:
    sys.exit()
index, archive = (plyvel.DB(path) for path in sys.argv[1:3])
rng = random.Random(1)
total = 0
with index.iterator(reverse=True, include_value=False) as last:
    entries = int(next(last)) + 1
for _ in range(int(sys.argv[3])):
    for number, (_, value) in enumerate(archive.iterator(fill_cache=False)):
        total = zlib.crc32(value[-64:], zlib.crc32(value[:64], total))
        if number % 4 == 0:
            total = zlib.crc32(index.get(b"%08d" % rng.randrange(entries)), total)
print(f"{total:08x}")
