"""Which of several servers makes one task of a group's, and where does that task stand?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.aggregating import RANK_S
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.inspecting import Missing
from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.rules.patience import Patience
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import decode_message
from tests.services.waiting import wait_until
from tests.unit.brokers.journal.workplace import open_intake, request

PATIENCE = Patience(0, 0, 10)


@pytest.fixture
def brokers(clock: VirtualClock) -> Iterator[list[Broker]]:
    """Two processes on the same journals."""
    name = uuid.uuid4().hex
    opened = [
        open_journal(
            MemoryJournalStore(name, now_ms=lambda: clock.now_ns() // 1_000_000), clock=clock, idle_s=0.01, replica=True
        )
        for _ in range(2)
    ]
    yield opened
    for broker in opened:
        broker.close()


def sets_of(broker: Broker) -> list[AggregationSet]:
    broker.inspecting.queue_stats("default")  # Its replica has come so far.
    return [one for batch in broker.maintaining.aggregate("default", PATIENCE) for one in batch]


def test_the_keeper_comes_first_and_others_where_it_does_nothing(brokers: list[Broker], clock: VirtualClock) -> None:
    keeper, other = brokers
    keeper.producing.enqueue([request(task_id="a", group="g")])
    intakes = [open_intake(keeper), open_intake(other)]
    clock.advance_s(10)

    assert sets_of(other) == []
    clock.advance_s(RANK_S - 1)
    assert sets_of(other) == []
    clock.advance_s(1)
    assert [one.group for one in sets_of(other)] == ["g"]

    keeper.producing.enqueue([request(task_id="b", group="g")])
    clock.advance_s(10)
    made: list[AggregationSet] = []

    def has_made_one() -> bool:
        clock.advance_s(1)  # Its lease may have run out meanwhile: then the other comes first now.
        made.extend(sets_of(keeper))
        return bool(made)

    wait_until(has_made_one, "the keeper's set")
    assert [one.group for one in made] == ["g"]
    for intake in intakes:
        intake.close()


def test_of_two_that_come_at_once_one_is_first(brokers: list[Broker], clock: VirtualClock) -> None:
    one, other = brokers
    one.producing.enqueue([request(task_id="a", group="g")])
    intakes = [open_intake(one), open_intake(other)]
    clock.advance_s(30)

    made: list[AggregationSet] = []

    def is_made() -> bool:
        made.extend([*sets_of(one), *sets_of(other)])
        return bool(made)

    wait_until(is_made, "a set")
    assert len(made) == 1
    for intake in intakes:
        intake.close()


def test_a_process_that_serves_nothing_makes_no_sets(brokers: list[Broker], clock: VirtualClock) -> None:
    brokers[0].producing.enqueue([request(task_id="a", group="g")])
    clock.advance_s(30)

    assert sets_of(brokers[0]) == []


def test_the_one_task_stands_in_the_partition_of_its_set(clock: VirtualClock) -> None:
    """So that both are one command: who comes too late has stored nothing."""
    store = MemoryJournalStore(uuid.uuid4().hex, now_ms=lambda: clock.now_ns() // 1_000_000)
    broker = open_journal(store, clock=clock, idle_s=0.01, replica=True, partition_count=4)
    broker.producing.enqueue([request(task_id=f"{number}", group=f"g{number % 8}") for number in range(16)])
    intake = open_intake(broker)
    clock.advance_s(10)

    made = sets_of(broker)
    assert sorted(one.group for one in made) == [f"g{number}" for number in range(8)]
    outcomes = broker.maintaining.finish_sets([(one, request(payload=one.group.encode())) for one in made])

    assert outcomes == [EnqueueStatus.ENQUEUED] * 8
    late = [request(payload=b"late") for _ in made]
    assert broker.maintaining.finish_sets(list(zip(made, late, strict=True))) == [None] * 8
    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert (stats.size, stats.aggregating) == (8, 0)
    assert {broker.inspecting.task("default", one.task_id) for one in late} == {Missing.TASK}
    intake.close()
    broker.close()


def test_messages_are_those_that_were_stored(brokers: list[Broker], clock: VirtualClock) -> None:
    broker = brokers[0]
    broker.producing.enqueue([request(task_id=task_id, group="g", payload=task_id.encode()) for task_id in "ba"])
    intake = open_intake(broker)
    clock.advance_s(10)

    (made,) = sets_of(broker)

    assert [decode_message(message).payload for message in made.messages] == [b"a", b"b"]
    intake.close()
