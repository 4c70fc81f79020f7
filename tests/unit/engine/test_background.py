"""Do the duties that take, start, publish and listen keep their word when a broker fails them?"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest

from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.engine.duties.subscriber import Subscriber
from asynq_compat.engine.processor import Processor
from asynq_compat.engine.runner import Runner
from asynq_compat.engine.settler import Settler
from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Ended, Intake, Lease, QueueOrder, SettleOutcome
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.ports.signalling import CancelationFeed, Signalling
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.services.waiting import wait_until

LOG = logging.getLogger("test.background")
ORDER = QueueOrder(weights={"default": 1})


class BreakingIntake:
    """A real intake that fails with `failure` while `is_away`; it counts the slots that it is told of."""

    def __init__(self, inner: Intake) -> None:
        self.extend, self.write_result, self.turn_over = inner.extend, inner.write_result, inner.turn_over
        self.stop, self.close = inner.stop, inner.close
        self._inner = inner
        self.is_away = False
        self.failure: AsynqError = BrokerUnavailableError("gone")
        self.freed = 0

    def take(self, wait_s: float) -> Sequence[Lease]:
        if self.is_away:
            raise self.failure
        return self._inner.take(wait_s)

    def settle(self, settlements: Sequence[Ended], slots_freed: int) -> Sequence[SettleOutcome]:
        self.freed += slots_freed
        return self._inner.settle(settlements, slots_freed)


class Bench:
    """What runs tasks, over a broker in memory, with no thread that takes or settles."""

    def __init__(self, broker: Broker, clock: VirtualClock) -> None:
        self.broker = broker
        self.intake = BreakingIntake(broker.consuming.open_intake(ORDER, 4, "s"))
        self.settler = Settler(self.intake, LOG, 10)
        self.ran: list[str] = []
        self.runner = Runner(self._handle, Config(concurrency=4), self.intake, self.settler, clock, LOG)
        self.processor = Processor(self.intake, self.runner, LOG)

    def _handle(self, ctx: Context, task: Task) -> None:
        self.ran.append(task.type)

    def enqueue_unreadable(self, task_id: str) -> None:
        self.broker.producing.enqueue([EnqueueRequest("default", task_id, b"\xff\xff")])

    def enqueue(self, type_name: str) -> None:
        message = TaskMessage(type=type_name, id=str(uuid.uuid4()), queue="default", retry=25, timeout=1800)
        self.broker.producing.enqueue([EnqueueRequest("default", message.id, encode_message(message))])

    def close(self) -> None:
        self.runner.stop_threads()
        self.intake.close()


@pytest.fixture
def bench(broker: Broker, clock: VirtualClock) -> Iterator[Bench]:
    bench = Bench(broker, clock)
    bench.runner.start_threads()
    yield bench
    bench.close()


def test_a_broker_that_is_away_is_asked_less_and_less_often_and_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.intake.is_away = True

    waits_s = [bench.processor.run_once() for _ in range(8)]

    assert waits_s == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    assert caplog.messages == ["Dequeue error: gone"]


def test_what_is_broken_in_a_queue_is_told_in_one_line_each_time_and_asked_for_less_often(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.intake.is_away, bench.intake.failure = True, CorruptDataError("key K holds no list")

    assert [bench.processor.run_once() for _ in range(3)] == [0.1, 0.2, 0.4]
    assert caplog.messages == ["Dequeue error: key K holds no list"] * 3
    assert [record.exc_info for record in caplog.records] == [None] * 3


def test_when_it_is_back_tasks_run_at_once_and_the_next_outage_begins_anew(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.enqueue("t")
    bench.intake.is_away = True
    for _ in range(4):
        bench.processor.run_once()
    bench.intake.is_away = False

    def has_run() -> bool:
        assert bench.processor.run_once() == 0.0
        return bench.ran == ["t"]

    wait_until(has_run, "the task has run")
    caplog.clear()
    bench.intake.is_away = True

    assert bench.processor.run_once() == 0.1
    assert caplog.messages == ["Dequeue error: gone"]


def test_what_cannot_be_read_is_told_and_keeps_neither_others_nor_a_slot(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.enqueue("before")
    bench.enqueue_unreadable("torn")
    bench.enqueue("behind")
    leases = list[Lease]()

    def have_come() -> bool:
        leases.extend(bench.intake.take(1.0))
        return len(leases) == 3

    wait_until(have_come, "the tasks are taken")
    bench.runner.start(leases)
    wait_until(lambda: bench.ran == ["before", "behind"], "the others have run")

    def are_settled() -> bool:
        bench.settler.run_once()
        queue = bench.broker.inspecting.queue_stats("default")
        return queue is not None and (queue.active, queue.processed) == (1, 2)

    wait_until(are_settled, "the others are settled")
    assert [one for one in caplog.messages if "Cannot read task id=torn" in one]
    for _ in range(4):
        bench.enqueue("later")
    more = list[Lease]()

    def fill_the_slots() -> bool:
        more.extend(bench.intake.take(1.0))
        return len(more) == 4

    wait_until(fill_the_slots, "there is a task for each slot")


def test_a_task_whose_lease_is_over_before_it_starts_is_not_run_and_keeps_no_slot(
    bench: Bench, clock: VirtualClock
) -> None:
    """The process slept in between: somebody else may have the task."""
    bench.enqueue("slept over")
    leases = bench.intake.take(60)
    assert len(leases) == 1
    clock.advance_s(31)

    bench.runner.start(leases)
    bench.settler.run_once()

    assert bench.intake.freed == 1
    bench.runner.stop_threads()
    assert bench.ran == []


class BreakingSignalling:
    """Real signalling whose first feed breaks when it is asked; it keeps what was subscribed."""

    def __init__(self, inner: Signalling) -> None:
        self.publish_cancelation = inner.publish_cancelation
        self._inner = inner
        self.feeds: list[BreakingFeed] = []

    def subscribe_cancelations(self) -> CancelationFeed:
        self.feeds.append(BreakingFeed(self._inner.subscribe_cancelations(), is_broken=not self.feeds))
        return self.feeds[-1]


class BreakingFeed:
    """A real feed, broken or not; it knows whether it was closed."""

    def __init__(self, inner: CancelationFeed, *, is_broken: bool) -> None:
        self._inner = inner
        self._is_broken = is_broken
        self.is_closed = False

    def next(self, wait_s: float) -> Sequence[str]:
        if self._is_broken:
            raise BrokerUnavailableError("broken")
        return self._inner.next(wait_s)

    def close(self) -> None:
        self.is_closed = True
        self._inner.close()


def test_a_broken_subscription_is_closed_and_made_anew(broker: Broker) -> None:
    signalling, cancelled = BreakingSignalling(broker.signalling), list[str]()
    subscriber = Subscriber(signalling, cancelled.append, LOG)

    assert subscriber.run_once() == 5.0
    assert [feed.is_closed for feed in signalling.feeds] == [True]
    publishing = threading.Thread(target=lambda: _publish_until(broker, "id", lambda: bool(cancelled)))
    publishing.start()
    wait_until(lambda: subscriber.run_once() == 0.0 and cancelled, "the cancellation is heard")
    publishing.join()

    assert set(cancelled) == {"id"}
    assert len(signalling.feeds) == 2
    subscriber.finish()
    assert signalling.feeds[1].is_closed


def _publish_until(broker: Broker, task_id: str, is_heard: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not is_heard():
        broker.signalling.publish_cancelation(task_id)
        pause.wait(0.05)
