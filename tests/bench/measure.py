"""How is one figure taken?

Contract: each measurement runs in processes of its own against a broker that is emptied before; the broker's CPU time is read from
outside. Peers take turns inside a round, so that a slow minute of the machine hits all of them.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asynq_compat as asynq
from tests.bench.cpu import cpu_s
from tests.services import golang

_TIMEOUT_S = 600.0
_LOOK_S = 0.005
Figure = dict[
    str, Any
]  # As it stands in the results; `rate`, `own_us` and `broker_us` are tasks/s and CPU microseconds per task.


@dataclass(frozen=True, slots=True)
class Target:
    """A broker to measure: how to reach it, which process it is (None: none of its own), and how to empty it.

    `url` takes the number of partitions.
    """

    name: str
    url: Callable[[int], str]
    broker_pid: int | None
    empty: Callable[[], None]


def ours(job: str, target: Target, count: int, partitions: int = 1) -> Figure:
    """Run a job of tests/bench/job.py."""
    return _run([sys.executable, "-m", "tests.bench.job", job, target.url(partitions), str(count)], target.broker_pid)


def computed(processes: int, target: Target, count: int) -> Figure:
    """Let a server compute in so many processes: tests/bench/computing.py."""
    command = [sys.executable, "-m", "tests.bench.computing", str(processes), target.url(1), str(count)]
    return _run(command, target.broker_pid)


def go(job: str, target: Target, count: int, *options: str) -> Figure:
    """Run a job of tests/bench/go_asynq."""
    return _run([*_go(target), "-job", job, "-n", str(count), *options], target.broker_pid)


def _go(target: Target) -> list[str]:
    return [str(golang.build("go_asynq")), "-addr", target.url(1).removeprefix("redis://").partition("/")[0]]


def _run(command: Sequence[str], broker_pid: int | None) -> Figure:
    before = cpu_s(broker_pid)
    answer = _answer(command)
    broker_s, count = cpu_s(broker_pid) - before, answer["n"]
    stages_us = {duty: round(spent_s / count * 1e6, 3) for duty, spent_s in answer.get("stages_s", {}).items()}
    return {
        "rate": count / answer["wall_s"],
        "own_us": answer["cpu_s"] / count * 1e6,
        "broker_us": broker_s / count * 1e6,
        "stages_us": stages_us,
    }


def _answer(command: Sequence[str]) -> dict[str, Any]:
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


@contextlib.contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that said that it is ready; it is over at the end of the block."""
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "ready\n":
                process.wait(_TIMEOUT_S)
                said.seek(0)
                raise RuntimeError(f"{' '.join(command)} failed:\n{said.read()[-3000:]}")
            yield process
            process.stdin.close()
            process.wait(_TIMEOUT_S)
        except BaseException:
            process.kill()
            raise


def _go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _python(job: str, target: Target, *arguments: object, partitions: int = 1) -> list[str]:
    return [sys.executable, "-m", "tests.bench.serving", job, target.url(partitions), *map(str, arguments)]


def served(
    target: Target, count: int, rate: float, *, skip: int, is_go: bool, has_go_producer: bool | None = None
) -> Figure:
    """Let a server and a producer live side by side: how long tasks wait, and the CPU microseconds of all processes."""
    server = _python("serve", target, count, skip)
    producer = _python("paced", target, count, rate)
    if is_go:
        server = [*_go(target), "-job", "serve", "-n", str(count), "-skip", str(skip)]
    if is_go if has_go_producer is None else has_go_producer:
        producer = [*_go(target), "-job", "paced", "-n", str(count), "-rate", str(rate)]
    with _started(server) as serving:
        assert serving.stdout is not None
        before = cpu_s(target.broker_pid)
        produced = _answer(producer)
        answer = json.loads(serving.stdout.readline())
        broker_s = cpu_s(target.broker_pid) - before
    return {
        "p50_ms": answer["p50_ms"],
        "p99_ms": answer["p99_ms"],
        "max_ms": answer["max_ms"],
        "rate": count / produced["wall_s"],
        "server_us": answer["cpu_s"] / count * 1e6,
        "producer_us": produced["cpu_s"] / count * 1e6,
        "broker_us": broker_s / count * 1e6,
    }


