"""How much memory does a long backlog take, how soon is its first task handled, and how long does Python's collector pause?

`python -m tests.bench.memory [--count 1000000] [--brokers redis sqlite kafka]` lets Go Asynq fill a Redis, and us a SQLite file and a topic of
Kafka, with the same tasks; then a new server process handles its first task, tells its memory and how long a full collection takes, and
works for a while with the backlog behind it. CPU seconds stand beside the clock's: they hold on a machine that is busy with other things.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asynq_compat as asynq
from tests.bench.cold import PAYLOAD, fill
from tests.bench.cpu import own_cpu_s
from tests.bench.job import CONCURRENCY
from tests.services.golang import build
from tests.services.kafka import ALL_COMPILERS, KafkaCluster
from tests.services.redis import RedisServer

_GOROUTINES = 32
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def rss_mb(pid: int | str = "self") -> float:
    """Return the resident memory of a process, megabytes (10^6)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


class Pauses:
    """The collector's pauses of this process, CPU milliseconds, the longest of each generation."""

    def __init__(self) -> None:
        self.longest_ms = [0.0, 0.0, 0.0]
        self._began_s = 0.0
        gc.callbacks.append(self._hear)

    def _hear(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began_s = time.thread_time()
        else:
            generation = info["generation"]
            self.longest_ms[generation] = max(self.longest_ms[generation], (time.thread_time() - self._began_s) * 1e3)


def serve(url: str, handled_count: int) -> None:
    """Handle tasks; a line of JSON when the first one begins, and another when so many are done. Ends with its input."""
    began_s = time.monotonic()
    pauses = Pauses()
    gate = asyncio.Event()  # Touched by handlers and by `open_gate` alone, all on the server's loop.
    handled = 0
    loops: list[asyncio.AbstractEventLoop] = []

    async def handle(_ctx: asynq.Context, _task: asynq.Task) -> None:
        nonlocal handled
        if not loops:
            loops.append(asyncio.get_running_loop())
            tell(first_s=time.monotonic() - began_s, first_cpu_s=own_cpu_s())
        if not gate.is_set():
            await gate.wait()
        handled += 1
        if handled == handled_count:
            tell(rss_mb=rss_mb(), pauses_ms=pauses.longest_ms, cpu_s=own_cpu_s())

    server = asynq.Server(url, asynq.Config(concurrency=CONCURRENCY, shutdown_timeout=0.5))
    server.start(handle)
    sys.stdin.readline()
    tell(rss_mb=rss_mb(), pauses_ms=pauses.longest_ms)
    began_cpu_s = time.thread_time()
    gc.collect()
    tell(full_ms=(time.thread_time() - began_cpu_s) * 1e3, frozen=gc.get_freeze_count())
    pauses.longest_ms = [0.0, 0.0, 0.0]
    loops[0].call_soon_threadsafe(gate.set)
    sys.stdin.read()
    server.shutdown()


def tell(**figures: object) -> None:
    """Print a line of JSON."""
    print(json.dumps(figures), flush=True)


@contextmanager
def part(name: str, url: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """Run one part of this program in a process of its own, which ends with the block."""
    command = [sys.executable, "-m", "tests.bench.memory", "--part", name, "--url", url, "--count", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next line of a part."""
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def measure(name: str, url: str, count: int, broker: KafkaCluster | None) -> None:
    """Print the figures of one journal."""
    before_mb = rss_mb(broker.pid) if broker else 0.0
    with part("fill", url, count) as filling:
        hear(filling)
    with part("serve", url, count // 5) as serving:
        first = hear(serving)
        assert serving.stdin is not None
        serving.stdin.write("\n")
        serving.stdin.flush()
        waiting, full, worked = hear(serving), hear(serving), hear(serving)
    print(
        f"{name}: first task after {first['first_s']:.1f} s ({first['first_cpu_s']:.1f} s of CPU, imports included), "
        f"server {waiting['rss_mb']:.0f} MB"
    )
    print(f"{name}: a full collection {full['full_ms']:.1f} ms, {full['frozen']} objects frozen")
    for when, figures in ("cold start", waiting), ("work", worked):
        young, middle, old = figures["pauses_ms"]
        print(f"{name}: longest pause in {when} by generation {young:.1f}, {middle:.1f}, {old:.1f} ms")
    print(
        f"{name}: {(worked['cpu_s'] - first['first_cpu_s']) / (count // 5) * 1e6:.1f} us of CPU a task, server then {worked['rss_mb']:.0f} MB"
    )
    if broker:
        print(f"{name}: broker {before_mb:.0f} MB before, {rss_mb(broker.pid):.0f} MB after", flush=True)


def measure_redis(count: int) -> None:
    """Print what the tasks take in Redis."""
    server = RedisServer()
    try:
        before_mb = rss_mb(server.pid)
        command = [str(build("go_asynq")), "-addr", server.addr, "-job", "enqueue", "-n", str(count)]
        subprocess.run([*command, "-goroutines", str(_GOROUTINES), "-size", str(len(PAYLOAD))], check=True)
        print(f"redis: {before_mb:.0f} MB before, {rss_mb(server.pid):.0f} MB after", flush=True)
    finally:
        server.stop()


def main() -> None:
    """Run one part, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--part", choices=["fill", "serve"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--brokers", nargs="*", default=["redis", "sqlite", "kafka"])
    arguments = parser.parse_args()
    if arguments.part == "serve":
        serve(arguments.url, arguments.count)
        return
    if arguments.part == "fill":
        fill(arguments.url, arguments.count)
        tell(is_full=True)
        return
    if "redis" in arguments.brokers:
        measure_redis(arguments.count)
    if "sqlite" in arguments.brokers:
        with tempfile.TemporaryDirectory() as scratch:
            measure("sqlite", f"sqlite:///{scratch}/queue.db", arguments.count, None)
    if "kafka" in arguments.brokers:
        cluster = KafkaCluster(jvm=ALL_COMPILERS)
        try:
            measure("kafka", f"redpanda://{cluster.bootstrap}/memory", arguments.count, cluster)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
