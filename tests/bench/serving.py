"""What do processes do that are measured while others work beside them?

Contract: `python -m tests.bench.serving JOB ...` for each job below. A process says `ready` on stdout when all is prepared, and begins
when it reads a line; the last line is JSON. Counts of handled tasks stand in a shared file, eight bytes a server.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import sys
import threading
import time
from pathlib import Path

import asynq_compat as asynq
from tests.bench.cpu import own_cpu_s
from tests.bench.job import BATCH, CONCURRENCY, payload, report

# Above this many tasks a second a producer hands over what is due in one call.
_SINGLE_PER_S_MAX = 1_000
_STEP_S = 0.005
_LOOK_S = 0.002


def _ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def serve(url: str, count: int, skip: int) -> None:
    """Handle `count` tasks and print how long each waited from the instant in its payload to its start, without the first `skip`."""
    waits: list[float] = []
    is_over = threading.Event()

    async def handle(_ctx: asynq.Context, task: asynq.Task) -> None:
        waits.append((time.time_ns() - int(task.payload or b"")) / 1e6)
        if len(waits) == count:
            is_over.set()

    server = asynq.Server(url, asynq.Config(concurrency=CONCURRENCY))
    server.start(handle)
    cpu = own_cpu_s()
    print("ready", flush=True)
    while not is_over.wait(1):
        pass
    spent = own_cpu_s() - cpu
    server.shutdown()
    counted = sorted(waits[skip:])
    answer = {
        "cpu_s": spent,
        "p50_ms": counted[len(counted) // 2],
        "p99_ms": counted[len(counted) * 99 // 100],
        "max_ms": counted[-1],
    }
    print(json.dumps(answer), flush=True)


def paced(url: str, count: int, rate: float) -> None:
    """Enqueue `count` tasks at that rate, whatever the answers; each carries the instant, Unix nanoseconds."""
    if rate > _SINGLE_PER_S_MAX:
        _paced_bulk(url, count, rate)
    else:
        asyncio.run(_paced_singly(url, count, rate))


def _stamped() -> asynq.Task:
    return asynq.Task("bench:task", str(time.time_ns()).encode())


async def _paced_singly(url: str, count: int, rate: float) -> None:
    async with asynq.AsyncClient(url) as client:
        await client.ping()
        pending: set[asyncio.Task[asynq.TaskInfo]] = set()
        cpu, begin = own_cpu_s(), time.perf_counter()
        for number in range(1, count + 1):
            await asyncio.sleep(begin + number / rate - time.perf_counter())
            task = asyncio.create_task(client.enqueue(_stamped()))
            pending.add(task)
            task.add_done_callback(pending.discard)
        await asyncio.gather(*pending)
        report(count, time.perf_counter() - begin, own_cpu_s() - cpu)


def _paced_bulk(url: str, count: int, rate: float) -> None:
    pause = threading.Event()
    with asynq.Client(url) as client:
        client.ping()
        sent = 0
        cpu, begin = own_cpu_s(), time.perf_counter()
        while sent < count:
            due = min(int((time.perf_counter() - begin) * rate), count) - sent
            if due:
                stamp = _stamped()
                client.enqueue_many([asynq.Task("bench:task", stamp.payload) for _ in range(due)])
                sent += due
            pause.wait(_STEP_S)
        report(count, time.perf_counter() - begin, own_cpu_s() - cpu)


def note(url: str) -> None:
    """Handle tasks until stdin ends; the result of each is how late it began, milliseconds after the instant in its payload."""

    def handle(_ctx: asynq.Context, task: asynq.Task) -> None:
        late_ms = (time.time_ns() - int(task.payload or b"")) / 1e6
        assert task.result_writer is not None
        task.result_writer.write(b"ours %f" % late_ms)

    server = asynq.Server(url, asynq.Config(concurrency=CONCURRENCY))
    server.start(handle)
    print("ready", flush=True)
    sys.stdin.read()
    server.shutdown()


def share(url: str, index: int, file: str) -> None:
    """Be one of several servers until stdin ends."""
    with Path(file).open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as memory, memoryview(memory) as raw:
        counts = raw.cast("Q")

        async def handle(_ctx: asynq.Context, _task: asynq.Task) -> None:
            counts[index] += 1

        _ready()
        server = asynq.Server(url, asynq.Config(concurrency=CONCURRENCY))
        server.start(handle)
        sys.stdin.read()
        server.shutdown()
        counts.release()


def feed(url: str, backlog: int, count: int, file: str) -> None:
    """Fill up to `backlog` pending tasks, say so, and keep it there while a server handles `count`."""
    with (
        asynq.Client(url) as client,
        Path(file).open("r+b") as opened,
        mmap.mmap(opened.fileno(), 0) as memory,
        memoryview(memory) as raw,
    ):
        counts = raw.cast("Q")
        sent, size = 0, min(BATCH, backlog) // 2

        def put() -> None:
            nonlocal sent
            client.enqueue_many([asynq.Task("bench:task", payload(sent + n)) for n in range(size)])
            sent += size

        while sent < backlog:
            put()
        _ready()
        pause = threading.Event()
        while counts[0] < count:
            if sent - counts[0] < backlog:
                put()
            else:
                pause.wait(_LOOK_S)
        counts.release()


if __name__ == "__main__":
    job, place, *rest = sys.argv[1:]
    if job == "serve":
        serve(place, int(rest[0]), int(rest[1]))
    elif job == "paced":
        paced(place, int(rest[0]), float(rest[1]))
    elif job == "note":
        note(place)
    elif job == "share":
        share(place, int(rest[0]), rest[1])
    else:
        feed(place, int(rest[0]), int(rest[1]), rest[2])
