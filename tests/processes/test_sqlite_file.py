"""Do processes share a SQLite file without harm, whoever leaves it, dies or waits?"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.journals.journal import CONTROL, JournalStore
from asynq_compat.journals.sqlite import SqliteJournalStore
from tests.processes.appender import go, start_appender
from tests.unit.journals.contract import LONG_S, data_of, read_all


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "asynq.db"


@pytest.fixture
def store(path: Path) -> Iterator[JournalStore]:
    store = SqliteJournalStore(str(path))
    yield store
    store.close()


def visit(path: Path) -> None:
    """Open the file, read and leave, as another process."""
    work = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM journal').fetchall(); c.close()"
    subprocess.run([sys.executable, "-c", work, str(path)], check=True)


def test_a_visitor_that_leaves_does_not_take_the_log_of_who_stays(store: JournalStore, path: Path) -> None:
    journal = store.open(CONTROL)
    another_handle = SqliteJournalStore(str(path))  # Its opening must not cost the first its locks.

    visit(path)
    journal.append(b"x")
    visit(path)

    assert data_of(read_all(another_handle.open(CONTROL), 1)) == [b"x"]
    another_handle.close()


def test_a_waiting_read_wakes_for_another_process(store: JournalStore, path: Path) -> None:
    journal = store.open(CONTROL)
    other = start_appender(path, "other", 0.2)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.extend(data_of(read_all(journal, 1))))
    reader.start()

    go(other)
    reader.join(LONG_S)
    other.communicate()

    assert found[0] == b"other 0"


def test_four_processes_get_their_turns(store: JournalStore, path: Path) -> None:
    """SQLite's own way of waiting gave one of four writers a single commit in five seconds."""
    journal = store.open(CONTROL)
    writers = [start_appender(path, f"w{number}", 1.5) for number in range(4)]

    for writer in writers:
        go(writer)
    acknowledged = [[int(line) for line in writer.communicate()[0].split()] for writer in writers]

    counts = [len(positions) for positions in acknowledged]
    assert min(counts) > max(counts) / 5, counts
    positions = sorted(position for each in acknowledged for position in each)
    assert [entry.position for entry in read_all(journal, len(positions))] == positions


def test_a_writer_killed_while_appending_loses_nothing_acknowledged_and_blocks_nobody(
    store: JournalStore, path: Path
) -> None:
    journal = store.open(CONTROL)
    acknowledged: list[int] = []
    for attempt in range(5):
        victim = start_appender(path, f"victim{attempt}", LONG_S)
        assert victim.stdout is not None
        go(victim)
        acknowledged += [int(victim.stdout.readline()) for _ in range(10)]
        victim.kill()
        rest, _ = victim.communicate()
        acknowledged += [int(line) for line in rest.split("\n")[:-1]]

    mine = journal.append(b"still possible")

    entries = read_all(journal, mine + 1)
    positions = [entry.position for entry in entries]
    assert positions == list(range(mine + 1))
    assert set(acknowledged) < set(positions)
