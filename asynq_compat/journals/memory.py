"""How is a journal kept in memory?

Contract: a list under a condition. One store per name and process, kept until `forget` or the end of the process: whoever opens the same name meets
the same entries. Timestamps come from the callable of the store's first opener, taken under the lock.
Not obvious: a forked child would append to a copy that nobody else sees, so it is refused.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asynq_compat.errors import BrokerUnavailableError, ServerStateError
from asynq_compat.journals.journal import (
    READ_BYTES_MAX,
    READ_COUNT_MAX,
    Batch,
    Entry,
    NotInJournalError,
    base_and_partition,
    check_frame_size,
    partition_name,
)


@dataclass(slots=True)
class _Log:
    """The entries of one journal; `changed` guards them."""

    now_ms: Callable[[], int]
    entries: list[Entry] = field(default_factory=list)
    first: int = 0  # Position of the first of them.
    changed: threading.Condition = field(default_factory=threading.Condition)


@dataclass(slots=True)
class _Place:
    """What all openers of one name share; `lock` guards `logs`."""

    now_ms: Callable[[], int]
    pid: int = field(default_factory=os.getpid)
    logs: dict[str, _Log] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_places: dict[str, _Place] = {}
_places_lock = threading.Lock()


def _system_now_ms() -> int:
    return time.time_ns() // 1_000_000


def forget(name: str) -> None:
    """Let go of everything behind a name; who has it open keeps what it sees, who opens it next finds nothing."""
    with _places_lock:
        _places.pop(name, None)


class MemoryJournalStore:
    """The journals of one name in this process.

    Args:
        name: What stands behind ``memory://``.
        now_ms: The clock of the entries, Unix milliseconds; that of the name's first opener counts.
    """

    def __init__(self, name: str = "", *, now_ms: Callable[[], int] = _system_now_ms) -> None:
        self._name = name
        with _places_lock:
            self._place = _places.setdefault(name, _Place(now_ms))
        self._opened: list[MemoryJournal] = []

    @property
    def address(self) -> str:
        """``memory://<name>``."""
        return f"memory://{self._name}"

    def prepare(self, bases: Sequence[str], wanted: int) -> None:
        """Do nothing: each is made in no time when it is asked for."""

    def partition_count(self, base: str, wanted: int) -> int:
        """Return how many partitions a queue's journal has, made if it does not exist."""
        self.ping()
        with self._place.lock:
            if base not in self._place.logs:
                for partition in range(wanted):
                    self._place.logs[partition_name(base, partition)] = _Log(self._place.now_ms)
            return sum(base_and_partition(name)[0] == base for name in self._place.logs)

    def open(self, name: str) -> MemoryJournal:
        """Open the journal of that name."""
        self.ping()
        with self._place.lock:
            log = self._place.logs.setdefault(name, _Log(self._place.now_ms))
            journal = MemoryJournal(name, log)
            self._opened.append(journal)
        return journal

    def names(self) -> Sequence[str]:
        """Return the names of the journals that exist, sorted."""
        with self._place.lock:
            return sorted(name for name in self._place.logs if not base_and_partition(name)[1])

    def opens_elsewhere(self) -> None:
        """Return None: no other process sees this one's memory."""

    def ping(self) -> None:
        """Fail in a forked child."""
        if self._place.pid != os.getpid():
            raise BrokerUnavailableError(
                f"{self.address} belongs to process {self._place.pid}, this is its fork {os.getpid()}; "
                "use sqlite:/// where several processes share a queue"
            )

    def close(self) -> None:
        """Close the journals opened here; the entries stay."""
        for journal in self._opened:
            journal.close()


class MemoryJournal:
    """A journal in this process's memory."""

    def __init__(self, name: str, log: _Log) -> None:
        self._name = name
        self._log = log
        self._pid = os.getpid()
        self._is_interrupted = False  # Guarded by the log's condition, as the next one.
        self._is_closed = False

    @property
    def name(self) -> str:
        """The name that it was opened by."""
        return self._name

    def append(self, frame: bytes) -> int:
        """Store a frame; return its position."""
        check_frame_size(frame)
        with self._log.changed:
            self._check_usable()
            position = self._log.first + len(self._log.entries)
            self._log.entries.append(Entry(position, self._log.now_ms(), is_log_time=True, data=bytes(frame)))
            self._log.changed.notify_all()
        return position

    def read(
        self, after: int, *, wait_s: float, max_count: int = READ_COUNT_MAX, max_bytes: int = READ_BYTES_MAX
    ) -> Batch:
        """Return the entries behind `after`."""
        log = self._log
        with log.changed:
            self._check_usable()
            log.changed.wait_for(
                lambda: log.first + len(log.entries) != after + 1 or self._is_interrupted or self._is_closed, wait_s
            )
            self._is_interrupted = False
            place = after + 1 - log.first
            if not 0 <= place <= len(log.entries):
                raise NotInJournalError(self._name, after)
            found = log.entries[place : place + max_count]
        size_bytes = 0
        for count, entry in enumerate(found, 1):
            size_bytes += len(entry.data)
            if size_bytes >= max_bytes:
                del found[count:]
                break
        return Batch(found, found[-1].position if found else after)

    def end(self) -> int:
        """Return the position of the last entry, -1 if there is none."""
        with self._log.changed:
            self._check_usable()
            return self._log.first + len(self._log.entries) - 1

    def first(self) -> int:
        """Return the position from which on nothing was cut."""
        with self._log.changed:
            self._check_usable()
            return self._log.first

    def truncate(self, before: int) -> None:
        """Delete the entries below a position."""
        log = self._log
        with log.changed:
            self._check_usable()
            count = min(max(0, before - log.first), len(log.entries))
            del log.entries[:count]
            log.first += count

    def interrupt(self) -> None:
        """Let a waiting read return."""
        with self._log.changed:
            self._is_interrupted = True
            self._log.changed.notify_all()

    def close(self) -> None:
        """Close it; the entries stay."""
        with self._log.changed:
            self._is_closed = True
            self._log.changed.notify_all()

    def _check_usable(self) -> None:
        if self._is_closed:
            raise ServerStateError(f"the journal {self._name} is closed; open it anew")
        if self._pid != os.getpid():
            raise BrokerUnavailableError(
                f"the journal {self._name} in memory belongs to process {self._pid}, this is its fork {os.getpid()}; "
                "use sqlite:/// where several processes share a queue"
            )
