"""In which order does a server start the tasks of a queue in a file?"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from asynq_compat.client import Client
from asynq_compat.config import Config
from asynq_compat.connect import open_broker
from asynq_compat.context import Context
from asynq_compat.ports.broker import Broker
from asynq_compat.servemux import HandlerFunc
from asynq_compat.server import Server
from asynq_compat.task import Task
from tests.server.ground import wait_until

TASKS = 400


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = open_broker(f"sqlite:///{tmp_path / 'tasks.db'}")
    yield broker
    broker.close()


def started_by(broker: Broker, slots: int, colour: str, *, is_strict: bool) -> Sequence[int]:
    """Let one server run numbered tasks that end at once; return their numbers in the order in which they started."""
    started: list[int] = []
    lock = threading.Lock()

    def note(ctx: Context, task: Task) -> None:
        with lock:
            started.append(int(task.payload or b""))

    async def note_async(ctx: Context, task: Task) -> None:
        note(ctx, task)

    handler: HandlerFunc = note if colour == "plain" else note_async
    server = Server(broker, Config(concurrency=slots, strict_priority=is_strict))
    with Client(broker) as client:
        client.enqueue_many([Task("t", str(number).encode()) for number in range(TASKS // 2)])
        server.start(handler)
        for number in range(TASKS // 2, TASKS):
            client.enqueue(Task("t", str(number).encode()))
    try:
        wait_until(lambda: len(started) == TASKS, lambda: f"{len(started)} of {TASKS} started")
    finally:
        server.shutdown()
    return started


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_with_one_slot_tasks_start_in_the_order_of_the_queue(broker: Broker, colour: str) -> None:
    assert started_by(broker, 1, colour, is_strict=False) == list(range(TASKS))


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_with_strict_priorities_a_task_starts_before_an_earlier_one_only_while_both_have_a_slot(
    broker: Broker, colour: str
) -> None:
    """Slots are given in the queue's order; what has one runs side by side, as in Go."""
    slots = 10

    started = started_by(broker, slots, colour, is_strict=True)

    overtaken = [sum(earlier > number for earlier in started[:at]) for at, number in enumerate(started)]
    unstarted = [number - (at - over) for (at, number), over in zip(enumerate(started), overtaken, strict=True)]
    assert sorted(started) == list(range(TASKS))
    assert max(unstarted) < slots
