# SPDX-License-Identifier: Apache-2.0
"""Which part of a file is in the page cache, over time: mincore() over a mapping that is never
touched, so that looking changes nothing (no page is marked as used, none is brought in)."""
import contextlib
import ctypes
import mmap
import threading
import time

from lab.system import PAGE, Failure

# cells of the picture: parts of the file; the report picks samples for its columns
ROWS = 64
INTERVAL = 0.25  # seconds

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                       ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


class Residency:
    """One file."""

    def __init__(self, path):
        self.path, self.bytes = path, path.stat().st_size
        self.pages = -(-self.bytes // PAGE)
        self.vector = ctypes.create_string_buffer(self.pages)
        with open(path, "rb") as file:
            self.address = _libc.mmap(None, self.bytes, mmap.PROT_READ, mmap.MAP_SHARED,
                                      file.fileno(), 0)
        if self.address in (None, ctypes.c_void_p(-1).value):
            raise Failure(f"can't map {path}")

    def look(self):
        """The share that is resident of each of ROWS parts of the file, in per cent."""
        if _libc.mincore(self.address, self.bytes, self.vector):
            raise Failure(f"mincore of {self.path}: errno {ctypes.get_errno()}")
        raw = self.vector.raw
        rows = min(ROWS, self.pages)
        edges = [self.pages * row // rows for row in range(rows + 1)]
        return [round(100 * raw.count(b"\1", low, high) / (high - low))
                for low, high in zip(edges, edges[1:])]

    def close(self):
        _libc.munmap(self.address, self.bytes)


class Sampler:
    """Looks at files in the background."""

    def __init__(self, files):
        self.files = {title: Residency(path) for title, path in files.items()}
        self.times, self.samples = [], {title: [] for title in files}
        self.failure, self.begun = None, 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.loop)

    @contextlib.contextmanager
    def watching(self):
        self.begun = time.monotonic()
        self.thread.start()
        try:
            yield
        finally:
            self.stop()

    def loop(self):
        try:
            while not self.ended.wait(INTERVAL):
                self.times.append(round(time.monotonic() - self.begun, 2))
                for title, file in self.files.items():
                    self.samples[title].append(file.look())
        except Failure as failure:
            self.failure = failure

    def stop(self):
        self.ended.set()
        self.thread.join()
        for file in self.files.values():
            file.close()

    def result(self):
        """{"times": seconds, "files": [{"title", "bytes", "samples": [per cent by part]}]}"""
        if self.failure:
            raise self.failure
        return {"times": self.times, "files": [
            {"title": title, "bytes": self.files[title].bytes, "samples": samples}
            for title, samples in self.samples.items()]}
