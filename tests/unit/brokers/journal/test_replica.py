"""Does a replica follow its journal, and notice when it is not the journal that it was?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.brokers.journal.writing.framing import Awaited, Framing
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import BrokerUnavailableError, NewerReleaseError
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.wire import command
from asynq_compat.wire.command import TRAIL_BYTES
from asynq_compat.wire.frame import encode_frame
from tests.unit.brokers.journal.faulty import FaultyStore
from tests.unit.brokers.journal.workplace import enqueue, open_intake, settle, take, wait_until

_NAME = queue_journal_name("default")


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryJournalStore(uuid.uuid4().hex))


@pytest.fixture
def broker(store: FaultyStore) -> Iterator[Broker]:
    opened = open_journal(store)
    yield opened
    opened.close()


def pending(broker: Broker) -> int:
    stats = broker.inspecting.queue_stats("default")
    return -1 if stats is None else stats.pending


def test_a_read_includes_all_that_was_acknowledged_before(store: FaultyStore, broker: Broker) -> None:
    elsewhere = open_journal(FaultyStore(store.store))

    for count in range(1, 30):
        enqueue(elsewhere)
        assert pending(broker) == count
    elsewhere.close()


def test_a_journal_that_is_another_one_after_an_outage_is_read_anew(
    store: FaultyStore, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    enqueue(broker, 3)
    intake = open_intake(broker, capacity=1)
    (held,) = take(intake, 1)
    other = FaultyStore(MemoryJournalStore(uuid.uuid4().hex))
    newer = open_journal(other)
    enqueue(newer, 40)

    store.journals[_NAME].is_unreadable = True
    store.journals[_NAME].interrupt()
    wait_until(lambda: "cannot follow" in caplog.text, "the outage to be noticed")
    store.journals[_NAME].switch_to(other.store.open(_NAME))
    store.journals[_NAME].is_unreadable = False

    wait_until(lambda: "is not the journal it was" in caplog.text, "the change to be noticed")
    wait_until(lambda: not held.term.is_valid(), "what was held to be given up")
    intake.settle([], 1)  # The handler of what was held is dropped.
    (first,) = take(intake, 1)
    assert {outcome.value for outcome in settle(intake, [first])} == {"settled"}
    stats = broker.inspecting.queue_stats("default")
    assert stats is not None
    assert stats.pending + stats.active == 39, "the next one may be given to this intake already"
    assert len(take(intake, 1)) == 1
    newer.close()


def test_a_journal_of_a_later_version_is_not_guessed_at(store: FaultyStore, broker: Broker) -> None:
    later = [command.GENESIS, bytes(16), 0, 1, 99]
    store.store.open(_NAME).append(encode_frame(bytes(16), 1, [later]))
    enqueue(broker)

    with pytest.raises(NewerReleaseError, match="upgrade this process"):
        pending(broker)


def test_a_replica_stops_for_good_where_a_later_release_has_taken_over(store: FaultyStore, broker: Broker) -> None:
    """What comes behind may mean something else: none of it is applied, and no task given out."""
    partition = Partition("default", 0, 1, store, SystemClock(), idle_s=5.0, keeping=Keeping())
    partition.commit([command.genesis(bytes(16), 0, 1)], size_bytes=64, needs_outcomes=True)
    told = [command.open_session("newer", 1, 1, 99), command.activate(99), command.enqueue(["a"], [b"m"])]
    taken_over = store.store.open(_NAME).append(encode_frame(b"newer".ljust(16), 1, told))
    for sequence in range(2, 5):
        store.store.open(_NAME).append(encode_frame(b"newer".ljust(16), sequence, [command.pause()]))

    with pytest.raises(
        NewerReleaseError, match=f"position {taken_over} on .* machine version 99, .* upgrade this process"
    ):
        partition.replica.sync(timeout_s=30.0)
    wait_until(lambda: not partition.replica._thread.is_alive(), "the replica's thread to end")
    assert partition.replica.fold.position == taken_over
    with pytest.raises(NewerReleaseError):
        partition.replica.sync(timeout_s=30.0)
    partition.close()


def test_a_silent_journal_is_told_within_the_timeout(store: FaultyStore) -> None:
    partition = Partition("default", 0, 1, store, SystemClock(), idle_s=5.0, keeping=Keeping())
    store.journals[_NAME].is_unreadable = True
    partition.commit([command.tick()], size_bytes=8, needs_outcomes=False)

    with pytest.raises(BrokerUnavailableError, match="unreadable by the test"):
        partition.replica.sync(timeout_s=0.2)
    partition.close()


def test_a_marker_of_what_the_journal_has_lost_stops_nobody(store: FaultyStore, broker: Broker) -> None:
    """Its keeper had read entries that are gone: every replica folds anew once, to no avail, and goes on."""
    journal = store.store.open(_NAME)
    enqueue(broker, 3)
    wrong = command.checkpointed(journal.end() - 1, bytes(32), 0, bytes(TRAIL_BYTES))
    journal.append(encode_frame(b"w" * 16, 1, [wrong]))
    enqueue(broker)

    assert pending(broker) == 4
    intake = open_intake(broker, capacity=1)
    assert {outcome.value for outcome in settle(intake, take(intake, 1))} == {"settled"}


def test_a_frame_that_the_journal_lost_before_it_was_read_is_given_up() -> None:
    """Whoever waits for it would wait for ever: a session that is being opened, credit on its way."""
    clock = SystemClock()
    framing, awaited = Framing(clock), Awaited()
    frame = framing.make([Ticket([command.tick()], needs_outcomes=True)], [command.tick()], is_blind=False)
    awaited.add(frame)

    assert not awaited.is_missing(100), "nobody has said yet where it stands"
    frame.mark_appended(7)
    assert awaited.position == 7
    assert not awaited.is_missing(6)
    assert awaited.is_missing(7)
    awaited.take((frame.writer_id, frame.sequence), 1)
    assert not awaited.is_missing(7)


def test_a_frame_that_waits_for_a_reply_may_stand_before_what_is_read() -> None:
    framing, awaited = Framing(SystemClock()), Awaited()
    frame = framing.make([Ticket([command.tick()], asks=True)], [command.tick()], is_blind=False)
    awaited.add(frame)
    frame.mark_appended(7)

    assert not awaited.is_missing(9)


def test_a_server_whose_opening_was_lost_with_the_end_of_the_log_opens_again(store: FaultyStore) -> None:
    clock = SystemClock()
    partition = Partition("default", 0, 1, store, clock, idle_s=0.05, keeping=Keeping())
    partition.replica.sync(timeout_s=5)
    ticket = Ticket([command.open_session("s", 1, 1)], needs_outcomes=True)
    journal = store.journals[_NAME]
    append = journal.append
    setattr(journal, "append", lambda _: 3)  # noqa: B010 - acknowledged, and lost

    partition.writer.enqueue(ticket, timeout_s=5)
    with pytest.raises(BrokerUnavailableError):
        partition.writer.wait(ticket, timeout_s=0.2)
    setattr(journal, "append", append)  # noqa: B010
    before = ticket.error
    for sequence in range(1, 6):
        append(encode_frame(b"w" * 16, sequence, [command.tick()]))

    wait_until(
        lambda: not partition.writer.awaited.asking() and partition.writer.awaited.position is None, "it to be given up"
    )
    assert before is not None
    again = Ticket([command.open_session("s", 1, 1)], needs_outcomes=True)
    partition.writer.commit(again, timeout_s=5)
    assert again.outcomes == [0]
    partition.close()
