#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""model_passes.py FILE PASSES: what a model runner does with its weights.

It maps FILE with numpy and goes through all of it, a layer of 1 MiB after the other,
once per token. Prints a checksum of what it computed. It knows nothing of
PagePatrol. Without arguments it ends at once: libraries are then in memory.
"""
import sys

import numpy

if len(sys.argv) == 1:
    sys.exit()
weights = numpy.memmap(sys.argv[1], dtype=numpy.uint64, mode="r")
layers = numpy.array_split(weights, max(1, weights.nbytes >> 20))
state = numpy.uint64(1)
with numpy.errstate(over="ignore"):
    for token in range(int(sys.argv[2])):
        for layer in layers:
            state = state * numpy.uint64(31) + layer.sum()
        print(token, f"{state:016x}")
