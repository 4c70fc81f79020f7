"""How far is a process with the journals that it follows?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping

import pytest

from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL, queue_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.observing import JournalState
from asynq_compat.testing.clock import VirtualClock
from tests.unit.brokers.journal.faulty import FaultyStore
from tests.unit.brokers.journal.workplace import enqueue, open_intake, settle, take, wait_until

QUEUE = queue_journal_name("default")
SOON = Keeping(tail_bytes_min=2_000, stays_s=0.0, look_every_s=0.02)


def _states(broker: Broker) -> Mapping[str, JournalState]:
    assert broker.observing is not None
    return {state.journal: state for state in broker.observing.journals()}


@pytest.fixture
def broker() -> Iterator[Broker]:
    opened = open_journal(MemoryJournalStore(uuid.uuid4().hex), keeping=SOON)
    yield opened
    opened.close()


def test_what_is_not_followed_is_not_told_and_not_followed_because_of_it(broker: Broker) -> None:
    enqueue(broker, 3)

    assert _states(broker) == {}


def test_a_server_that_has_read_all_is_not_behind(broker: Broker) -> None:
    intake = open_intake(broker, 10)
    enqueue(broker, 3)
    take(intake, 3)

    wait_until(lambda: all(state.behind == 0 for state in _states(broker).values()), "the end of the journals")
    states = _states(broker)
    assert {QUEUE, CONTROL} >= states.keys() >= {QUEUE}
    assert states[QUEUE].lag_s == 0
    assert states[QUEUE].tail_bytes > 0
    assert states[QUEUE].checkpoint_age_s is None


def test_a_checkpoint_makes_the_tail_short_and_has_an_age(broker: Broker) -> None:
    intake = open_intake(broker, 30)

    def is_checkpointed() -> bool:
        enqueue(broker, 10)
        settle(intake, take(intake, 10))
        return _states(broker)[QUEUE].checkpoint_age_s is not None

    wait_until(is_checkpointed, "a checkpoint")
    age_s = _states(broker)[QUEUE].checkpoint_age_s
    assert age_s is not None
    assert 0 <= age_s < 600


def test_what_cannot_be_read_is_behind_by_what_was_written_since() -> None:
    place, now_ms = uuid.uuid4().hex, 1_700_000_000_000
    clock = VirtualClock(now_ms * 1_000_000)
    store = FaultyStore(MemoryJournalStore(place, now_ms=clock.now_ms))
    following = open_journal(store, clock=clock, idle_s=0.02)
    writing = open_journal(MemoryJournalStore(place, now_ms=clock.now_ms), clock=clock, idle_s=0.02)
    try:
        intake = open_intake(following, 1)

        def is_cut_off() -> bool:
            try:
                intake.take(0)
            except BrokerUnavailableError:
                return True
            return False

        wait_until(lambda: _states(following)[QUEUE].behind == 0, "the end of the journal")
        store.journals[QUEUE].is_unreadable = True
        store.journals[QUEUE].interrupt()
        wait_until(is_cut_off, "a read that fails")  # One may have been under way.
        clock.advance_s(100)
        for _ in range(3):
            enqueue(writing, 1)

        wait_until(lambda: _states(following)[QUEUE].behind > 0, "an end that is ahead")
        assert _states(following)[QUEUE].lag_s >= 100
        store.journals[QUEUE].is_unreadable = False
        wait_until(lambda: _states(following)[QUEUE].behind == 0, "the end of the journal")
        assert _states(following)[QUEUE].lag_s == 0
    finally:
        writing.close()
        following.close()
