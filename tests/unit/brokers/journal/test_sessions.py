"""Do servers share a queue, and is nothing lost or done twice when one of them falters?"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, SettleKind, Settlement, SettleOutcome
from asynq_compat.rules.task_state import TaskState
from asynq_compat.testing.clock import VirtualClock
from tests.unit.brokers.journal.faulty import FaultyStore
from tests.unit.brokers.journal.workplace import (
    enqueue,
    memory_broker,
    open_intake,
    request,
    settle,
    take,
    wait_until,
)

Process = Callable[[], Broker]


@pytest.fixture
def process(clock: VirtualClock) -> Iterator[Process]:
    """Open brokers that share one place but nothing else, as processes do."""
    name = uuid.uuid4().hex
    opened: list[Broker] = []

    def open_one() -> Broker:
        opened.append(memory_broker(name, clock=clock))
        return opened[-1]

    yield open_one
    for broker in opened:
        broker.close()


def pass_s(clock: VirtualClock, seconds: int, living: Intake) -> None:
    """Let time pass in steps, so that the living can renew what they hold."""
    for _ in range(0, seconds, 5):
        clock.advance_s(5)
        living.extend([])


def test_two_servers_share_a_queue_and_each_task_is_done_once(process: Process) -> None:
    first, second = process(), process()
    intakes = [open_intake(first, capacity=3), open_intake(second, capacity=3)]
    client = process()
    enqueue(client, 6)
    for intake, leases in [(intake, take(intake, 3)) for intake in intakes]:  # Both are there before the race begins.
        settle(intake, leases)
    ids = enqueue(client, 60)

    done: list[list[str]] = [[], []]
    while sum(map(len, done)) < 60:
        for number, intake in enumerate(intakes):
            leases = list(intake.take(0.05))
            for lease in leases:
                lease.has_started = True
            assert settle(intake, leases) <= {SettleOutcome.SETTLED}
            done[number] += [lease.task_id for lease in leases]

    assert sorted(done[0] + done[1]) == sorted(ids)
    assert min(map(len, done)) >= 10, "one server got nearly everything"


def test_a_crashed_servers_tasks_are_recovered_once(process: Process, clock: VirtualClock) -> None:
    crashed, survivor = process(), process()
    started, unstarted = enqueue(crashed, 2)
    victim = open_intake(crashed, capacity=2)
    leases = victim.take(60.0)
    leases[0].has_started = True
    victim.extend(leases)
    intake = open_intake(survivor, capacity=5)
    assert isinstance(victim, JournalIntake)
    victim.abandon()

    pass_s(clock, 40, intake)
    wait_until(lambda: bool(survivor.maintaining.expired_leases(["default"])), "the lost task")
    orphans = survivor.maintaining.expired_leases(["default"])

    assert [lease.task_id for lease in orphans] == [started]
    found = survivor.inspecting.task("default", started)
    assert getattr(found, "is_orphaned", False)
    lost = Settlement(orphans[0], SettleKind.RETRY, 3600.0, "lease expired")
    assert list(survivor.maintaining.settle_expired([lost])) == [SettleOutcome.SETTLED]
    assert list(survivor.maintaining.settle_expired([lost])) == [SettleOutcome.NOT_HELD]
    assert [lease.task_id for lease in take(intake, 1)] == [unstarted]


def test_a_server_that_was_stopped_beyond_its_lease_settles_nothing(process: Process, clock: VirtualClock) -> None:
    paused, other = process(), process()
    (task_id,) = enqueue(paused)
    sleeper = open_intake(paused, capacity=1)
    leases = take(sleeper, 1)
    sleeper.extend(leases)
    watcher = open_intake(other, capacity=1)
    assert isinstance(sleeper, JournalIntake)
    sleeper.abandon()

    pass_s(clock, 40, watcher)
    assert not leases[0].term.is_valid()
    outcomes = settle(sleeper, leases)

    assert outcomes == {SettleOutcome.NOT_HELD}
    found = other.inspecting.task("default", task_id)
    assert getattr(found, "state", None) is TaskState.ACTIVE
    watcher.close()


def test_a_lost_session_is_replaced_and_work_goes_on(process: Process, clock: VirtualClock) -> None:
    broker = process()
    intake = open_intake(broker, capacity=2)
    enqueue(broker, 1)
    leases = take(intake, 1)

    clock.advance_s(60)  # A suspended laptop: nobody could renew.

    assert not leases[0].term.is_valid()
    enqueue(broker, 1)
    again = take(intake, 1)
    assert again[0].term is not leases[0].term
    assert again[0].term.is_valid()
    assert settle(intake, again) == {SettleOutcome.SETTLED}


def test_a_queue_of_higher_priority_gets_more_of_the_slots(process: Process) -> None:
    broker = process()
    enqueue(broker, 400, "critical")
    enqueue(broker, 400, "low")
    intake = open_intake(broker, capacity=10, critical=3, low=1)

    counts = {"critical": 0, "low": 0}
    while sum(counts.values()) < 200:
        leases = take(intake, 1)
        for lease in leases:
            counts[lease.queue] += 1
        settle(intake, leases)

    assert counts["critical"] > counts["low"] > 10


def test_every_queue_of_several_is_served(process: Process) -> None:
    broker = process()
    intake = open_intake(broker, capacity=2, a=6, b=3, c=1)

    for queue in ("a", "b", "c", "c", "b", "a"):
        left = 5
        enqueue(broker, left, queue)
        while left:
            leases = take(intake, 1)
            assert {lease.queue for lease in leases} == {queue}
            settle(intake, leases)
            left -= len(leases)


@pytest.mark.alone
def test_a_scheduled_task_starts_on_its_second() -> None:
    broker = memory_broker()
    intake = open_intake(broker, capacity=1)
    due_at = int(time.time()) + 2
    broker.producing.enqueue([request(process_at=due_at + number) for number in range(3)])

    late_s = []
    for number in range(3):
        settle(intake, take(intake, 1))
        late_s.append(time.time() - due_at - number)

    assert 0 <= min(late_s) < 0.1, late_s  # A machine may stand still for a moment.
    broker.close()


def test_an_outage_is_told_and_overcome() -> None:
    store = FaultyStore(MemoryJournalStore(uuid.uuid4().hex))
    broker = open_journal(store)
    intake = open_intake(broker, capacity=1)
    enqueue(broker)
    leases = take(intake, 1)
    journal = store.journals[queue_journal_name("default")]

    journal.is_unreadable = True
    enqueue(broker)
    settled = Settlement(leases[0], SettleKind.DONE)

    def is_told() -> bool:
        try:
            intake.take(0.01)
        except BrokerUnavailableError:
            return True
        return False

    wait_until(is_told, "the outage to be told")
    journal.is_unreadable = False
    assert list(intake.settle([settled], 1)) == [SettleOutcome.SETTLED]
    assert len(take(intake, 1)) == 1
    broker.close()


def test_answers_that_are_lost_settle_nothing_twice() -> None:
    store = FaultyStore(MemoryJournalStore(uuid.uuid4().hex))
    broker = open_journal(store)
    enqueue(broker, 40)
    intake = open_intake(broker, capacity=4)
    journal = store.journals[queue_journal_name("default")]

    done = 0
    while done < 40:
        journal.lose = 1
        leases = take(intake, 1)
        assert settle(intake, leases) == {SettleOutcome.SETTLED}
        done += len(leases)

    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert (stats.processed_total, stats.pending, stats.active) == (40, 0, 0)
    broker.close()


def test_what_was_fetched_ahead_goes_back_when_its_queue_is_paused(process: Process) -> None:
    broker = process()
    enqueue(broker, 3)
    intake = open_intake(broker, capacity=3)
    assert isinstance(intake, JournalIntake)
    wait_until(lambda: _active(broker) == 3, "all to be assigned")

    broker.administering.pause_queue("default")

    wait_until(lambda: _active(broker) == 0, "all to be handed back")
    assert not intake.take(0.02)
    broker.administering.unpause_queue("default")
    assert len(take(intake, 3)) == 3


def _active(broker: Broker) -> int:
    stats = broker.inspecting.queue_stats("default")
    return -1 if stats is None else stats.active


def test_tasks_that_are_not_started_soon_go_to_another_server(process: Process) -> None:
    busy, idle = process(), process()
    intake = open_intake(busy, capacity=1, a=1, b=1)
    enqueue(busy, 1, "a")
    take(intake, 1)
    enqueue(busy, 1, "b")  # Credit was parked there; the slot is taken.

    other = open_intake(idle, capacity=1, b=1)

    assert len(take(other, 1)) == 1
    other.close()


@pytest.mark.parametrize("weights", [{"default": 1}, {"default": 6, "low": 1}])
def test_a_server_with_more_slots_than_a_session_may_have_credit_is_served(
    process: Process, weights: dict[str, int]
) -> None:
    broker = process()
    intake = open_intake(broker, 1_000_000, **weights)
    task_ids = enqueue(broker)

    assert [lease.task_id for lease in take(intake, 1)] == task_ids
