"""Does everybody hear how long the queues are, and from one server only?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.consuming import JournalConsuming
from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.publishing import REPEAT_S, Publisher
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.machine.control.published import PublishedCounts
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, QueueOrder
from asynq_compat.testing.clock import VirtualClock
from tests.unit.brokers.journal.workplace import enqueue, memory_broker, settle, take, wait_until


class Process:
    """A server in one queue, whose publisher looks when the test says so."""

    def __init__(self, place: str, clock: VirtualClock) -> None:
        self.partitions = Partitions(MemoryJournalStore(place, now_ms=clock.now_ms), clock, idle_s=0.01, folds=True)
        self.consuming = JournalConsuming(self.partitions, idle_s=0.01)
        self.publisher = Publisher(self._served, lambda: self.partitions.control, clock.monotonic_s)

    def _served(self) -> list[Partition]:
        return [one for one in self.partitions.followed() if isinstance(one, Partition)]

    def serve(self, capacity: int = 4, queue: str = "default") -> Intake:
        return self.consuming.open_intake(QueueOrder(weights={queue: 1}), capacity, uuid.uuid4().hex)

    def told_bytes(self) -> int:
        """How much the publisher has written."""
        self.publisher.run_once()
        ticket = self.publisher._ticket
        if ticket is None:
            return 0
        self.partitions.control.writer.wait(ticket, timeout_s=60.0)
        return ticket.size_bytes

    def heard(self) -> list[PublishedCounts]:
        control = self.partitions.control
        control.replica.sync(timeout_s=60.0)
        with control.replica.lock:
            return control.replica.fold.counts()

    def close(self) -> None:
        self.consuming.close()
        self.partitions.close()


@pytest.fixture
def place() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def client(place: str, clock: VirtualClock) -> Iterator[Broker]:
    broker = memory_broker(place, clock=clock)
    yield broker
    broker.close()


@pytest.fixture
def first(place: str, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    monkeypatch.setattr(Publisher, "start", lambda _: None)  # The tests look themselves.
    process = Process(place, clock)
    yield process
    process.close()


@pytest.fixture
def second(place: str, clock: VirtualClock, first: Process) -> Iterator[Process]:
    process = Process(place, clock)
    yield process
    process.close()


def synced(process: Process) -> None:
    """It knows all that was said, also that a queue was announced: otherwise it announces it once more."""
    for one in process._served():
        one.replica.sync(timeout_s=60.0)
    if process.partitions.control.has_replica:
        process.partitions.control.replica.sync(timeout_s=60.0)


def test_counts_are_told_with_their_place_and_time(first: Process, client: Broker, clock: VirtualClock) -> None:
    intake = first.serve(capacity=4)
    enqueue(client, 10)
    take(intake, 4)
    clock.advance_s(3)
    synced(first)
    replica = first.partitions.queue("default").partitions[0].replica
    before = replica.fold.position
    first.told_bytes()

    (one,) = first.heard()
    counts = one.by_name()
    assert (one.queue, one.partition, one.is_paused, one.told_ms) == ("default", 0, False, clock.now_ms())
    assert (counts["pending"], counts["active"], counts["credit"], counts["sessions"]) == (6, 4, 0, 1)
    assert one.oldest_pending_since_ms == clock.now_ms() - 3_000
    assert before <= one.position <= replica.fold.position  # The server may say something meanwhile.


def test_what_has_not_changed_is_told_again_only_after_half_a_minute(
    first: Process, client: Broker, clock: VirtualClock
) -> None:
    intake = first.serve()
    enqueue(client, 10)
    leases = take(intake, 4)
    assert first.told_bytes() > 0
    clock.advance_s(REPEAT_S / 2)
    intake.extend(leases)  # Moves position and clock, and nothing else.
    synced(first)
    assert first.told_bytes() == 0
    clock.advance_s(REPEAT_S / 2)
    assert first.told_bytes() > 0

    settle(intake, leases)
    synced(first)
    assert first.told_bytes() > 0


def test_one_server_speaks_for_a_queue_and_the_next_one_when_it_has_gone(
    first: Process, second: Process, client: Broker
) -> None:
    elder, _ = first.serve(), second.serve()
    enqueue(client, 1)
    synced(second)
    assert (first.told_bytes() > 0, second.told_bytes()) == (True, 0)

    elder.close()
    synced(second)
    assert second.told_bytes() > 0
    assert second.heard()[0].by_name()["sessions"] == 1


def test_a_queue_whose_servers_are_all_busy_elsewhere_is_counted_too(first: Process, client: Broker) -> None:
    order = QueueOrder(weights={"busy": 1, "waiting": 1})
    intake = first.consuming.open_intake(order, 2, "server")
    enqueue(client, 2, "busy")
    take(intake, 2)
    enqueue(client, 5, "waiting")
    waiting = first.partitions.queue("waiting").partitions[0]
    wait_until(lambda: waiting.rank() is None, "the session in the other queue sleeps")
    synced(first)
    first.told_bytes()

    told = {one.queue: one.by_name() for one in first.heard()}
    assert (told["waiting"]["pending"], told["busy"]["active"]) == (5, 2)


def test_all_queues_of_a_process_go_into_one_frame(first: Process, client: Broker) -> None:
    first.consuming.open_intake(QueueOrder(weights=dict.fromkeys([f"q{n:02}" for n in range(30)], 1)), 10, "server")
    end = first.partitions.control.journal.end()
    first.told_bytes()

    assert len(first.heard()) == 30
    assert first.partitions.control.journal.end() == end + 1


def test_who_leaves_tells_what_it_leaves_behind(place: str, clock: VirtualClock, client: Broker) -> None:
    process = Process(place, clock)
    intake = process.serve()
    enqueue(client, 3)
    wait_until(lambda: [one.by_name()["sessions"] for one in process.heard()] == [1], "the server has told its queue")
    settle(intake, take(intake, 3))
    process.close()

    after = Process(place, clock)
    (one,) = after.heard()
    assert (one.by_name()["processed"], one.by_name()["pending"], one.by_name()["sessions"]) == (3, 0, 0)
    after.close()


def test_the_last_who_leaves_tells_it_also_of_what_another_spoke_for(
    first: Process, second: Process, client: Broker
) -> None:
    """Both end at about the same time: the one that spoke for the queue is gone before the other has looked again."""
    spoke, other = first.serve(), second.serve()
    synced(second)
    assert first.told_bytes() > 0
    spoke.close()
    first.publisher.run_once(is_last=True)
    enqueue(client, 5)
    other.close()
    wait_until(lambda: not second._served()[0].replica.fold.sessions(), "both have left")

    second.publisher.run_once(is_last=True)
    ticket = second.publisher._ticket
    assert ticket is not None
    second.partitions.control.writer.wait(ticket, timeout_s=60.0)

    (one,) = second.heard()
    assert (one.by_name()["pending"], one.by_name()["sessions"]) == (5, 0)


def test_after_a_failure_everything_is_told_anew(first: Process, client: Broker) -> None:
    first.serve()
    enqueue(client, 1)
    first.told_bytes()
    ticket = first.publisher._ticket
    assert ticket is not None
    ticket.error = BrokerUnavailableError("no answer")

    assert first.told_bytes() > 0


def test_whoever_looks_hears_of_queues_that_it_does_not_follow(
    first: Process, client: Broker, clock: VirtualClock, place: str
) -> None:
    first.serve(capacity=2)
    enqueue(client, 5)
    enqueue(client, 1, "unserved")
    synced(first)
    first.told_bytes()
    clock.advance_s(7)
    looking = memory_broker(place, clock=clock)
    assert looking.history is not None

    served, unserved = looking.history.queues()

    assert (served.queue, served.partition_count, served.counts["pending"], served.is_paused) == (
        "default",
        1,
        3,
        False,
    )
    assert served.age is not None
    assert (served.age.total_seconds(), [one.partition for one in served.partitions]) == (7, [0])
    assert (unserved.queue, unserved.age, unserved.counts, unserved.partitions) == ("unserved", None, {}, [])
    looking.close()


def test_a_place_without_queues_has_none_and_stays_as_it_is() -> None:
    store = MemoryJournalStore(uuid.uuid4().hex)
    broker = open_journal(store)
    assert broker.history is not None

    assert broker.history.queues() == []
    assert store.names() == []
    broker.close()


def test_a_queue_that_was_removed_is_known_again_once_somebody_has_put_a_task_into_it(
    first: Process, client: Broker, place: str, clock: VirtualClock
) -> None:
    """By a client that did not hear of it."""
    first.serve(capacity=0)
    enqueue(client, 1)
    first.told_bytes()
    operator = memory_broker(place, clock=clock)
    assert operator.administering.remove_queue("default", force=True) is AdminOutcome.OK
    assert list(operator.inspecting.queues()) == []

    enqueue(client, 1)
    assert list(operator.inspecting.queues()) == []
    synced(first)
    first.heard()
    first.told_bytes()

    assert list(operator.inspecting.queues()) == ["default"]
    stats = operator.inspecting.queue_stats("default")
    assert stats is not None
    assert stats.pending == 1
    operator.close()


def test_an_empty_queue_that_was_removed_stays_away(
    first: Process, client: Broker, place: str, clock: VirtualClock
) -> None:
    first.serve(capacity=0)
    enqueue(client, 1)
    operator = memory_broker(place, clock=clock)
    operator.administering.remove_queue("default", force=True)
    synced(first)
    first.heard()
    clock.advance_s(REPEAT_S)
    first.told_bytes()

    assert list(operator.inspecting.queues()) == []
    operator.close()
