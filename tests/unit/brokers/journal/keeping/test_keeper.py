"""Does a process keep the journals that it follows short, and does another find its way through what is left?"""

from __future__ import annotations

import logging
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from asynq_compat.brokers.journal.keeping.apart import checkpoint_apart
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.errors import BrokerUnavailableError, CorruptDataError
from asynq_compat.journals.journal import (
    BEFORE_THE_FIRST,
    CONTROL,
    Journal,
    JournalStore,
    queue_journal_name,
    state_journal_name,
)
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake
from asynq_compat.wire import command
from asynq_compat.wire.frame import decode_frame
from asynq_compat.wire.server_info import ServerInfo
from tests.unit.brokers.journal.faulty import FaultyStore
from tests.unit.brokers.journal.workplace import enqueue, open_intake, settle, take, wait_until

_NAME = queue_journal_name("default")
SOON = Keeping(tail_bytes_min=20_000, stays_s=0.0, look_every_s=0.02)
APART = Keeping(tail_bytes_min=20_000, stays_s=0.0, look_every_s=0.02, inline_bytes_max=0)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JournalStore]:
    opened: JournalStore
    if request.param == "memory":
        opened = MemoryJournalStore(uuid.uuid4().hex)
    else:
        opened = SqliteJournalStore(str(tmp_path / "journal.db"))
    yield opened
    opened.close()


def again(store: JournalStore) -> JournalStore:
    """Open the same place once more."""
    if isinstance(store, MemoryJournalStore):
        return MemoryJournalStore(store.address.removeprefix("memory://"))
    return SqliteJournalStore(store.address.removeprefix("sqlite:///"))


