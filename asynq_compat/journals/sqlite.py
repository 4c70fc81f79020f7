"""How is a journal kept in a SQLite file?

Contract: one transaction a frame (WAL, synchronous=FULL), one writer at a time among all processes, the timestamp taken while nobody
else can write. Every process may open the file; forked children too. No read transaction stays open across a wait.
Not obvious: a waiting read is woken through the lock file (file_signal.py) and looks by itself once a second, for a writer may die
between its commit and its signal. Positions have no gaps, so a gap behind the reader is a cut. The pages of what was cut are used again;
the file does not shrink.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from asynq_compat.errors import ServerStateError
from asynq_compat.journals.file_signal import Listener
from asynq_compat.journals.forking import know
from asynq_compat.journals.journal import (
    BEFORE_THE_FIRST,
    READ_BYTES_MAX,
    READ_COUNT_MAX,
    Batch,
    Entry,
    JournalStore,
    NotInJournalError,
    base_and_partition,
    check_frame_size,
    partition_name,
)
from asynq_compat.journals.sqlite_file import JournalFile, set_aside

POSITION_BITS = 40
_LOOK_EVERY_S = 1.0
# journal.md 2: a cut goes in slices of at most 5 ms, so that writers wait no longer; between two they have the file for as long and more.
_SLICE_S = 0.005
_SLICE_COUNT_FIRST, _SLICE_COUNT_MAX = 16, 4_096
_SLICE_PAUSE_S = 0.01

_ADD = "INSERT INTO journal (name) VALUES (?) ON CONFLICT (name) DO NOTHING"
_FIND = "SELECT id FROM journal WHERE name = ?"
_NAMES = "SELECT name FROM journal"
_NEXT = "UPDATE journal SET next_position = next_position + 1 WHERE id = ? RETURNING next_position - 1"
_FIRST = "SELECT min(id) FROM entry WHERE id >= ? AND id < ?"
_CUT = "DELETE FROM entry WHERE id >= ? AND id < ?"
_INSERT = "INSERT INTO entry (id, timestamp_ms, data) VALUES (?, ?, ?)"
_END = "SELECT next_position - 1 FROM journal WHERE id = ?"
_READ = "SELECT id, timestamp_ms, data FROM entry WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
_PING = "SELECT count(*) FROM journal"


def _system_now_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteJournalStore:
    """The journals in one file.

    Args:
        path: The file, made if it does not exist.
        now_ms: The clock of the entries, Unix milliseconds.
    """

    def __init__(self, path: str, *, now_ms: Callable[[], int] = _system_now_ms) -> None:
        self._file = JournalFile(path)
        self._now_ms = now_ms
        self._opened: list[SqliteJournal] = []
        self._is_closed = False
        self.examine = self._file.examine
        know(self)

    @property
    def address(self) -> str:
        """``sqlite:///<path>``."""
        return f"sqlite:///{self._file.path}"

    def prepare(self, bases: Sequence[str], wanted: int) -> None:
        """Do nothing: each is made in no time when it is asked for."""

    def partition_count(self, base: str, wanted: int) -> int:
        """Return how many partitions a queue's journal has, made if it does not exist."""
        self._check_open()
        with self._file.transaction() as connection:
            names = {name for (name,) in connection.execute(_NAMES)}
            if base not in names:
                made = [partition_name(base, partition) for partition in range(wanted)]
                connection.executemany(_ADD, [(name,) for name in made])
                names.update(made)
        return sum(base_and_partition(name)[0] == base for name in names)

    def open(self, name: str) -> SqliteJournal:
        """Open the journal of that name, made if it does not exist."""
        self._check_open()
        with self._file.transaction() as connection:
            connection.execute(_ADD, (name,))
            (journal_id,) = connection.execute(_FIND, (name,)).fetchone()
        journal = SqliteJournal(self._file, name, journal_id, self._now_ms)
        self._opened.append(journal)
        return journal

    def names(self) -> Sequence[str]:
        """Return the names of the journals that exist, sorted."""
        self._check_open()
        with self._file.transaction() as connection:
            return sorted(name for (name,) in connection.execute(_NAMES) if not base_and_partition(name)[1])

    def opens_elsewhere(self) -> Callable[[], JournalStore] | None:
        """Return what opens the same file; None where the clock is a caller's."""
        return partial(SqliteJournalStore, self._file.path) if self._now_ms is _system_now_ms else None

    def ping(self) -> None:
        """Take the lock and ask the file something."""
        self._check_open()
        with self._file.transaction() as connection:
            connection.execute(_PING).fetchone()

    def close(self) -> None:
        """Close every journal opened here, and the file."""
        if not self._is_closed:
            self._is_closed = True
            for journal in self._opened:
                journal.close()
            self._file.close()

    def locks(self) -> Iterable[threading.Lock]:
        """Return what keeps every thread of this process out of SQLite."""
        return [self._file.thread_lock, *(journal.reading_lock for journal in self._opened)]

    def after_fork(self) -> None:
        """Start anew in a forked child."""
        if not self._is_closed:
            self._file.after_fork()
            for journal in self._opened:
                journal.after_fork()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServerStateError(f"the journals of {self.address} are closed; open them anew")


