"""How soon does the task of a dead worker come back on a journal?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.consuming import QueueOrder
from asynq_compat.rules.task_state import TaskState
from asynq_compat.server import Server
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from tests.server.ground import Ground, pass_time

LEASE_S = 30
_LOOK_AGAIN_S = 0.02


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def memory_ground(clock: VirtualClock) -> Iterator[Ground]:
    name = uuid.uuid4().hex
    broker = open_journal(MemoryJournalStore(name, now_ms=clock.now_ms), clock=clock, idle_s=_LOOK_AGAIN_S)
    yield Ground(broker, f"memory://{name}")
    broker.close()


def test_a_dead_workers_task_comes_back_when_its_lease_ends(memory_ground: Ground, clock: VirtualClock) -> None:
    """Go asks once a minute, by the real clock, on which this test ends long before."""

    def handle(ctx: Context, task: Task) -> None:
        raise AssertionError("nothing is left to run")

    task_id = memory_ground.enqueue()
    dying = memory_ground.broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "dying")
    assert isinstance(dying, JournalIntake)
    (lease,) = dying.take(10)
    lease.has_started = True
    dying.extend([lease])
    config = Config(concurrency=1, retry_delay_func=lambda retried, err, task: 3600)
    server = Server(memory_ground.broker, config, clock=clock)
    server.start(handle)
    try:
        dying.abandon()
        pass_time(clock, LEASE_S - 1, server, step_s=1)
        assert memory_ground.state(task_id) is TaskState.ACTIVE
        clock.advance_s(2)

        memory_ground.wait_for_state(task_id, TaskState.RETRY)
    finally:
        server.shutdown()

    assert memory_ground.message(task_id).error_msg == "asynq: task lease expired"
