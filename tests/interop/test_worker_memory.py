"""How much memory does a worker on Redis need?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = [sys.executable, str(ROOT / "tests" / "interop" / "small_program.py")]
COMMAND = [
    str(Path(sys.executable).parent / "asynq-compat"),
    "worker",
    "tests.interop.small_program:mux",
    "--concurrency",
    "10",
]
IDLE_MB_MAX = 45.0
BACKLOG = 100_000
PATIENCE_S = 60.0


def resident_mb(pid: int) -> float:
    """Return what the kernel counts as the process's memory, libraries that others use too among it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextmanager
def running(command: list[str], url: str) -> Iterator[int]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ASYNQ_COMPAT_BROKER": url}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def run_some(url: str) -> None:
    """Have the worker run a few tasks, so that it has begun whatever it begins."""
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        for _ in range(20):
            client.enqueue(asynq.Task("quick", b"{}"))
        wait_until(lambda: inspector.get_queue_info("default").processed_total >= 20, "tasks to end", PATIENCE_S)


@pytest.mark.parametrize("command", [[*SCRIPT, "URL"], COMMAND], ids=["script", "command"])
def test_an_idle_worker_is_small(redis_url: str, command: list[str]) -> None:
    with running([redis_url if part == "URL" else part for part in command], redis_url) as pid:
        run_some(redis_url)

        assert resident_mb(pid) <= IDLE_MB_MAX


def test_a_backlog_of_any_length_stays_in_redis(redis_url: str) -> None:
    with running([*SCRIPT, redis_url], redis_url) as pid, asynq.Client(redis_url) as client:
        run_some(redis_url)
        before_mb = resident_mb(pid)

        for _ in range(12):
            client.enqueue(asynq.Task("hold", b"{}"))
        for _ in range(BACKLOG // 1_000):
            client.enqueue_many([asynq.Task("quick", b"x" * 200) for _ in range(1_000)])
        with asynq.Inspector(redis_url) as inspector:
            wait_until(lambda: inspector.get_queue_info("default").active == 10, "all slots to be held", PATIENCE_S)
            assert inspector.get_queue_info("default").pending >= BACKLOG

        # 20 MB of payloads wait. What it allows for are buffers and the ten tasks that it holds.
        assert resident_mb(pid) - before_mb < 5
