"""Is every task accounted for when one of three servers is killed and another sleeps beyond its lease?

Python on both ends, on an embedded file and on the Kafka API. Not obvious: nobody's lease can be moved from outside here, so each test takes
more than a minute: 30 s until the leases are over, and the recoverer of the server that lives comes by once a minute.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.interop.worker_process import WorkerProcess
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until

TASKS = 600
LATE_TASKS = 60
WAIT_S = 120.0


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tasks.db'}"
    cluster: KafkaCluster = request.getfixturevalue("kafka_cluster")
    namespace: str = request.getfixturevalue("kafka_namespace")
    return f"kafka://{cluster.bootstrap}/{namespace}"


@dataclass
class Scene:
    """Three workers on one queue."""

    client: asynq.Client
    inspector: asynq.Inspector
    workers: Sequence[WorkerProcess]

    def enqueue(self, count: int, type_name: str, payload: bytes) -> list[str]:
        outcomes = self.client.enqueue_many([asynq.Task(type_name, payload) for _ in range(count)])
        infos = [outcome for outcome in outcomes if isinstance(outcome, asynq.TaskInfo)]
        assert len(infos) == count, outcomes
        return [info.id for info in infos]

    def info(self) -> asynq.QueueInfo:
        return self.inspector.get_queue_info("default")

    def has_finished(self, count: int) -> bool:
        """Whether so many tasks ended well: what was processed and did not fail."""
        info = self.info()
        return info.processed_total - info.failed_total >= count and info.size == 0


@pytest.fixture
def scene(url: str) -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(asynq.Client(url))
        inspector = stack.enter_context(asynq.Inspector(url))
        workers = [stack.enter_context(WorkerProcess(url, concurrency=4)) for _ in range(3)]
        yield Scene(client, inspector, workers)


@pytest.mark.timeout(300)
def test_every_task_is_accounted_for(scene: Scene) -> None:
    killed, sleeping, living = scene.workers
    ids = scene.enqueue(TASKS, "work", b"40")
    wait_until(
        lambda: all(len(worker.told("end")) > 20 for worker in scene.workers), "each worker to end some tasks", WAIT_S
    )

    killed.kill()
    sleeping.suspend()
    started_before = len(sleeping.told("start"))
    wait_until(lambda: scene.has_finished(TASKS), "the living one to recover and finish everything", WAIT_S)
    sleeping.resume()
    ids += scene.enqueue(LATE_TASKS, "work", b"100")
    wait_until(lambda: scene.has_finished(TASKS + LATE_TASKS), "the late tasks", WAIT_S)
    wait_until(lambda: len(sleeping.told("start")) > started_before, "the sleeper to be given work again", WAIT_S)
    info = scene.info()
    living.stop()
    sleeping.stop()

    starts = [event for worker in scene.workers for event in worker.told("start")]
    tries = Counter(event["task_id"] for event in starts)
    again = [event["task_id"] for event in starts if event["retried"]]
    assert set(tries) == set(ids), "every task was started"
    assert (info.size, info.archived) == (0, 0)
    assert info.processed_total - info.failed_total == TASKS + LATE_TASKS, "each task ended well exactly once"
    assert info.failed_total == len(again), "each retry is one failure, of a task that was tried again"
    assert all(tries[task_id] > 1 for task_id in again), "no retry is counted for a task that was never started"
    assert all(event["retried"] <= 1 for event in starts)