def scheduled(target: Target, count: int, go_servers: int, our_servers: int) -> Figure:
    """Let servers of both languages run what a Go producer scheduled: how late tasks begin after the second at which they are due."""
    with contextlib.ExitStack() as stack:
        for command in [[*_go(target), "-job", "note"]] * go_servers + [_python("note", target)] * our_servers:
            stack.enter_context(_started(command))
        go("schedule", target, count)
        with asynq.Inspector(target.url(1)) as inspector:
            until_s, pause = time.monotonic() + _TIMEOUT_S, threading.Event()
            while inspector.get_queue_info("default").completed < count:
                if time.monotonic() > until_s:
                    raise RuntimeError(f"not all of {count} scheduled tasks ended in {_TIMEOUT_S:.0f} s")
                pause.wait(0.2)
            told = [(info.result or b"").split() for info in inspector.list_completed_tasks("default", page_size=0)]
    late_ms = sorted(float(late) for _, late in told)
    return {
        "p50_ms": late_ms[len(late_ms) // 2],
        "p99_ms": late_ms[len(late_ms) * 99 // 100],
        "max_ms": late_ms[-1],
        "min_ms": late_ms[0],
        "share": sum(who == b"ours" for who, _ in told) / len(told),
    }


class _Counts:
    """How many tasks each server has handled, in a file that all share."""

    def __init__(self, file: Path, servers: int) -> None:
        file.write_bytes(bytes(8 * servers))
        self._file = file.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), 0)

    def total(self) -> int:
        return sum(memoryview(self._memory[:]).cast("Q"))

    def wait_for(self, count: int) -> float:
        """Return when that many are handled."""
        until_s, pause = time.monotonic() + _TIMEOUT_S, threading.Event()
        while self.total() < count:
            if time.monotonic() > until_s:
                raise RuntimeError(f"{self.total()} of {count} tasks were handled in {_TIMEOUT_S:.0f} s")
            pause.wait(_LOOK_S)
        return time.perf_counter()

    def close(self) -> None:
        self._memory.close()
        self._file.close()


def shared(target: Target, count: int, servers: int, partitions: int, scratch: Path) -> Figure:
    """Let several servers empty a preloaded backlog together."""
    counts = _Counts(scratch / "counts", servers)
    with contextlib.ExitStack() as stack:
        stack.callback(counts.close)
        processes = [
            stack.enter_context(_started(_python("share", target, n, scratch / "counts", partitions=partitions)))
            for n in range(servers)
        ]
        pids = [process.pid for process in processes]
        before, broker_before, began_s = sum(map(cpu_s, pids)), cpu_s(target.broker_pid), time.perf_counter()
        for process in processes:
            _go_on(process)
        took_s = counts.wait_for(count) - began_s
        own_s, broker_s = sum(map(cpu_s, pids)) - before, cpu_s(target.broker_pid) - broker_before
    return {"rate": count / took_s, "own_us": own_s / count * 1e6, "broker_us": broker_s / count * 1e6}


def held(target: Target, backlog: int, count: int, scratch: Path) -> Figure:
    """Measure server and producer while a backlog stays as long as it is."""
    counts = _Counts(scratch / "counts", 1)
    warm = count // 5
    with (
        contextlib.closing(counts),
        _started(_python("feed", target, backlog, warm + count, scratch / "counts")) as feeder,
        _started(_python("share", target, 0, scratch / "counts")) as server,
    ):
        _go_on(server)
        _go_on(feeder)
        began_s = counts.wait_for(warm)
        pids = server.pid, feeder.pid
        before = [cpu_s(pid) for pid in pids]
        broker_before, begun = cpu_s(target.broker_pid), counts.total()
        took_s = counts.wait_for(warm + count) - began_s
        done = counts.total() - begun
        server_s, feeder_s = (cpu_s(pid) - was for pid, was in zip(pids, before, strict=True))
        broker_s = cpu_s(target.broker_pid) - broker_before
    return {
        "rate": done / took_s,
        "server_us": server_s / done * 1e6,
        "producer_us": feeder_s / done * 1e6,
        "broker_us": broker_s / done * 1e6,
    }
