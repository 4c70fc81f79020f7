"""Is this file a journal of ours, and how is it opened and written to?

Contract: `JournalFile` opens or makes the file, refuses what is none of ours by name and with the remedy, and gives one transaction at a
time among all processes. SQLite's errors are translated here; a full disk is an outage like others, tried again until the caller's time
is up, since room may be made. A forked child gets connections and locks of its own.
Not obvious: a connection inherited by fork may not even be closed, it is set aside; closing the inherited lock file is right, otherwise
the child would keep a lock alive that its parent took. Nothing but SQLite ever opens the file itself: the closing of any descriptor frees
all of this process's POSIX locks on it, and then the next process to leave deletes the log that is still being written to.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from importlib.resources import files

from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, InvalidArgumentError
from asynq_compat.journals.examining import Condition
from asynq_compat.journals.file_lock import FileLock
from asynq_compat.journals.file_signal import tell

APPLICATION_ID = 0x41737171  # "Asqq"
SCHEMA_VERSION = 1
LOCK_TIMEOUT_S = 30.0

_BUSY_TIMEOUT_S = 10.0
_FREE_BYTES_MIN = 256 * 1024 * 1024
# What SQLite locks for reading as long as it has a file open (its file format, "locking").
_SHARED_LENGTH, _SHARED_START = 510, 0x4000_0002
_set_aside: list[sqlite3.Connection] = []


class JournalFile:
    """An open file of journals.

    Attributes:
        path: Absolute.
        lock_path: The file beside it that writers lock and listeners watch.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.lock_path = f"{self.path}-lock"
        self._refuse_what_is_no_database()
        try:
            self._lock = FileLock(self.lock_path)
        except OSError as error:
            raise self._not_writable(error.strerror or str(error)) from error
        self._is_closed = False
        self._writer: sqlite3.Connection | None = None  # Guarded by `_lock`.
        self._identity: tuple[int, int] | None = None  # Device and inode, once the file is known to be there.
        try:
            with self._lock.held(LOCK_TIMEOUT_S), self.translated():
                self._writer = self.connect()
                self._make_or_check(self._writer)
            self._identity = self._seen()
        except AsynqError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise self._not_writable(error.strerror or str(error)) from error

    def connect(self) -> sqlite3.Connection:
        """Return a connection of its own, in autocommit mode, usable by any one thread at a time."""
        if self._identity is not None:
            self.check_is_there()
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def examine(self) -> Sequence[Condition]:
        """Return whether the file is whole, and whether there is room for it to grow."""
        free = shutil.disk_usage(os.path.dirname(self.path)).free
        is_fine = free >= _FREE_BYTES_MIN
        advice = "" if is_fine else "; when none is left no task can be enqueued, and none settled: make room"
        return [
            self._soundness(),
            Condition(check="disk", text=f"{free >> 20} MB are free on its disk{advice}", is_fine=is_fine),
        ]

    def _soundness(self) -> Condition:
        try:
            with contextlib.closing(self.connect()) as connection:
                (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            said = str(error)
        if said == "ok":
            return Condition(check="file", text="the file is whole")
        text = f"the file is damaged ({said}); stop all programs and save what can be read with sqlite3's .recover"
        return Condition(check="file", text=text, is_fine=False, is_grave=True)

    def check_is_there(self) -> None:
        """Make sure that the path still leads to what was opened: nobody would look for tasks in a file that was removed.

        Raises:
            BrokerUnavailableError: It was removed, or something else stands there, or nobody lets us look.
        """
        try:
            seen = self._seen()
        except OSError as error:
            raise BrokerUnavailableError(
                f"the journal file {self.path} cannot be looked at: {error.strerror}; this user must be let into its folder again"
            ) from error
        if seen != self._identity:
            what = "was removed" if seen is None else "was replaced by another"
            raise BrokerUnavailableError(
                f"the journal file {self.path} {what} while it was open; put it back, or restart what uses it"
            )

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_dev, found.st_ino

    @contextlib.contextmanager
    def transaction(self, *, slot: int | None = None) -> Iterator[sqlite3.Connection]:
        """Hold the file's lock and a write transaction.

        Args:
            slot: Whose listeners wake after the commit (file_signal.py).

        Raises:
            BrokerUnavailableError: It cannot be written now; `may_have_happened` if the commit failed and its fate is unknown.
        """
        with self._lock.held(LOCK_TIMEOUT_S):
            self.check_is_there()
            with self.translated():
                if self._writer is None:
                    self._writer = self.connect()
                writer = self._writer
                writer.execute("BEGIN IMMEDIATE")
            try:
                with self.translated():
                    yield writer
            except BaseException:
                self._roll_back(writer)
                raise
            self._commit(writer)
            if slot is not None:
                tell(self._lock.fd, slot)

    def _commit(self, writer: sqlite3.Connection) -> None:
        try:
            writer.execute("COMMIT")
        except sqlite3.Error as error:
            # A full disk took no commit record: SQLite itself has rolled back.
            is_undone = writer.in_transaction or _is_full(error)
            self._roll_back(writer)
            raise self._unavailable(error, may_have_happened=not is_undone) from error

    def _roll_back(self, writer: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):
            if writer.in_transaction:
                writer.execute("ROLLBACK")

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Translate SQLite's errors into ours."""
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
            raise self._unavailable(error) from error
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise self._is_no_database() from error
            raise CorruptDataError(f"the journal file {self.path} cannot be read: {error}") from error

    def close(self) -> None:
        """Close the writing connection and the lock file. Legal twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._lock.retire(LOCK_TIMEOUT_S) and self._writer is not None:
            self._writer.close()

    @property
    def thread_lock(self) -> threading.Lock:
        """Held by the thread of this process that writes or waits for its turn to."""
        return self._lock.thread_lock

    def after_fork(self) -> None:
        """Start anew in a forked child."""
        set_aside(self._writer)
        self._writer = None
        _keep_log_in_child(self.path)
        os.close(self._lock.fd)
        self._lock = FileLock(self.lock_path)

    def _refuse_what_is_no_database(self) -> None:
        folder = os.path.dirname(self.path)
        if os.path.isdir(self.path):
            raise InvalidArgumentError(f"{self.path} is a folder; name a file in it, such as {self.path}/asynq.db")
        if not os.path.isdir(folder):
            raise InvalidArgumentError(f"{folder} does not exist; make it, or name a file in a folder that exists")
        if not os.path.exists(self.path):
            return
        if not os.path.isfile(self.path):
            raise self._is_no_database()
        if not os.access(self.path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise InvalidArgumentError(
                f"{self.path} cannot be read: Permission denied; name a file that this user may read and write"
            )
        if not os.access(self.path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            is_read_only = os.statvfs(self.path).f_flag & os.ST_RDONLY
            raise self._not_writable("Read-only file system" if is_read_only else "Permission denied")

    def _is_no_database(self) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{self.path} is no SQLite file; name a new file, or one that asynq_compat has made"
        )

    def _make_or_check(self, connection: sqlite3.Connection) -> None:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (table_count,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application_id == 0 and table_count == 0:
            self._make(connection)
        elif application_id != APPLICATION_ID:
            raise InvalidArgumentError(
                f"{self.path} is a SQLite file of another program (application_id {application_id}); "
                "name a new file, or one that asynq_compat has made"
            )
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise InvalidArgumentError(
                f"{self.path} has schema version {version}, this asynq_compat knows {SCHEMA_VERSION}; upgrade asynq_compat"
            )

    def _make(self, connection: sqlite3.Connection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise InvalidArgumentError(
                f"{self.path} stands on a file system without shared memory (journal mode {mode}); name a file on a local disk"
            )
        schema = files("asynq_compat.journals").joinpath("schema.sql").read_text(encoding="utf-8")
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {SCHEMA_VERSION};\nCOMMIT;"
        )

    def _not_writable(self, reason: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{self.path} cannot be written: {reason}; name a file in a folder where this user may write"
        )

    def _unavailable(self, error: sqlite3.Error, *, may_have_happened: bool = False) -> BrokerUnavailableError:
        remedy = "; free some space" if _is_full(error) else ""
        return BrokerUnavailableError(
            f"the journal file {self.path} cannot be used now: {error}{remedy}", may_have_happened=may_have_happened
        )


def _is_full(error: sqlite3.Error) -> bool:
    # Errors of the Python module itself have no code.
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def set_aside(connection: sqlite3.Connection | None) -> None:
    """Keep a connection that was inherited by fork out of everybody's way: SQLite forbids to use or close it."""
    if connection is not None:
        _set_aside.append(connection)


def _keep_log_in_child(path: str) -> None:
    """Hold, until this process ends, the lock that its SQLite believes it has inherited.

    POSIX locks are not inherited. Without this one, the last other process to leave would delete the log that this one writes to.
    """
    with contextlib.suppress(FileNotFoundError):  # Deleted while in use: there is nothing to keep.
        never_closed = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        fcntl.lockf(never_closed, fcntl.LOCK_SH, _SHARED_LENGTH, _SHARED_START)
