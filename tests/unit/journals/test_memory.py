"""Does the journal in memory keep the contract, and its own promises?"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL, JournalStore
from asynq_compat.journals.memory import MemoryJournalStore
from tests.unit.journals.contract import JournalContract, data_of, read_all


@pytest.fixture
def place() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def store(place: str) -> Iterator[JournalStore]:
    store = MemoryJournalStore(place)
    yield store
    store.close()


class TestMemoryJournal(JournalContract):
    pass


def test_who_opens_the_same_name_meets_the_same_entries(place: str) -> None:
    first = MemoryJournalStore(place)
    first.open(CONTROL).append(b"x")
    first.close()

    assert data_of(read_all(MemoryJournalStore(place).open(CONTROL), 1)) == [b"x"]


def test_timestamps_come_from_the_given_clock(place: str) -> None:
    journal = MemoryJournalStore(place, now_ms=lambda: 1_700_000_000_123).open(CONTROL)
    journal.append(b"x")

    assert read_all(journal, 1)[0].timestamp_ms == 1_700_000_000_123


def test_a_forked_child_is_refused(place: str) -> None:
    store = MemoryJournalStore(place)
    journal = store.open(CONTROL)

    child = os.fork()
    if child == 0:
        refused = 0
        for call in (lambda: journal.append(b"x"), store.ping):
            try:
                call()
            except BrokerUnavailableError:
                refused += 1
        os._exit(refused)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 2
    assert journal.end() == -1
