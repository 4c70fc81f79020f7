"""Does each background duty do its work once when it is told to, on a clock that the test moves?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from asynq_compat.config import Config
from asynq_compat.connect import open_broker
from asynq_compat.context import Context
from asynq_compat.engine.failures import Failures
from asynq_compat.engine.forwarder import Forwarder
from asynq_compat.engine.janitor import Janitor
from asynq_compat.engine.recoverer import Recoverer
from asynq_compat.errors import LeaseExpiredError
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.rules.task_state import TaskState
from asynq_compat.server import Server
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.server.ground import Ground

LOG = logging.getLogger("test.duties")
QUEUES = ("default",)
pytestmark = pytest.mark.redis


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def ground(redis_url: str, clock: VirtualClock) -> Iterator[Ground]:
    broker = open_broker(redis_url, clock=clock)
    yield Ground(broker, redis_url)
    broker.close()


def take(ground: Ground) -> None:
    """Take all tasks as a worker that dies at once."""
    intake = ground.broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 10, "gone")
    assert intake.take(1.0)
    intake.close()


def test_the_recoverer_retries_or_archives_as_the_users_functions_say(ground: Ground, clock: VirtualClock) -> None:
    asked: list[object] = []

    def delay(retried: int, error: BaseException, task: Task) -> float:
        asked.append((retried, type(error), task.type))
        raise RuntimeError("broken: Asynq's default stands in")

    fresh = ground.enqueue("fresh", retried=1)
    exhausted = ground.enqueue("exhausted", retry=2, retried=2)
    take(ground)
    recoverer = Recoverer(ground.broker.maintaining, QUEUES, Failures(Config(retry_delay_func=delay), LOG), LOG)

    recoverer.run_once()
    assert ground.state(fresh) is TaskState.ACTIVE
    clock.advance_s(61)
    assert recoverer.run_once() == 60

    assert (ground.state(fresh), ground.state(exhausted)) == (TaskState.RETRY, TaskState.ARCHIVED)
    assert asked == [(1, LeaseExpiredError, "fresh")]
    assert ground.message(fresh).retried == 2
    assert {ground.message(task_id).error_msg for task_id in (fresh, exhausted)} == {"asynq: task lease expired"}


def test_a_message_nobody_can_read_stops_no_recovery(
    ground: Ground, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    ground.broker.producing.enqueue([EnqueueRequest("default", "unreadable", b"\xff\xff")])
    readable = ground.enqueue()
    take(ground)
    clock.advance_s(61)

    Recoverer(ground.broker.maintaining, QUEUES, Failures(Config(), LOG), LOG).run_once()

    assert ground.state(readable) is TaskState.RETRY
    assert "cannot read task id=unreadable" in caplog.text


@pytest.mark.usefixtures("clock")
def test_a_message_nobody_can_read_keeps_no_slot(ground: Ground) -> None:
    ground.broker.producing.enqueue([EnqueueRequest("default", "unreadable", b"\xff\xff")])
    readable = ground.enqueue()

    with ground.serving(lambda ctx, task: None, concurrency=1):
        ground.wait_for_state(readable, None)


def test_the_forwarder_sleeps_until_the_next_task_is_due(ground: Ground, clock: VirtualClock) -> None:
    def schedule(in_s: int) -> str:
        message = TaskMessage(type="t", id=f"in {in_s}", queue="default", timeout=60)
        request = EnqueueRequest("default", message.id, encode_message(message), process_at=clock.now_s() + in_s)
        ground.broker.producing.enqueue([request])
        return message.id

    forwarder = Forwarder(ground.broker.maintaining, QUEUES, 5.0, clock, LOG)
    assert forwarder.run_once() == 5.0
    soon, later = schedule(2), schedule(60)

    wait_s = forwarder.run_once()

    assert 2.0 <= wait_s <= 2.01
    assert ground.state(soon) is TaskState.SCHEDULED
    clock.advance_s(2)
    assert forwarder.run_once() == 5.0
    assert (ground.state(soon), ground.state(later)) == (TaskState.PENDING, TaskState.SCHEDULED)


def test_the_janitor_deletes_what_has_expired(ground: Ground, clock: VirtualClock) -> None:
    kept_shortly = ground.enqueue(retention=10)
    kept_long = ground.enqueue(retention=100)
    intake = ground.broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 10, "server")
    leases = intake.take(1.0)
    intake.settle([Settlement(lease, SettleKind.COMPLETE) for lease in leases], len(leases))
    intake.close()
    clock.advance_s(11)

    assert Janitor(ground.broker.maintaining, QUEUES, 8.0, 100, LOG).run_once() == 8.0

    assert (ground.state(kept_shortly), ground.state(kept_long)) == (None, TaskState.COMPLETED)


def test_a_lost_lease_ends_the_run_and_writes_nothing(ground: Ground, clock: VirtualClock) -> None:
    """Noticed at the next heartbeat; the error handler is told, the recoverer will write."""
    told: list[tuple[str, bool]] = []
    started, reason_seen = threading.Event(), threading.Event()
    reasons: list[BaseException | None] = []

    def handle(ctx: Context, task: Task) -> None:
        started.set()
        ctx.wait(20)
        reasons.append(ctx.reason)
        reason_seen.set()

    def tell(ctx: Context, task: Task, error: BaseException) -> None:
        told.append((str(error), ctx.cancelled()))

    task_id = ground.enqueue(timeout=3600)
    server = Server(ground.broker, Config(concurrency=1, error_handler=tell), clock=clock)
    server.start(handle)
    assert started.wait(10)

    clock.advance_s(31)

    assert reason_seen.wait(10)
    server.shutdown()
    assert [type(reason) for reason in reasons] == [LeaseExpiredError]
    assert told == [("asynq: task lease expired", True)]
    assert ground.state(task_id) is TaskState.ACTIVE
    assert ground.message(task_id).error_msg == ""


def test_the_lease_of_a_running_task_is_kept(ground: Ground, clock: VirtualClock) -> None:
    started, release = threading.Event(), threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        started.set()
        release.wait(20)

    with ground.serving(handle) as server:
        task_id = ground.enqueue(retention=60)
        assert started.wait(10)
        assert server._engine is not None
        for _ in range(3):
            clock.advance_s(20)
            server._engine._heartbeater.run_once()
        release.set()

        ground.wait_for_state(task_id, TaskState.COMPLETED)
