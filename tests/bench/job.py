"""What does one measured process of ours do?

Contract: `python -m tests.bench.job JOB URL N` connects to URL, does the job over N tasks and prints one JSON line: wall and CPU seconds
of the job alone, without the interpreter's start. The jobs are those of tests/bench/go_asynq.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping

import asynq_compat as asynq
from tests.bench.cpu import own_cpu_s, stages_s
from tests.bench.stages import Stopwatch

CONCURRENCY = 100
BATCH = 1000
KEPT_S = 3600.0
Handler = Callable[[asynq.Context, asynq.Task], object]


def payload(number: int) -> bytes:
    """Return what the task of this number carries."""
    return b'{"user_id":42,"n":%07d}' % number


def report(count: int, wall_s: float, cpu_s: float, stages: Mapping[str, float] | None = None) -> None:
    """Print the line that the harness reads."""
    print(json.dumps({"n": count, "wall_s": wall_s, "cpu_s": cpu_s, "stages_s": stages or {}}), flush=True)


# --- enqueueing -----------------------------------------------------------------------------------------------------------------------


def enqueue_one(url: str, count: int) -> None:
    """Enqueue one by one, each durable before the next."""
    with asynq.Client(url) as client:
        client.ping()
        cpu, begin = own_cpu_s(), time.perf_counter()
        for number in range(count):
            client.enqueue(asynq.Task("bench:task", payload(number)))
        report(count, time.perf_counter() - begin, own_cpu_s() - cpu)


def enqueue_coroutines(url: str, count: int) -> None:
    """Enqueue from a hundred coroutines, each of which waits for its task before the next."""

    async def run() -> None:
        async with asynq.AsyncClient(url) as client:
            await client.ping()

            async def one(share: int) -> None:
                for number in range(share):
                    await client.enqueue(asynq.Task("bench:task", payload(number)))

            cpu, begin = own_cpu_s(), time.perf_counter()
            await asyncio.gather(*(one(count // CONCURRENCY) for _ in range(CONCURRENCY)))
            report(count, time.perf_counter() - begin, own_cpu_s() - cpu)

    asyncio.run(run())


def enqueue_bulk(url: str, count: int, **options: float) -> None:
    """Enqueue in calls of a thousand; every outcome is looked at."""
    with asynq.Client(url) as client:
        client.ping()
        cpu, begin = own_cpu_s(), time.perf_counter()
        for start in range(0, count, BATCH):
            tasks = [asynq.Task("bench:task", payload(n)) for n in range(start, min(start + BATCH, count))]
            outcomes = client.enqueue_many(tasks, **options)  # type: ignore[arg-type]  # keywords of options
            assert all(isinstance(outcome, asynq.TaskInfo) for outcome in outcomes)
        report(count, time.perf_counter() - begin, own_cpu_s() - cpu)


def enqueue_unique(url: str, count: int) -> None:
    """As `enqueue_bulk`; every task is unique and kept after its end."""
    enqueue_bulk(url, count, unique=KEPT_S, retention=KEPT_S)


# --- processing -----------------------------------------------------------------------------------------------------------------------


class Tally:
    """Counts handled tasks; any thread may call `note`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.handled = 0
        self.is_over = threading.Event()
        self._lock = threading.Lock()

    def note(self) -> None:
        """Count one."""
        with self._lock:
            self.handled += 1
            if self.handled == self.count:
                self.is_over.set()


def process(url: str, count: int, make: Callable[[Tally], Handler], watch: Stopwatch | None = None) -> None:
    """Run a server until it has handled `count` tasks; nothing may be left."""
    tally = Tally(count)
    mux = asynq.ServeMux()
    mux.handle_func("bench:", make(tally))
    cpu, begin = own_cpu_s(), time.perf_counter()
    # The delays matter where tasks fail: Go's peer is given the same.
    config = asynq.Config(
        concurrency=CONCURRENCY, delayed_task_check_interval=0.1, retry_delay_func=lambda _n, _error, _task: 0.0
    )
    server = asynq.Server(url, config)
    server.start(mux)
    while not tally.is_over.wait(1):
        pass
    wall_s = time.perf_counter() - begin
    stages = stages_s() if watch is None else watch.spent_s()
    server.shutdown()
    cpu_s = own_cpu_s() - cpu
    with asynq.Inspector(url) as inspector:
        left = inspector.get_queue_info("default")
        assert (left.pending, left.active, left.retry) == (0, 0, 0), f"not all settled: {left}"
        assert tally.handled == count, f"{tally.handled} runs of {count} tasks"
    report(count, wall_s, cpu_s, stages)


def looking_async(tally: Tally) -> Handler:
    """Make a coroutine that looks at its context and task."""

    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        assert asynq.get_task_id(ctx)
        assert task.payload
        tally.note()

    return handle


def looking_plain(tally: Tally) -> Handler:
    """Make a plain function that does the same."""

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        assert asynq.get_task_id(ctx)
        assert task.payload
        tally.note()

    return handle


def failing(tally: Tally) -> Handler:
    """Make a coroutine that fails at every tenth task once."""

    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        if (task.payload or b"").endswith(b"0}") and asynq.get_retry_count(ctx) == 0:
            raise ValueError("every tenth fails once")
        tally.note()

    return handle


def waiting_async(tally: Tally) -> Handler:
    """Make a coroutine that waits for a millisecond."""

    async def handle(_ctx: asynq.Context, _task: asynq.Task) -> None:
        await asyncio.sleep(0.001)
        tally.note()

    return handle


def waiting_plain(tally: Tally) -> Handler:
    """Make a plain function that waits for a millisecond."""

    def handle(_ctx: asynq.Context, _task: asynq.Task) -> None:
        time.sleep(0.001)  # noqa: TID251 - a handler that blocks is what is measured
        tally.note()

    return handle


def process_staged(url: str, count: int) -> None:
    """As `process async`, with a stopwatch at the doors through which batches pass."""
    with Stopwatch() as watch:
        process(url, count, looking_async, watch)


def bare_loop(_url: str, count: int) -> None:
    """Nothing of ours: a hundred asyncio tasks at a time that wait for a millisecond."""

    async def run() -> None:
        tally = Tally(count)
        slots = asyncio.Semaphore(CONCURRENCY)

        async def handle() -> None:
            await asyncio.sleep(0.001)
            tally.note()
            slots.release()

        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()
        cpu, begin = own_cpu_s(), time.perf_counter()
        for _ in range(count):
            await slots.acquire()
            task = loop.create_task(handle())
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
        report(count, time.perf_counter() - begin, own_cpu_s() - cpu)

    asyncio.run(run())


HANDLERS: dict[str, Callable[[Tally], Handler]] = {
    "process async": looking_async,
    "process plain": looking_plain,
    "process failing": failing,
    "process waiting async": waiting_async,
    "process waiting plain": waiting_plain,
}
JOBS: dict[str, Callable[[str, int], None]] = {
    "enqueue one": enqueue_one,
    "enqueue 100 coroutines": enqueue_coroutines,
    "enqueue bulk": enqueue_bulk,
    "enqueue unique": enqueue_unique,
    "process staged": process_staged,
    "bare loop": bare_loop,
}

if __name__ == "__main__":
    if sys.argv[1] in HANDLERS:
        process(sys.argv[2], int(sys.argv[3]), HANDLERS[sys.argv[1]])
    else:
        JOBS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
