"""What becomes of a journal that is opened while everything is closed, and of a replica that two want at once?"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest

from asynq_compat.brokers.journal.following.replica import Replica
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.errors import ServerStateError
from asynq_compat.journals.journal import BEFORE_THE_FIRST
from asynq_compat.journals.memory import MemoryJournal, MemoryJournalStore
from asynq_compat.ports.system_clock import SystemClock


class ClosedMeanwhile(MemoryJournalStore):
    """A store during whose opening of a journal another thread closes everything."""

    partitions: Partitions
    opened: MemoryJournal

    def open(self, name: str) -> MemoryJournal:
        self.opened = super().open(name)
        self.partitions.close()
        return self.opened


@pytest.mark.parametrize("opens", [lambda partitions: partitions.queue("q"), lambda partitions: partitions.control])
def test_it_is_closed_too_and_its_opener_is_told(opens: Callable[[Partitions], object]) -> None:
    store = ClosedMeanwhile(f"memory://{uuid.uuid4()}")
    store.partitions = Partitions(store, SystemClock())

    with pytest.raises(ServerStateError):
        opens(store.partitions)

    with pytest.raises(ServerStateError):
        store.opened.read(BEFORE_THE_FIRST, wait_s=0)


def test_nobody_is_given_a_replica_that_does_not_follow_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that is sent before it follows hears no outcomes: its sender would wait for them in vain, and what it asked for would be done."""
    partitions = Partitions(MemoryJournalStore(f"memory://{uuid.uuid4()}"), SystemClock())
    control = partitions.control
    has_started = threading.Event()
    given: list[bool] = []
    start = Replica.start

    def ask() -> None:
        assert control.replica.failure is None
        given.append(has_started.is_set())

    other = threading.Thread(target=ask)

    def late(replica: Replica) -> None:  # type: ignore[type-arg]  # of any machine
        other.start()
        other.join(0.2)  # Who does not wait for the start has come back by now.
        start(replica)
        has_started.set()

    monkeypatch.setattr(Replica, "start", late)

    assert control.replica.failure is None
    other.join(60)
    partitions.close()

    assert given == [True]
