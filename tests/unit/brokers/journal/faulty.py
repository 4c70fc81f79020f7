"""How does a test make a journal fail?

Contract: a journal that refuses, or loses answers, when told to; everything else is the real one's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import (
    READ_BYTES_MAX,
    READ_COUNT_MAX,
    Batch,
    Journal,
    JournalStore,
    MissingRightError,
)


class FaultyJournal:
    """A journal between the broker and a real one.

    Attributes:
        refuse: Appends to refuse, storing nothing.
        deny: Appends to refuse for want of a right.
        lose: Appends to store and then fail all the same.
        breaks: Appends to fail in a way that no journal should.
        is_unreadable: Whether reads fail.
        appended: Every frame that somebody tried to append.
        before_end_is_told: Called between the next look at the end and its answer.
    """

    def __init__(self, journal: Journal, first: FaultyJournal | None = None) -> None:
        self._journal = journal
        self._first = first or self
        self.refuse = 0
        self.deny = 0
        self.lose = 0
        self.breaks = 0
        self.is_unreadable = False
        self.appended: list[bytes] = []
        self.before_end_is_told: Callable[[], object] | None = None

    @property
    def name(self) -> str:
        """The real one's."""
        return self._journal.name

    def append(self, frame: bytes) -> int:
        """Store a frame, or fail as told."""
        self.appended.append(frame)
        if self.refuse:
            self.refuse -= 1
            raise BrokerUnavailableError("refused by the test")
        if self.deny:
            self.deny -= 1
            raise MissingRightError("denied by the test")
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("broken by the test")
        position = self._journal.append(frame)
        if self.lose:
            self.lose -= 1
            raise BrokerUnavailableError("the answer was lost by the test", may_have_happened=True)
        return position

    def read(
        self, after: int, *, wait_s: float, max_count: int = READ_COUNT_MAX, max_bytes: int = READ_BYTES_MAX
    ) -> Batch:
        """Read, or fail as told."""
        if self._first.is_unreadable:
            raise BrokerUnavailableError("unreadable by the test")
        return self._journal.read(after, wait_s=wait_s, max_count=max_count, max_bytes=max_bytes)

    def switch_to(self, journal: Journal) -> None:
        """Stand for another journal from now on."""
        self._journal = journal

    def end(self) -> int:
        """The real one's."""
        end = self._journal.end()
        told, self.before_end_is_told = self.before_end_is_told, None
        if told is not None:
            told()
        return end

    def first(self) -> int:
        """Return the beginning."""
        return self._journal.first()

    def truncate(self, before: int) -> None:
        """Cut it."""
        self._journal.truncate(before)

    def interrupt(self) -> None:
        """Pass it on."""
        self._journal.interrupt()

    def close(self) -> None:
        """Close the real one."""
        self._journal.close()


class FaultyStore:
    """A store whose journals can be told to fail; `journals` has them by name, as first opened: reads of all others fail with theirs."""

    def __init__(self, store: JournalStore) -> None:
        self.store = store
        self.journals: dict[str, FaultyJournal] = {}
        self.lets_in = threading.Event()  # Unset: who opens a journal once more has to wait.
        self.lets_in.set()

    @property
    def address(self) -> str:
        """The real one's."""
        return self.store.address

    def prepare(self, bases: Sequence[str], wanted: int) -> None:
        """The real one's."""
        self.store.prepare(bases, wanted)

    def partition_count(self, base: str, wanted: int) -> int:
        """The real one's."""
        return self.store.partition_count(base, wanted)

    def open(self, name: str) -> FaultyJournal:
        """Open a journal that can be told to fail."""
        if name in self.journals:
            self.lets_in.wait(60)
        opened = FaultyJournal(self.store.open(name), self.journals.get(name))
        self.journals.setdefault(name, opened)
        return opened

    def names(self) -> Sequence[str]:
        """The real one's."""
        return self.store.names()

    def opens_elsewhere(self) -> None:
        """Return None: the faults stay in this process."""

    def ping(self) -> None:
        """Ask the real one."""
        self.store.ping()

    def close(self) -> None:
        """Close the real one."""
        self.store.close()
