#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""read_and_evict.py FILE OFFSET: what a program does that needs a file once.

It maps FILE from OFFSET, goes through all of it from front to back, and says that it
does not need it any more. It knows nothing of PagePatrol.
"""
import mmap
import sys

with open(sys.argv[1], "rb") as file, mmap.mmap(
    file.fileno(), 0, prot=mmap.PROT_READ, offset=int(sys.argv[2])
) as mapped:
    print(sum(mapped[at] for at in range(0, len(mapped), mmap.PAGESIZE)))
    mapped.madvise(mmap.MADV_DONTNEED)