def work(broker: Broker, intake: Intake, count: int) -> None:
    """Let tasks come and go."""
    for _ in range(count // 10):
        enqueue(broker, 10)
        assert {outcome.value for outcome in settle(intake, take(intake, 10))} == {"settled"}


def work_until(broker: Broker, intake: Intake, journal: Journal, first: int) -> None:
    """Let tasks come and go until the journal was cut to a position or above."""

    def is_cut() -> bool:
        work(broker, intake, 10)
        return journal.first() >= first

    wait_until(is_cut, f"a cut of the journal beyond {first}")


def test_a_journal_stays_short_and_what_waits_in_it_is_not_lost(store: JournalStore) -> None:
    broker = open_journal(again(store), keeping=SOON)
    waiting = set(enqueue(broker, 7, queue="other"))
    intake = open_intake(broker, 30, default=1, other=1)
    held = take(intake, 7)
    assert {one.task_id for one in held} == waiting
    journal, state = store.open(_NAME), store.open(state_journal_name(_NAME))

    work_until(broker, intake, journal, 50)
    work_until(broker, intake, journal, journal.first() + 50)
    wait_until(lambda: state.first() > 0, "a cut of the checkpoints")

    stats = broker.inspecting.queue_stats("default")
    newcomer = open_journal(again(store), keeping=SOON)
    found = newcomer.inspecting.queue_stats("default")
    assert stats is not None
    assert found is not None
    assert (found.pending, found.active, found.processed_total) == (0, 0, stats.processed_total)
    newcomer.close()
    assert {outcome.value for outcome in settle(intake, held)} == {"settled"}
    broker.close()


def test_who_slept_through_a_cut_goes_on_from_the_checkpoint(
    store: JournalStore, caplog: pytest.LogCaptureFixture
) -> None:
    sleeping = FaultyStore(again(store))
    sleeper = open_journal(sleeping)
    enqueue(sleeper)
    assert sleeper.inspecting.queue_stats("default") is not None
    sleeping.journals[_NAME].is_unreadable = True
    sleeping.journals[_NAME].interrupt()
    wait_until(lambda: "cannot follow" in caplog.text, "the sleep")

    broker = open_journal(again(store), keeping=SOON)
    intake = open_intake(broker, capacity=10)
    settle(intake, take(intake, 1))
    work_until(broker, intake, store.open(_NAME), 50)
    stats = broker.inspecting.queue_stats("default")
    sleeping.journals[_NAME].is_unreadable = False

    wait_until(lambda: "goes on from the newest checkpoint" in caplog.text, "the loss of the place to be told")
    found = sleeper.inspecting.queue_stats("default")
    assert stats is not None
    assert found is not None
    assert found.processed_total == stats.processed_total
    enqueue(sleeper, 3)
    assert {outcome.value for outcome in settle(intake, take(intake, 3))} == {"settled"}
    sleeper.close()
    broker.close()


def test_who_joins_again_before_it_has_read_the_newest_checkpoint_is_served(
    store: JournalStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Its first session after the sleep stands before that checkpoint: it never hears of it, and joins once more."""
    sleeping = FaultyStore(again(store))
    sleeper = open_journal(sleeping)
    slept = open_intake(sleeper, capacity=1)
    enqueue(sleeper)
    (held,) = take(slept, 1)
    sleeping.open(state_journal_name(_NAME)).close()  # To be opened again, which can be made to wait.
    journal = sleeping.journals[_NAME]
    journal.is_unreadable = True
    journal.interrupt()
    wait_until(lambda: "cannot follow" in caplog.text, "the sleep")
    broker = open_journal(again(store), keeping=SOON)
    assert broker.history is not None
    intake = open_intake(broker, capacity=10)
    work_until(broker, intake, store.open(_NAME), 50)

    sleeping.lets_in.clear()
    asked_before = len(journal.appended)
    journal.is_unreadable = False
    wait_until(lambda: any(map(_opens, journal.appended[asked_before:])), "it to join again")
    assert broker.history.checkpoint("default", None) is not None
    sleeping.lets_in.set()
    intake.stop()
    intake.close()

    assert not held.term.is_valid()
    slept.settle([], 1)  # The handler of what was held is dropped.
    enqueue(broker)
    assert {outcome.value for outcome in settle(slept, take(slept, 1))} == {"settled"}
    sleeper.close()
    broker.close()


def _opens(frame: bytes) -> bool:
    decoded = decode_frame(frame)
    return not isinstance(decoded, str) and decoded.commands[0][0] == command.OPEN


def test_the_control_journal_is_kept_by_the_first_of_its_servers(store: JournalStore) -> None:
    brokers = [open_journal(again(store), keeping=SOON) for _ in range(2)]
    journal = store.open(CONTROL)
    infos = [ServerInfo(host="h", pid=number, server_id=f"{number}", queues={"default": 1}) for number in range(2)]
    for broker in brokers:
        broker.signalling.subscribe_cancelations().close()
    enqueue(brokers[0])

    def write() -> bool:
        for broker, info in zip(brokers, infos, strict=True):
            broker.registering.write_server_state(info, [], 60)
        return journal.first() > 0

    wait_until(write, "a cut of the control journal")
    brokers[0].registering.clear_server_state(infos[0])
    first = journal.first()
    wait_until(lambda: write() and journal.first() > first, "the second to take over")

    newcomer = open_journal(again(store))
    assert list(newcomer.inspecting.queues()) == ["default"]
    for broker in [*brokers, newcomer]:
        broker.close()


def test_a_large_state_is_written_by_a_process_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "asynq_compat.journal")
    path = str(tmp_path / "journal.db")
    broker = open_journal(SqliteJournalStore(path), keeping=APART)
    ids = enqueue(broker, 300)
    intake = open_intake(broker, capacity=10)

    wait_until(lambda: "a checkpoint of queue.default was written" in caplog.text, "the checkpoint")
    broker.close()

    other = open_journal(SqliteJournalStore(path))
    stats = other.inspecting.queue_stats("default")
    assert stats is not None
    assert stats.pending == len(ids)
    assert "begins at the checkpoint" in caplog.text
    assert intake is not None
    other.close()


def test_a_cut_journal_that_no_checkpoint_leads_into_is_not_guessed_at(store: JournalStore) -> None:
    broker = open_journal(again(store))
    for _ in range(3):
        enqueue(broker)
    broker.close()
    journal = store.open(_NAME)
    journal.truncate(journal.end())

    newcomer = open_journal(again(store))

    with pytest.raises(CorruptDataError, match="no checkpoint leads there"):
        newcomer.inspecting.queue_stats("default")
    newcomer.close()
    assert journal.end() > BEFORE_THE_FIRST


def test_a_checkpoint_that_is_given_up_at_the_end_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = open_journal(SqliteJournalStore(str(tmp_path / "journal.db")), keeping=APART)
    intake = open_intake(broker, capacity=10)

    def is_being_written() -> bool:
        work(broker, intake, 10)
        return any(thread.name == "asynq-keeper-watch" for thread in threading.enumerate())

    with caplog.at_level(logging.DEBUG, logger="asynq_compat"):
        wait_until(is_being_written, "a checkpoint that is written by a process of its own")
        broker.close()

    assert "no checkpoint" not in caplog.text


def test_who_ended_the_process_that_writes_is_named(tmp_path: Path) -> None:
    """At the end of a whole service each of its processes gets the signal, this one too."""
    store = SqliteJournalStore(str(tmp_path / "journal.db"))
    store.open(_NAME).append(b"x")

    with pytest.raises(BrokerUnavailableError, match=r"was to write it was ended by SIGTERM$"):
        checkpoint_apart(partial(end_this_process, os.getpid()), _NAME, 0, threading.Event())
    store.close()


def end_this_process(parent_pid: int) -> JournalStore:
    """Stand for what opens the journals in the process of its own."""
    assert os.getpid() != parent_pid
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError
