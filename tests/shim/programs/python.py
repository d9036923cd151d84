# SPDX-License-Identifier: Apache-2.0
"""What a Python program does with mappings and children: the mmap module with its
error cases, fork and spawn, shared memory, subprocesses. Prints results only, no
address, no process id."""
import ctypes
import hashlib
import mmap
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import shared_memory

PAGE = mmap.PAGESIZE


def error(call, *args, **named):
    try:
        return call(*args, **named) and "a value"
    except (OSError, ValueError, TypeError) as e:
        return f"{type(e).__name__} {getattr(e, 'errno', None)}"


def write(name, size):
    with open(name, "wb") as file:
        file.write(bytes(i * 7 % 251 for i in range(size)))


def count(name, value):
    """In a child: how often a byte occurs."""
    with open(name, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
        return m[:].count(value)


def mappings():
    write("data", 10 * PAGE + 100)
    with open("data", "r+b") as file:
        fd = file.fileno()
        with mmap.mmap(fd, 0) as m:
            print(len(m), m.find(b"\x07\x0e"), m.rfind(b"\x07\x0e"), hashlib.sha256(m).hexdigest())
            m[5:9] = b"abcd"
            m.move(PAGE, 0, 100)
            print(m.flush(), m[PAGE + 5:PAGE + 9], m[::-1][:4])
            for advice in ("NORMAL", "RANDOM", "SEQUENTIAL", "WILLNEED", "DONTNEED"):
                print(advice, m.madvise(getattr(mmap, "MADV_" + advice)), m[5:9])
            print(error(m.madvise, mmap.MADV_RANDOM, PAGE + 1), error(m.madvise, 4711))
            m.resize(100 * PAGE)  # mremap, and the file grows
            m[99 * PAGE:99 * PAGE + 3] = b"end"
            print(len(m), os.fstat(fd).st_size, m[99 * PAGE:99 * PAGE + 3])
            m.resize(3 * PAGE)
            print(len(m), os.fstat(fd).st_size, m[2 * PAGE])
        with mmap.mmap(fd, PAGE, offset=PAGE, access=mmap.ACCESS_COPY) as m:
            m[0:4] = b"mine"
            print(m[0:4], os.pread(fd, 4, PAGE))
        print(error(mmap.mmap, fd, 100 * PAGE, access=mmap.ACCESS_READ), error(mmap.mmap, fd, PAGE, offset=1))
        m = mmap.mmap(fd, 0)
        os.unlink("data")
        print(m[5:9], m.size())
        m.close()
        print(error(m.flush))
    write("old", PAGE)
    with open("old", "rb") as file:
        m = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    write("new", 2 * PAGE)
    os.rename("new", "old")
    with open("old", "rb") as file:
        n = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    print(len(m), len(n), m[:] == n[:PAGE])


def children():
    write("data", 200000)
    with mp.get_context("fork").Pool(4) as pool:
        print(pool.starmap(count, [("data", i) for i in range(20)]))
    with mp.get_context("spawn").Pool(2) as pool:
        print(pool.starmap(count, [("data", i) for i in range(4)]))
    shared = shared_memory.SharedMemory(create=True, size=5 * PAGE)
    with open("data", "r+b") as file:
        m = mmap.mmap(file.fileno(), 0)
    pid = os.fork()
    if pid == 0:
        shared.buf[0:5] = b"child"
        m[0:5] = b"child"
        del m
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), bytes(shared.buf[0:5]), m[0:5])
    shared.close()
    shared.unlink()
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    for options in ({}, {"close_fds": False}, {"start_new_session": True}, {"preexec_fn": os.getpid}):
        result = subprocess.run(["sha256sum", "data"], capture_output=True, check=False, **options)
        print(result.returncode, result.stdout)
    print(subprocess.run("exit 5", shell=True, check=False).returncode, error(subprocess.run, ["./missing"]))
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 9"], os.environ)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    # a mapping beyond the end of its file
    source = "import mmap,os;f=open('data','r+b');m=mmap.mmap(f.fileno(),0);os.truncate('data',0);m[99999]"
    print(subprocess.run([sys.executable, "-I", "-c", source], check=False).returncode)


def threads():
    write("data", 300000)
    sums = [0] * 8

    def work(i):
        for _ in range(50):
            sums[i] += count("data", i)

    all_threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in all_threads:
        t.start()
    for t in all_threads:
        t.join()
    print(sums)


if __name__ == "__main__":
    mappings()
    children()
    threads()
    # a library that comes later, by dlopen
    print(ctypes.CDLL("libm.so.6").abs(-3), error(ctypes.CDLL, "libmissing.so"))
    sys.stdout.flush()
