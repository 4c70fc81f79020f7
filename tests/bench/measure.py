"""How is one figure taken?

Contract: each measurement runs in a process of its own against a broker that is emptied before; the broker's CPU time is read from
outside. Peers take turns inside a round, so that a slow minute of the machine hits all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cpu import cpu_s
from tests.services import golang


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: tasks per second, and CPU microseconds per task of the measured process, of its duties, and of the broker."""

    rate: float
    own_us: float
    broker_us: float
    stages_us: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Target:
    """A broker to measure: how to reach it, which process it is (None: none of its own), and how to empty it."""

    name: str
    url: Callable[[], str]
    broker_pid: int | None
    empty: Callable[[], None]


def _run(command: Sequence[str | Path], broker_pid: int | None) -> Figure:
    before = cpu_s(broker_pid) if broker_pid else 0.0
    ended = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=600)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{ended.stderr[-3000:]}")
    answer = json.loads(ended.stdout.splitlines()[-1])
    broker = (cpu_s(broker_pid) if broker_pid else 0.0) - before
    count = answer["n"]
    stages_us = {duty: spent_s / count * 1e6 for duty, spent_s in answer.get("stages_s", {}).items()}
    return Figure(count / answer["wall_s"], answer["cpu_s"] / count * 1e6, broker / count * 1e6, stages_us)


def ours(job: str, target: Target, count: int) -> Figure:
    """Run a job of tests/bench/job.py."""
    return _run([sys.executable, "-m", "tests.bench.job", job, target.url(), str(count)], target.broker_pid)


def go(job: str, target: Target, count: int, *options: str) -> Figure:
    """Run a job of tests/bench/go_asynq."""
    addr = target.url().removeprefix("redis://").partition("/")[0]
    command: list[str | Path] = [golang.build("go_asynq"), "-addr", addr, "-job", job, "-n", str(count), *options]
    return _run(command, target.broker_pid)


def latencies_ms(server: Sequence[str | Path], producer: Sequence[str | Path], count: int) -> list[float]:
    """Start `server`, run `producer` beside it, and return the milliseconds from each enqueue to its start, sorted.

    The first ten are not counted: connections and caches are filled by them.
    """
    serving = subprocess.Popen([str(part) for part in server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert serving.stdin is not None
    assert serving.stdout is not None
    assert serving.stdout.readline().strip() == "ready"
    subprocess.run([str(part) for part in producer], check=True, timeout=300)
    waits: list[float] = []
    for _ in range(count):
        word, started_at, enqueued_at = serving.stdout.readline().split()
        assert word == "start"
        waits.append((int(started_at) - int(enqueued_at)) / 1e6)
    serving.stdin.close()
    serving.wait(60)
    return sorted(waits[10:])
