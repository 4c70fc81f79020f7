"""Does a task get from a client to a worker and out again over a journal in memory?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.errors import PayloadTooLargeError
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.producing import EnqueueStatus
from tests.unit.brokers.journal.workplace import enqueue, memory_broker, open_intake, request, settle, take


@pytest.fixture
def broker() -> Iterator[Broker]:
    opened = memory_broker()
    yield opened
    opened.close()


def test_tasks_are_taken_in_order_and_settled(broker: Broker) -> None:
    ids = enqueue(broker, 25)
    intake = open_intake(broker, capacity=10)

    taken: list[str] = []
    while len(taken) < 25:
        leases = take(intake, 1)
        taken += [lease.task_id for lease in leases]
        assert settle(intake, leases) == {SettleOutcome.SETTLED}

    assert taken == ids
    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert (stats.pending, stats.active, stats.processed_total) == (0, 0, 25)
    intake.close()


def test_no_more_is_given_out_than_there_are_free_slots(broker: Broker) -> None:
    enqueue(broker, 10)
    intake = open_intake(broker, capacity=3)

    leases = take(intake, 3)

    assert len(leases) == 3
    assert not intake.take(0.05)
    intake.close()


def test_what_was_not_started_keeps_its_turn_when_a_server_leaves(broker: Broker) -> None:
    ids = enqueue(broker, 4)
    first = open_intake(broker, capacity=2)
    started, unstarted = first.take(60.0)
    started.has_started = True

    settle(first, [started])
    settle(first, [unstarted], SettleKind.REQUEUE)
    first.stop()
    first.close()
    second = open_intake(broker, capacity=4)

    assert [lease.task_id for lease in take(second, 3)] == ids[1:]
    second.close()


def test_a_chosen_id_and_a_lock_say_no(broker: Broker) -> None:
    first = broker.producing.enqueue([request(task_id="a"), request(unique_key="asynq:{default}:unique:job:")])
    second = broker.producing.enqueue(
        [request(task_id="a"), request(unique_key="asynq:{default}:unique:job:"), request()]
    )

    assert list(first) == [EnqueueStatus.ENQUEUED, EnqueueStatus.ENQUEUED]
    assert list(second) == [EnqueueStatus.ID_CONFLICT, EnqueueStatus.DUPLICATE, EnqueueStatus.ENQUEUED]


def test_what_cannot_be_stored_says_why_and_holds_nothing_else_up(broker: Broker) -> None:
    large, plain = broker.producing.enqueue([request(payload=bytes(17 * 1024 * 1024)), request()])

    assert isinstance(large, PayloadTooLargeError)
    assert str(large.size_bytes) in str(large)
    assert str(large.size_bytes_max) in str(large)
    assert plain is EnqueueStatus.ENQUEUED


def test_a_result_and_a_payload_that_are_too_large_are_named(broker: Broker) -> None:
    """And the task can go on."""
    large = b"x" * 20_000_000
    enqueue(broker, 1)
    intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
    (lease,) = intake.take(5.0)

    with pytest.raises(PayloadTooLargeError, match="the result is 20000000 bytes, a journal takes up to"):
        intake.write_result(lease, large)
    assert intake.write_result(lease, b"small") == 5
    with pytest.raises(PayloadTooLargeError, match="the payload is 20000000 bytes"):
        broker.administering.update_payload("default", lease.task_id, large)
    intake.close()


def test_a_queue_is_known_from_its_first_task_on(broker: Broker) -> None:
    assert broker.inspecting.queue_stats("default") is None

    enqueue(broker, 1)

    assert list(broker.inspecting.queues()) == ["default"]


def test_a_cancellation_reaches_every_feed(broker: Broker) -> None:
    with_past = broker.signalling.subscribe_cancelations()
    broker.signalling.publish_cancelation("a")
    later = broker.signalling.subscribe_cancelations()
    broker.signalling.publish_cancelation("b")

    seen: list[str] = []
    while len(seen) < 2:
        seen += with_past.next(5.0)
    assert seen == ["a", "b"]
    assert list(later.next(60.0)) == ["b"]
    with_past.close()
    assert not with_past.next(5.0)


def test_a_slot_freed_early_is_given_out_before_its_settling(broker: Broker) -> None:
    ids = enqueue(broker, 2)
    intake = open_intake(broker, capacity=1)
    first = take(intake, 1)

    second = list(intake.turn_over(1) or ()) or take(intake, 1)

    assert [lease.task_id for lease in first + second] == ids
    assert set(intake.settle([Settlement(one, SettleKind.DONE) for one in first + second], 1)) == {
        SettleOutcome.SETTLED
    }
    assert not intake.take(0.01)
    intake.close()


@pytest.mark.parametrize(
    ("slots", "is_strict", "fetches_ahead"), [(1, False, False), (10, True, False), (10, False, True)]
)
def test_nothing_is_fetched_ahead_where_it_would_show(
    broker: Broker, slots: int, *, is_strict: bool, fetches_ahead: bool
) -> None:
    """With one slot and with strict priorities the order is exact, however quick the handlers."""
    order = QueueOrder(weights={"default": 1}, strict=is_strict)
    intake = broker.consuming.open_intake(order, slots, "server")
    assert isinstance(intake, JournalIntake)
    pace = intake._membership.pace

    began_s = pace._span_began_s
    for number in range(1, 100):
        pace.freed(10, 0, began_s + number * 0.01)

    assert (pace.window > 0) is fetches_ahead
