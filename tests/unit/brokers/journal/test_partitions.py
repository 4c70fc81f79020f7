"""What becomes of a journal that is opened while everything is closed?"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

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
