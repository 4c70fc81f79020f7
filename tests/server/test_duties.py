"""Does each background duty do its work once when it is told to, on a clock that the test moves?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
import redis

from asynq_compat.config import Config
from asynq_compat.connect import open_broker
from asynq_compat.context import Context
from asynq_compat.engine.duties.forwarder import Forwarder
from asynq_compat.engine.duties.janitor import Janitor
from asynq_compat.engine.duties.recoverer import Recoverer
from asynq_compat.engine.failures import Failures
from asynq_compat.errors import LeaseExpiredError
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.rules.task_state import TaskState
from asynq_compat.server import Server
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.server.ground import PATIENCE_S, Ground, wait_until

LOG = logging.getLogger("test.duties")
QUEUES = ("default",)
pytestmark = pytest.mark.redis


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def redis_ground(redis_url: str, clock: VirtualClock) -> Iterator[Ground]:
    broker = open_broker(redis_url, clock=clock)
    yield Ground(broker, redis_url)
    broker.close()


def take(redis_ground: Ground) -> None:
    """Take all tasks as a worker that dies at once."""
    intake = redis_ground.broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 10, "gone")
    assert intake.take(1.0)
    intake.close()


def recovering(redis_ground: Ground, config: Config) -> Recoverer:
    """Return a recoverer that nobody has started."""
    broker = redis_ground.broker
    return Recoverer(broker.maintaining, QUEUES, Failures(config, LOG), broker.recovery_interval_s, LOG)


def test_the_recoverer_retries_or_archives_as_the_users_functions_say(
    redis_ground: Ground, clock: VirtualClock
) -> None:
    asked: list[object] = []

    def delay(retried: int, error: BaseException, task: Task) -> float:
        asked.append((retried, type(error), task.type))
        raise RuntimeError("broken: Asynq's default stands in")

    fresh = redis_ground.enqueue("fresh", retried=1)
    exhausted = redis_ground.enqueue("exhausted", retry=2, retried=2)
    take(redis_ground)
    recoverer = recovering(redis_ground, Config(retry_delay_func=delay))

    recoverer.run_once()
    assert redis_ground.state(fresh) is TaskState.ACTIVE
    clock.advance_s(61)
    assert recoverer.run_once() == 60

    assert (redis_ground.state(fresh), redis_ground.state(exhausted)) == (TaskState.RETRY, TaskState.ARCHIVED)
    assert asked == [(1, LeaseExpiredError, "fresh")]
    assert redis_ground.message(fresh).retried == 2
    assert {redis_ground.message(task_id).error_msg for task_id in (fresh, exhausted)} == {"asynq: task lease expired"}


def test_a_message_nobody_can_read_stops_no_recovery(
    redis_ground: Ground, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    redis_ground.broker.producing.enqueue([EnqueueRequest("default", "unreadable", b"\xff\xff")])
    readable = redis_ground.enqueue()
    take(redis_ground)
    clock.advance_s(61)

    recoverer = recovering(redis_ground, Config())
    recoverer.run_once()
    recoverer.run_once()

    assert redis_ground.state(readable) is TaskState.RETRY
    assert caplog.text.count("cannot read task id=unreadable") == 1, "an operator is told once, not at every round"


@pytest.mark.usefixtures("clock")
def test_a_message_nobody_can_read_keeps_no_slot(redis_ground: Ground) -> None:
    redis_ground.broker.producing.enqueue([EnqueueRequest("default", "unreadable", b"\xff\xff")])
    readable = redis_ground.enqueue()

    with redis_ground.serving(lambda ctx, task: None, concurrency=1):
        redis_ground.wait_for_state(readable, None)


@pytest.mark.parametrize("interval_s", [1.0, 5.0])
def test_the_forwarder_looks_just_behind_a_whole_second(
    redis_ground: Ground, clock: VirtualClock, interval_s: float
) -> None:
    def schedule(in_s: int) -> str:
        message = TaskMessage(type="t", id=f"in {in_s}", queue="default", timeout=60)
        request = EnqueueRequest("default", message.id, encode_message(message), process_at=clock.now_s() + in_s)
        redis_ground.broker.producing.enqueue([request])
        return message.id

    forwarder = Forwarder(redis_ground.broker.maintaining, QUEUES, interval_s, clock, LOG)
    soon, later = schedule(int(interval_s)), schedule(60)
    clock.advance_s(0.7)

    wait_s = forwarder.run_once()

    assert interval_s - 0.7 < wait_s < interval_s - 0.69
    assert redis_ground.state(soon) is TaskState.SCHEDULED
    clock.advance_s(wait_s)
    assert interval_s - 0.01 < forwarder.run_once() <= interval_s
    assert (redis_ground.state(soon), redis_ground.state(later)) == (TaskState.PENDING, TaskState.SCHEDULED)


def test_the_janitor_deletes_what_has_expired(redis_ground: Ground, clock: VirtualClock) -> None:
    kept_shortly = redis_ground.enqueue(retention=10)
    kept_long = redis_ground.enqueue(retention=100)
    intake = redis_ground.broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 10, "server")
    leases = intake.take(1.0)
    intake.settle([Settlement(lease, SettleKind.COMPLETE) for lease in leases], len(leases))
    intake.close()
    clock.advance_s(11)

    assert Janitor(redis_ground.broker.maintaining, QUEUES, 8.0, 100, LOG).run_once() == 8.0

    assert (redis_ground.state(kept_shortly), redis_ground.state(kept_long)) == (None, TaskState.COMPLETED)


def test_a_lost_lease_ends_the_run_and_writes_nothing(redis_ground: Ground, clock: VirtualClock) -> None:
    """Noticed at the next heartbeat; the error handler is told, the recoverer will write."""
    told: list[tuple[str, bool]] = []
    started, reason_seen = threading.Event(), threading.Event()
    reasons: list[BaseException | None] = []

    def handle(ctx: Context, task: Task) -> None:
        started.set()
        ctx.wait(PATIENCE_S)
        reasons.append(ctx.reason)
        reason_seen.set()

    def tell(ctx: Context, task: Task, error: BaseException) -> None:
        told.append((str(error), ctx.cancelled()))

    task_id = redis_ground.enqueue(timeout=3600)
    server = Server(redis_ground.broker, Config(concurrency=1, error_handler=tell), clock=clock)
    server.start(handle)
    assert started.wait(PATIENCE_S)

    clock.advance_s(31)

    assert reason_seen.wait(PATIENCE_S)
    server.shutdown()
    assert [type(reason) for reason in reasons] == [LeaseExpiredError]
    assert told == [("asynq: task lease expired", True)]
    assert redis_ground.state(task_id) is TaskState.ACTIVE
    assert redis_ground.message(task_id).error_msg == ""


def test_the_lease_of_a_running_task_is_kept(redis_ground: Ground, clock: VirtualClock) -> None:
    started, release = threading.Event(), threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        started.set()
        release.wait(PATIENCE_S)

    with redis_ground.serving(handle) as server:
        task_id = redis_ground.enqueue(retention=60)
        assert started.wait(PATIENCE_S)
        assert server._engine is not None
        for _ in range(3):
            clock.advance_s(20)
            server._engine._heartbeater.run_once()
        release.set()

        redis_ground.wait_for_state(task_id, TaskState.COMPLETED)


def test_a_server_is_known_with_its_workers_while_it_runs_and_forgotten_when_it_stops(redis_ground: Ground) -> None:
    started, release = threading.Event(), threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        started.set()
        release.wait(PATIENCE_S)

    with redis.Redis.from_url(redis_ground.url) as raw:

        def published() -> list[bytes]:
            return sorted(raw.keys("asynq:servers:*") + raw.keys("asynq:workers:*"))

        def has_told_of_both() -> bool:
            assert server._engine is not None
            server._engine._heartbeater.run_once()  # The thread's own first beat may come behind it, without a worker.
            return len(published()) == 2

        with redis_ground.serving(handle) as server:
            task_id = redis_ground.enqueue()
            assert started.wait(PATIENCE_S)
            wait_until(has_told_of_both, lambda: f"{published()} is published")
            of_server, of_workers = published()
            assert raw.zrange("asynq:servers", 0, -1) == [of_server]
            assert list(raw.hgetall(of_workers)) == [task_id.encode()]
            release.set()

        assert published() == []
        assert raw.zcard("asynq:servers") == raw.zcard("asynq:workers") == 0
