"""Does a task that ran while its broker was away stay settled, and run only once?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from asynq_compat.connect import open_broker
from asynq_compat.context import Context
from asynq_compat.errors import AsynqError
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import Task
from tests.server.ground import PATIENCE_S, Ground, wait_until
from tests.services.installing import ServiceMissingError
from tests.services.redis import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis of the test's own, whose data survive a restart."""
    try:
        server = RedisServer(durable=True)
    except ServiceMissingError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


def test_what_a_broken_connection_left_unsettled_is_settled_later(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    started, release = threading.Event(), threading.Event()
    runs: list[str] = []

    def handle(ctx: Context, task: Task) -> None:
        runs.append(task.type)
        started.set()
        release.wait(PATIENCE_S)

    broker = open_broker(own_redis.url)
    ground = Ground(broker, own_redis.url)
    task_id = ground.enqueue(retention=600)
    with ground.serving(handle, concurrency=1):
        assert started.wait(PATIENCE_S)
        own_redis.kill()
        release.set()
        wait_until(lambda: "Will retry syncing" in caplog.text, lambda: caplog.text)
        own_redis.start()

        wait_until(lambda: state_or_none(ground, task_id) is TaskState.COMPLETED, "the task is not settled")
        later = ground.enqueue(retention=600)
        ground.wait_for_state(later, TaskState.COMPLETED)
    broker.close()

    assert runs == ["t", "t"]


def test_an_outage_is_told_once_and_so_is_its_end(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    broker = open_broker(own_redis.url)
    ground = Ground(broker, own_redis.url)
    duties = ("Failed to forward scheduled tasks", "Failed to write server state data", "Dequeue error")
    with ground.serving(lambda ctx, task: None, concurrency=1):
        own_redis.kill()
        # It beats every 5 s, or just now; the forwarder looks each second.
        wait_until(lambda: all(f"{what}: " in caplog.text for what in duties), lambda: caplog.text)
        own_redis.start()
        for what in duties:
            wait_until(partial(is_told_over, caplog, what), lambda: caplog.text)
    broker.close()

    for what in duties:
        assert len([line for line in caplog.messages if line.startswith(f"{what}: ")]) == 1, caplog.text


def is_told_over(caplog: pytest.LogCaptureFixture, what: str) -> bool:
    """Return whether a line says that an outage is over."""
    return any(line.startswith("Over after ") and line.endswith(f" s: {what}") for line in caplog.messages)


def state_or_none(ground: Ground, task_id: str) -> TaskState | None:
    """Return the task's state; None while the broker is away."""
    try:
        return ground.state(task_id)
    except AsynqError:
        return None
