"""What does one measured process of ours do?

Contract: `python -m tests.bench.job JOB URL N` connects to URL, does the job over N tasks and prints one JSON line: wall and CPU seconds
of the job alone, without the interpreter's start. The jobs are those of tests/bench/go_asynq.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping

import asynq_compat as asynq

PAYLOAD = b'{"user_id":42,"n":12345}'
CONCURRENCY = 100
BATCH = 1000


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _report(count: int, wall_s: float, cpu_s: float, stages_s: Mapping[str, float] | None = None) -> None:
    print(json.dumps({"n": count, "wall_s": wall_s, "cpu_s": cpu_s, "stages_s": stages_s or {}}), flush=True)


def _stages_s() -> dict[str, float]:
    """CPU seconds of each duty's threads so far: a server has one thread a duty, but for its workers."""
    spent: dict[str, float] = {}
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.main_thread():
            duty = "kafka" if not thread.name.startswith("asynq-") else thread.name.split("-")[1]
            spent[duty] = spent.get(duty, 0.0) + time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return spent


def enqueue_one(url: str, count: int) -> None:
    """Enqueue one by one, each durable before the next."""
    with asynq.Client(url) as client:
        cpu, begin = _cpu_s(), time.perf_counter()
        for _ in range(count):
            client.enqueue(asynq.Task("bench:task", PAYLOAD))
        _report(count, time.perf_counter() - begin, _cpu_s() - cpu)


def enqueue_bulk(url: str, count: int) -> None:
    """Enqueue in calls of a thousand; every outcome is looked at."""
    with asynq.Client(url) as client:
        cpu, begin = _cpu_s(), time.perf_counter()
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            outcomes = client.enqueue_many([asynq.Task("bench:task", PAYLOAD) for _ in range(size)])
            assert all(isinstance(outcome, asynq.TaskInfo) for outcome in outcomes)
        _report(count, time.perf_counter() - begin, _cpu_s() - cpu)


def _process(url: str, count: int, handler: Callable[[Callable[[], None]], object]) -> None:
    handled = 0
    is_over = threading.Event()
    lock = threading.Lock()

    def note() -> None:
        nonlocal handled
        with lock:
            handled += 1
            if handled == count:
                is_over.set()

    mux = asynq.ServeMux()
    mux.handle_func("bench:", handler(note))  # type: ignore[arg-type]  # built below, one of two kinds
    cpu, begin = _cpu_s(), time.perf_counter()
    server = asynq.Server(url, asynq.Config(concurrency=CONCURRENCY))
    server.start(mux)
    while not is_over.wait(1):
        pass
    wall_s = time.perf_counter() - begin
    stages_s = _stages_s()
    server.shutdown()
    cpu_s = _cpu_s() - cpu
    with asynq.Inspector(url) as inspector:
        left = inspector.get_queue_info("default")
        assert (left.pending, left.active) == (0, 0), f"not all settled: {left}"
        assert handled == count, f"{handled} runs of {count} tasks"
    _report(count, wall_s, cpu_s, stages_s)


def process_async(url: str, count: int) -> None:
    """Run a coroutine per task that looks at its context and task."""

    def make(note: Callable[[], None]) -> object:
        async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
            assert asynq.get_task_id(ctx)
            assert task.payload
            note()

        return handle

    _process(url, count, make)


def process_plain(url: str, count: int) -> None:
    """Run a plain function per task that looks at its context and task."""

    def make(note: Callable[[], None]) -> object:
        def handle(ctx: asynq.Context, task: asynq.Task) -> None:
            assert asynq.get_task_id(ctx)
            assert task.payload
            note()

        return handle

    _process(url, count, make)


def process_waiting(url: str, count: int) -> None:
    """Run a coroutine per task that waits for a millisecond."""

    def make(note: Callable[[], None]) -> object:
        async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
            await asyncio.sleep(0.001)
            note()

        return handle

    _process(url, count, make)


def serve(url: str, count: int) -> None:
    """Print the instant at which each task starts and what it carries, until stdin ends."""
    del count

    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        now = time.time_ns()
        print("start", now, (task.payload or b"").decode(), flush=True)

    mux = asynq.ServeMux()
    mux.handle_func("bench:", handle)
    server = asynq.Server(url, asynq.Config(concurrency=CONCURRENCY))
    server.start(mux)
    print("ready", flush=True)
    sys.stdin.read()
    server.shutdown()


def ticks(url: str, count: int) -> None:
    """Enqueue one task at a time, 50 ms apart; each carries the instant, Unix nanoseconds."""
    pause = threading.Event()
    with asynq.Client(url) as client:
        client.ping()
        for _ in range(count):
            pause.wait(0.05)
            client.enqueue(asynq.Task("bench:tick", str(time.time_ns()).encode()))


JOBS: dict[str, Callable[[str, int], None]] = {
    "enqueue_one": enqueue_one,
    "enqueue_bulk": enqueue_bulk,
    "process_async": process_async,
    "process_plain": process_plain,
    "process_waiting": process_waiting,
    "serve": serve,
    "ticks": ticks,
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
