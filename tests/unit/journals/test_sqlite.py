"""Does the journal in a SQLite file keep the contract, among processes too, and does it refuse what is no journal?"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asynq_compat.errors import BrokerUnavailableError, CorruptDataError, InvalidArgumentError
from asynq_compat.journals import file_signal, sqlite
from asynq_compat.journals.journal import BEFORE_THE_FIRST, CONTROL, JournalStore, NotInJournalError
from asynq_compat.journals.sqlite import SqliteJournal, SqliteJournalStore
from tests.services.waiting import wait_until
from tests.unit.journals.contract import LONG_S, JournalContract, data_of, read_all

NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "asynq.db"


@pytest.fixture
def store(path: Path) -> Iterator[JournalStore]:
    store = SqliteJournalStore(str(path))
    yield store
    store.close()


class TestSqliteJournal(JournalContract):
    pass


class TestSqliteJournalWithoutInotify(JournalContract):
    """Where inotify is missing or used up the journal polls, and promises the same."""

    @pytest.fixture(autouse=True)
    def _no_inotify(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file_signal, "_open_inotify", lambda path: None)


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked child; return its exit code: 0 if it returned something true."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def test_entries_outlive_the_process_that_wrote_them(path: Path) -> None:
    with_entries = SqliteJournalStore(str(path))
    with_entries.open(CONTROL).append(b"x")
    with_entries.close()

    again = SqliteJournalStore(str(path))
    assert data_of(read_all(again.open(CONTROL), 1)) == [b"x"]
    again.close()


def test_an_emptied_journal_does_not_restart_its_positions(store: JournalStore, path: Path) -> None:
    last = [store.open(CONTROL).append(b"x") for _ in range(3)][-1]
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM entry")
    connection.close()

    journal = store.open(CONTROL)
    assert journal.append(b"y") == last + 1
    assert [entry.position for entry in read_all(journal, 1, after=last)] == [last + 1]


def test_a_first_entry_that_comes_while_somebody_asks_for_the_beginning_is_no_cut(
    store: JournalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = store.open(CONTROL)
    assert isinstance(journal, SqliteJournal)
    connected, asked = journal._connected, list[str]()

    class Asked:
        """The connection; somebody writes between two statements."""

        def execute(self, statement: str, values: tuple[int, ...]) -> sqlite3.Cursor:
            if len(asked) == 1:
                journal.append(b"x")
            asked.append(statement)
            return connected().execute(statement, values)

    monkeypatch.setattr(journal, "_connected", Asked)

    assert journal.first() == 0
    assert len(asked) == 2


def test_the_room_of_what_was_cut_is_used_again(store: JournalStore, path: Path) -> None:
    journal = store.open(CONTROL)
    sizes = []

    for _ in range(6):
        last = [journal.append(bytes(50_000)) for _ in range(40)][-1]
        journal.truncate(last)
        sizes.append(path.stat().st_size)

    assert sizes[-1] <= sizes[1], sizes


def test_a_writer_never_waits_long_for_a_cut(store: JournalStore, path: Path) -> None:
    journal = store.open(CONTROL)
    last = [journal.append(bytes(20_000)) for _ in range(400)][-1]
    other = SqliteJournalStore(str(path)).open(CONTROL)
    assert isinstance(other, SqliteJournal)
    appended, pauses_s = [last], list[float]()

    class Pause(threading.Event):
        """Between two slices: as long as it takes until somebody has written."""

        def wait(self, timeout: float | None = None) -> bool:
            before = appended[-1]
            pauses_s.append(timeout or 0.0)
            wait_until(lambda: appended[-1] > before, "an append between two slices")
            return False

    other._has_closed = Pause()
    cutting = threading.Thread(target=other.truncate, args=[last])
    cutting.start()
    while cutting.is_alive():
        appended.append(journal.append(b"x"))
    cutting.join()

    assert len(pauses_s) >= 3, "the cut held the file from its beginning to its end"
    assert min(pauses_s) > 0


def test_a_file_that_went_back_in_time_is_noticed(store: JournalStore, path: Path) -> None:
    journal = store.open(CONTROL)
    last = [journal.append(b"x") for _ in range(3)][-1]
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM entry")
        connection.execute("UPDATE journal SET next_position = 1")
    connection.close()

    with pytest.raises(NotInJournalError):
        journal.read(last, wait_s=0)


def test_timestamps_come_from_the_given_clock(path: Path) -> None:
    store = SqliteJournalStore(str(path), now_ms=lambda: 1_700_000_000_123)
    journal = store.open(CONTROL)
    journal.append(b"x")

    assert read_all(journal, 1)[0].timestamp_ms == 1_700_000_000_123
    store.close()


def test_a_forked_child_and_its_parent_append_and_read_side_by_side(store: JournalStore) -> None:
    journal = store.open(CONTROL)
    journal.append(b"parent before")
    assert len(read_all(journal, 1)) == 1

    def child() -> bool:
        journal.append(b"child")
        return data_of(read_all(journal, 2)) == [b"parent before", b"child"]

    assert in_child(child) == 0
    journal.append(b"parent after")
    assert data_of(read_all(journal, 3)) == [b"parent before", b"child", b"parent after"]


def test_a_child_forked_while_its_parent_writes_and_reads_can_do_both(store: JournalStore) -> None:
    """What SQLite knows of its own locks in a process is inherited: a child must not believe that it holds one."""
    busy, read = store.open(CONTROL), store.open("queue.read")
    read.append(b"to be read")
    is_over = threading.Event()

    def work(once: Callable[[], object]) -> None:
        while not is_over.is_set():
            once()

    works = (lambda: busy.append(bytes(20_000)), lambda: read.read(BEFORE_THE_FIRST, wait_s=0))
    threads = [threading.Thread(target=work, args=(once,)) for once in works]
    for thread in threads:
        thread.start()

    codes = [in_child(lambda: read.append(b"from a child") and data_of(read_all(read, 2))) for _ in range(12)]

    is_over.set()
    for thread in threads:
        thread.join()
    assert set(codes) == {0}


def test_a_forked_child_keeps_the_log_when_its_parent_leaves(path: Path) -> None:
    store = SqliteJournalStore(str(path))
    journal = store.open(CONTROL)
    child_is_there, of_child = os.pipe()
    parent_has_left, of_parent = os.pipe()
    child = os.fork()
    if child == 0:
        journal.append(b"before")
        os.write(of_child, b"!")
        os.read(parent_has_left, 1)
        journal.append(b"after")
        os._exit(0)
    os.read(child_is_there, 1)
    store.close()
    os.write(of_parent, b"!")
    os.waitpid(child, 0)

    again = SqliteJournalStore(str(path))
    assert data_of(read_all(again.open(CONTROL), 2)) == [b"before", b"after"]
    again.close()


@pytest.mark.alone
def test_a_waiting_read_costs_next_to_nothing(store: JournalStore) -> None:
    journal = store.open(CONTROL)
    before_s = time.process_time()

    journal.read(BEFORE_THE_FIRST, wait_s=0.5)

    assert time.process_time() - before_s < 0.02


def refuse(path: Path) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        SqliteJournalStore(str(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "name a file in it" in refuse(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "asynq.db"

    with pytest.raises(InvalidArgumentError, match="does not exist; make it"):
        SqliteJournalStore(str(path))


def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_text("dear diary, " * 100)

    assert "is no SQLite file" in refuse(path)
    assert path.read_text() == "dear diary, " * 100


def test_another_programs_database_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")
    connection.close()

    assert "another program" in refuse(path)


def test_a_newer_schema_is_refused(store: JournalStore, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()

    assert "upgrade asynq_compat" in refuse(path)


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    path.touch()

    store = SqliteJournalStore(str(path))
    store.open(CONTROL).append(b"x")
    store.close()


def test_a_damaged_file_says_so(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    with pytest.raises((CorruptDataError, InvalidArgumentError), match=str(path)):
        SqliteJournalStore(str(path))


@pytest.mark.parametrize(("is_replaced", "what"), [(False, "was removed"), (True, "was replaced by another")])
def test_nothing_more_is_written_to_a_file_that_nobody_will_find(path: Path, is_replaced: bool, what: str) -> None:
    store = SqliteJournalStore(str(path))
    journal = store.open(CONTROL)
    journal.append(b"x")
    for one in path.parent.glob("asynq.db*"):
        one.rename(one.with_name(f"old-{one.name}"))
    if is_replaced:
        SqliteJournalStore(str(path)).close()

    with pytest.raises(BrokerUnavailableError, match=what):
        journal.append(b"y")
    with pytest.raises(BrokerUnavailableError, match=what):
        journal.read(journal.end(), wait_s=0)
    store.close()


def test_a_folder_that_is_closed_for_a_while_is_told_from_a_file_that_is_gone() -> None:
    with tempfile.TemporaryDirectory() as folder:

        def as_nobody() -> bool:
            store = SqliteJournalStore(str(Path(folder) / "asynq.db"))
            journal = store.open(CONTROL)
            journal.append(b"x")
            Path(folder).chmod(0)
            user = os.geteuid()
            if user == 0:  # Root may go everywhere.
                os.seteuid(NOBODY)
            try:
                journal.append(b"y")
            except BrokerUnavailableError as error:
                told = str(error)
            os.seteuid(user)
            Path(folder).chmod(0o700)
            return "cannot be looked at: Permission denied" in told and journal.append(b"z") == 1

        assert in_child(as_nobody) == 0


def test_a_file_that_may_not_be_written_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "asynq.db"
        SqliteJournalStore(str(path)).close()
        Path(folder).chmod(0o755)
        path.chmod(0o444)

        def as_nobody() -> bool:
            if os.geteuid() == 0:  # Root may write everything.
                os.seteuid(NOBODY)
            try:
                SqliteJournalStore(str(path))
            except InvalidArgumentError as error:
                return "cannot be written" in str(error) and str(path) in str(error)
            return False

        assert in_child(as_nobody) == 0


def test_a_reader_looks_at_the_file_only_when_it_was_told_of_something(
    store: JournalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LOOK_EVERY_S", 2 * LONG_S)  # However slow the disk is.
    journal = store.open("queue.q")
    journal.append(b"first")
    assert [entry.position for entry in journal.read(BEFORE_THE_FIRST, wait_s=LONG_S).entries] == [0]
    asked: list[str] = []
    journal._connected().set_trace_callback(asked.append)  # type: ignore[attr-defined]

    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(journal.read, 0, wait_s=LONG_S)
        wait_until(journal._turn.locked, "a read")  # type: ignore[attr-defined]
        journal.append(b"second")
        batch = read.result(LONG_S)

    assert [entry.position for entry in batch.entries] == [1]
    assert len([text for text in asked if "data" in text]) == 1


def test_a_reader_finds_what_nobody_told_of(path: Path, store: JournalStore) -> None:
    """As of a writer that died between its commit and its signal."""
    journal = store.open("queue.q")
    journal.append(b"first")
    assert journal.read(BEFORE_THE_FIRST, wait_s=LONG_S).upto == 0
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("UPDATE journal SET next_position = 2 WHERE name = 'queue.q'")
        writer.execute("INSERT INTO entry SELECT id + 1, timestamp_ms, data FROM entry")
        writer.commit()

    assert journal.read(0, wait_s=0).upto == 1
    assert journal.read(0, wait_s=LONG_S).upto == 1
