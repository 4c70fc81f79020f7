"""How long does a server need for tasks that compute, in so many processes?

Run as `python -m tests.bench.computing PROCESSES URL N` over a preloaded backlog; prints the line of tests/bench/job.py.
Not obvious: handlers count by a byte each in a file that all processes append to; CPU of worker processes counts once they have ended.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import threading
import time

import asynq_compat as asynq
from tests.bench.cpu import own_cpu_s
from tests.bench.job import report

# About two milliseconds of pure Python.
STEPS = 80_000
_LOOK_S = 0.005


class Computing:
    """A handler that computes; a copy of it in another process counts in the same file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = os.open(path, os.O_APPEND | os.O_WRONLY)

    def __reduce__(self) -> tuple[type[Computing], tuple[str]]:
        return Computing, (self.path,)

    def process_task(self, ctx: asynq.Context, task: asynq.Task) -> None:
        """Compute, and count one."""
        del ctx, task
        total = 0
        for step in range(STEPS):
            total += step
        os.write(self._file, b".")


def compute(processes: int, url: str, count: int) -> None:
    """Run a server until it has handled `count` tasks."""
    pause = threading.Event()
    with tempfile.NamedTemporaryFile() as counted:
        server = asynq.Server(url, asynq.Config(concurrency=8, processes=processes))
        cpu = own_cpu_s()
        server.start(Computing(counted.name))
        begin = time.perf_counter()  # A worker process imports the program before: that is no task's time.
        while os.stat(counted.name).st_size < count:
            pause.wait(_LOOK_S)
        wall_s = time.perf_counter() - begin
        server.shutdown()
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    report(count, wall_s, own_cpu_s() - cpu + workers.ru_utime + workers.ru_stime)


if __name__ == "__main__":
    compute(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
