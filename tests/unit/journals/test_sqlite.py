"""Does the journal in a SQLite file keep the contract?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.journals.journal import JournalStore
from asynq_compat.journals.sqlite import SqliteJournalStore
from tests.unit.journals.contract import JournalContract


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JournalStore]:
    store = SqliteJournalStore(str(tmp_path / "asynq.db"))
    yield store
    store.close()


class TestSqliteJournal(JournalContract):
    pass
