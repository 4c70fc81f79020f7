"""How does a log whose time nobody can move serve a test that moves time?

Contract: a `JournalStore` around another one, for one process: entries are stored and ordered by the real log, but bear the virtual time at
which they were appended. Without it a test of an hour's lock would take an hour on Kafka.
Not obvious: an entry can be read before the call that appended it has returned; the reader waits for that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from asynq_compat.journals.journal import READ_BYTES_MAX, READ_COUNT_MAX, Batch, Entry, Journal, JournalStore

_APPEND_TIMEOUT_S = 30.0


class VirtualTimeStore:
    """The journals of `store`, on virtual time."""

    def __init__(self, store: JournalStore, now_ms: Callable[[], int], times: StoredTimes) -> None:
        self._store = store
        self._now_ms = now_ms
        self._times = times

    @property
    def address(self) -> str:
        """Where it is."""
        return self._store.address

    def prepare(self, bases: Sequence[str], wanted: int) -> None:
        """Make the journals of several queues."""
        self._store.prepare(bases, wanted)

    def partition_count(self, base: str, wanted: int) -> int:
        """Return how many partitions a queue's journal has."""
        return self._store.partition_count(base, wanted)

    def open(self, name: str) -> Journal:
        """Open a journal."""
        return VirtualTimeJournal(self._store.open(name), self._now_ms, self._times)

    def names(self) -> Sequence[str]:
        """Return the names of the journals that exist."""
        return self._store.names()

    def opens_elsewhere(self) -> None:
        """Return None: the virtual time stays in this process."""

    def ping(self) -> None:
        """Ask whether it answers."""
        self._store.ping()

    def close(self) -> None:
        """Close it."""
        self._store.close()


class StoredTimes:
    """At which virtual time each entry was appended; shared by all stores over the same log."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # Guards _at_ms.
        self._at_ms: dict[tuple[str, int], int] = {}

    def put(self, name: str, position: int, at_ms: int) -> None:
        """Note one entry."""
        with self._changed:
            self._at_ms[name, position] = at_ms
            self._changed.notify_all()

    def get(self, name: str, position: int) -> int:
        """Return an entry's time, waiting for the append to return."""
        with self._changed:
            is_known = self._changed.wait_for(lambda: (name, position) in self._at_ms, _APPEND_TIMEOUT_S)
            assert is_known, f"nobody here appended entry {position} of {name}"
            return self._at_ms[name, position]


class VirtualTimeJournal:
    """One journal on virtual time."""

    def __init__(self, journal: Journal, now_ms: Callable[[], int], times: StoredTimes) -> None:
        self._journal = journal
        self._now_ms = now_ms
        self._times = times

    @property
    def name(self) -> str:
        """The journal's name."""
        return self._journal.name

    def append(self, frame: bytes) -> int:
        """Store a frame and note the time."""
        at_ms = self._now_ms()
        position = self._journal.append(frame)
        self._times.put(self.name, position, at_ms)
        return position

    def read(
        self, after: int, *, wait_s: float, max_count: int = READ_COUNT_MAX, max_bytes: int = READ_BYTES_MAX
    ) -> Batch:
        """Read entries and give them their virtual times."""
        batch = self._journal.read(after, wait_s=wait_s, max_count=max_count, max_bytes=max_bytes)
        entries = [
            Entry(entry.position, self._times.get(self.name, entry.position), True, entry.data, entry.headers)
            for entry in batch.entries
        ]
        return Batch(entries, batch.upto)

    def end(self) -> int:
        """Return the end."""
        return self._journal.end()

    def first(self) -> int:
        """Return the beginning."""
        return self._journal.first()

    def truncate(self, before: int) -> None:
        """Cut it."""
        self._journal.truncate(before)

    def interrupt(self) -> None:
        """Let a waiting read return."""
        self._journal.interrupt()

    def close(self) -> None:
        """Close it."""
        self._journal.close()
