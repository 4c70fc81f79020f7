"""Do processes share a SQLite file without harm, whoever leaves it, dies or waits?"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.connect import open_broker
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL, JournalStore
from asynq_compat.journals.sqlite import SqliteJournalStore
from tests.processes.appender import go, start_appender
from tests.services.waiting import wait_until
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
    """SQLite's own way of waiting gave one of four writers a single commit in five seconds: it would take minutes for these."""
    journal = store.open(CONTROL)
    writers = [start_appender(path, f"w{number}", 10 * LONG_S) for number in range(4)]
    began_at_s = time.monotonic()

    for writer in writers:
        go(writer)
    acknowledged = [[int(_line_of(writer)) for _ in range(100)] for writer in writers]
    took_s = time.monotonic() - began_at_s
    for writer, positions in zip(writers, acknowledged, strict=True):
        writer.kill()  # Until here each of them has appended without a pause.
        positions += rest_of(writer)

    assert took_s < LONG_S
    known = sorted(position for each in acknowledged for position in each)
    positions = [entry.position for entry in read_all(journal, known[-1] + 1)]
    assert positions == list(range(len(positions)))
    # A killed one may have stored one more than it could say.
    assert len(known) == len(set(known)) >= len(positions) - len(writers)


def _line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def rest_of(killed: subprocess.Popen[str]) -> list[int]:
    """Return the positions that it told besides. `communicate` would pass over what `readline` has read ahead."""
    assert killed.stdin is not None
    assert killed.stdout is not None
    ended, _, _ = killed.stdout.read().rpartition("\n")
    killed.wait()
    killed.stdin.close()
    killed.stdout.close()
    return list(map(int, ended.split()))


def test_a_writer_killed_while_appending_loses_nothing_acknowledged_and_blocks_nobody(
    store: JournalStore, path: Path
) -> None:
    journal = store.open(CONTROL)
    acknowledged: list[int] = []
    for attempt in range(5):
        victim = start_appender(path, f"victim{attempt}", LONG_S)
        go(victim)
        acknowledged += [int(_line_of(victim)) for _ in range(10)]
        victim.kill()
        acknowledged += rest_of(victim)

    mine = journal.append(b"still possible")

    entries = read_all(journal, mine + 1)
    positions = [entry.position for entry in entries]
    assert positions == list(range(mine + 1))
    assert set(acknowledged) < set(positions)


def test_nobody_subscribes_to_what_cannot_be_read(path: Path) -> None:
    """Else a server would tell again and again that an outage is over."""
    broker = open_broker(f"sqlite:///{path}")
    feed = broker.signalling.subscribe_cancelations()
    for one in path.parent.glob(f"{path.name}*"):
        one.rename(one.with_name(f"old-{one.name}"))

    def is_known_to_be_gone() -> bool:
        try:
            return bool(feed.next(0.05))
        except BrokerUnavailableError:
            return True

    wait_until(is_known_to_be_gone, "the reader to see it", 60)
    with pytest.raises(BrokerUnavailableError, match="was removed"):
        broker.signalling.subscribe_cancelations()
    feed.close()
    broker.close()
