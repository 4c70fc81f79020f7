"""Does a worker process end in time and in peace when it is asked to, whatever its broker does?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.interop.worker_program import SHUTDOWN_TIMEOUT_S
from tests.services.installing import REPOSITORY
from tests.services.kafka import KafkaCluster
from tests.services.process import Process
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

# An interpreter under load takes its time; what is tested is that nothing waits for a broker's timeouts one after the other.
ENDS_WITHIN_S = SHUTDOWN_TIMEOUT_S + 15.0
pytestmark = pytest.mark.own_broker


class Worker:
    """A worker process with a task in its hands."""

    def __init__(self, url: str, folder: Path) -> None:
        self._ledger = folder / "ledger.jsonl"
        self._log = folder / "log"
        environment = {key: value for key, value in os.environ.items() if key != "ASYNQ_COMPAT_BROKER"}
        command = [sys.executable, "-m", "tests.interop.worker_program", url, str(folder), "only"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stderr=log, env=environment)
        with asynq.Client(url) as client:
            self.held_id = client.enqueue(asynq.Task("hold")).id
        wait_until(self.events, "the task has started", 30)

    def events(self) -> list[str]:
        """Return what the handler noted."""
        if not self._ledger.exists():
            return []
        *whole, _being_written = self._ledger.read_text().split("\n")
        return [json.loads(line)["event"] for line in whole]

    def log(self) -> str:
        """Return what the process logged."""
        return self._log.read_text()

    def ends_with(self, *numbers: int) -> tuple[int, float]:
        """Send signals; return the exit code and how long the end took."""
        began = time.monotonic()
        for number in numbers:
            self.process.send_signal(number)
        try:
            return self.process.wait(ENDS_WITHIN_S), time.monotonic() - began
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {ENDS_WITHIN_S} s; its log:\n{self.log()}") from None

    def close(self) -> None:
        """End it whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), pytest.param("kafka", marks=pytest.mark.kafka)])
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Process, str]]:
    """A broker that the test may kill, and its URL. The shared one is asked for first: it says when there is none."""
    request.getfixturevalue(f"{request.param}_server" if request.param == "redis" else "kafka_cluster")
    running: Process = RedisServer(durable=True) if request.param == "redis" else KafkaCluster()
    yield running, f"{'redis' if request.param == 'redis' else 'redpanda'}://{running.addr}"
    running.stop()


@pytest.mark.parametrize("how", ["dead", "asleep"])
def test_a_worker_whose_broker_is_gone_ends_at_its_timeout(
    service: tuple[Process, str], how: str, tmp_path: Path
) -> None:
    broker, url = service
    worker = Worker(url, tmp_path)
    try:
        broker.kill() if how == "dead" else broker.pause()

        code, took_s = worker.ends_with(signal.SIGTERM)
    finally:
        worker.close()
        if how == "asleep":
            broker.resume()

    assert code == 0, worker.log()
    assert took_s >= SHUTDOWN_TIMEOUT_S * 0.9, "the running task had its time"
    assert "Traceback" not in worker.log()


def test_a_second_ctrl_c_changes_nothing_and_the_task_goes_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    worker = Worker(url, tmp_path)
    try:
        code, took_s = worker.ends_with(signal.SIGINT, signal.SIGINT, signal.SIGTERM)
    finally:
        worker.close()

    assert code == 0, worker.log()
    assert took_s < ENDS_WITHIN_S
    assert "Traceback" not in worker.log()
    assert f"Already shutting down: running tasks have {SHUTDOWN_TIMEOUT_S:g} s to end" in worker.log()
    with asynq.Inspector(url) as inspector:
        info = inspector.get_task_info("default", worker.held_id)
    assert (info.state, info.retried) == (asynq.TaskState.PENDING, 0)