class SqliteJournal:
    """One journal of a file."""

    def __init__(self, file: JournalFile, name: str, journal_id: int, now_ms: Callable[[], int]) -> None:
        self._file = file
        self._name = name
        self._id = journal_id
        self._base = journal_id << POSITION_BITS
        self._now_ms = now_ms
        self._is_closed = False
        self._has_closed = threading.Event()
        self._turn = threading.Lock()  # Held through a read: one reader at a time.
        self._asking = threading.Lock()  # Guards the connection and closing.
        self._connection: sqlite3.Connection | None = None
        self._listener = Listener(file.lock_path, journal_id)
        self._drained_upto: int | None = None  # Behind it stood nothing when the listener last looked; None: who knows.

    @property
    def name(self) -> str:
        """The name that it was opened by."""
        return self._name

    def append(self, frame: bytes) -> int:
        """Store a frame; return its position."""
        check_frame_size(frame)
        self._check_open()
        with self._file.transaction(slot=self._id) as connection:
            ((position,),) = connection.execute(_NEXT, (self._id,)).fetchall()
            connection.execute(_INSERT, (self._base + position, self._now_ms(), frame))
        return int(position)

    def read(
        self, after: int, *, wait_s: float, max_count: int = READ_COUNT_MAX, max_bytes: int = READ_BYTES_MAX
    ) -> Batch:
        """Return the entries behind `after`."""
        deadline = time.monotonic() + wait_s
        with self._turn:
            while True:
                self._check_open()
                left_s = deadline - time.monotonic()
                entries = [] if left_s > 0 and self._is_drained(after) else self._look(after, max_count, max_bytes)
                if entries or left_s <= 0:
                    break
                if self._listener.wait(min(left_s, _LOOK_EVERY_S)):
                    break
                self._drained_upto = None
        return Batch(entries, entries[-1].position if entries else after)

    def end(self) -> int:
        """Return the position of the last entry, -1 if there is none."""
        with self._asking, self._file.translated():
            row = self._connected().execute(_END, (self._id,)).fetchone()
        return int(row[0]) if row else BEFORE_THE_FIRST

    def first(self) -> int:
        """Return the position from which on nothing was cut."""
        bounds = (self._base, self._base + (1 << POSITION_BITS))
        end = self.end()  # Before the beginning: an entry that comes in between, where there was none, was not cut.
        with self._asking, self._file.translated():
            (entry_id,) = self._connected().execute(_FIRST, bounds).fetchone()
        return end + 1 if entry_id is None else int(entry_id) - self._base

    def truncate(self, before: int) -> None:
        """Delete the entries below a position, in slices that let writers in between."""
        at, last = self.first(), min(before, self.end() + 1)
        count = _SLICE_COUNT_FIRST
        while at < last:
            self._check_open()
            upto = min(at + count, last)
            with self._file.transaction() as connection:
                began_s = time.monotonic()
                connection.execute(_CUT, (self._base + at, self._base + upto))
                took_s = time.monotonic() - began_s
            at = upto
            count = max(1, count // 2) if took_s > _SLICE_S / 2 else min(2 * count, _SLICE_COUNT_MAX)
            self._has_closed.wait(_SLICE_PAUSE_S)

    def interrupt(self) -> None:
        """Let a waiting read return."""
        with self._asking:
            if not self._is_closed:
                self._listener.interrupt()

    def close(self) -> None:
        """Wake a waiting read and close the reading connection."""
        with self._asking:
            if self._is_closed:
                return
            self._is_closed = True
            self._has_closed.set()
            self._listener.interrupt()
        with self._turn, self._asking:
            self._listener.close()
            if self._connection is not None:
                self._connection.close()

    @property
    def reading_lock(self) -> threading.Lock:
        """Held by who uses the reading connection."""
        return self._asking

    def after_fork(self) -> None:
        """Start anew in a forked child."""
        if not self._is_closed:
            self._turn, self._asking = threading.Lock(), threading.Lock()
            set_aside(self._connection)
            self._connection = self._drained_upto = None
            self._listener.close()
            self._listener = Listener(self._file.lock_path, self._id)

    def _is_drained(self, after: int) -> bool:
        """Whether there is nothing behind `after`, as far as writers have told: a look costs more than the news of a single entry."""
        return after == self._drained_upto and not self._listener.has_news()

    def _look(self, after: int, max_count: int, max_bytes: int) -> list[Entry]:
        self._drained_upto = None
        self._listener.look()
        entries = self._select(after, max_count, max_bytes) or self._select_anew(after, max_count, max_bytes)
        if len(entries) < max_count and sum(len(entry.data) for entry in entries) < max_bytes:
            self._drained_upto = entries[-1].position if entries else after
        return entries

    def _select(self, after: int, max_count: int, max_bytes: int) -> list[Entry]:
        entries: list[Entry] = []
        size_bytes = 0
        bounds = (self._base + after, self._base + (1 << POSITION_BITS), max_count)
        with self._asking, self._file.translated():
            rows = self._connected().execute(_READ, bounds)
            for entry_id, timestamp_ms, data in rows:
                entries.append(Entry(entry_id - self._base, timestamp_ms, is_log_time=True, data=data))
                size_bytes += len(data)
                if size_bytes >= max_bytes:
                    break
            rows.close()  # Ends the read transaction.
        if entries and entries[0].position != after + 1:
            raise NotInJournalError(self._name, after)
        return entries

    def _select_anew(self, after: int, max_count: int, max_bytes: int) -> list[Entry]:
        """Nothing was found: make sure that there is nothing to find."""
        self._file.check_is_there()
        end = self.end()
        entries = self._select(after, max_count, max_bytes) if end > after else []
        if end < after or (end > after and not entries):
            raise NotInJournalError(self._name, after)
        return entries

    def _connected(self) -> sqlite3.Connection:
        self._check_open()
        if self._connection is None:
            self._connection = self._file.connect()
        return self._connection

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServerStateError(f"the journal {self._name} of {self._file.path} is closed; open it anew")
