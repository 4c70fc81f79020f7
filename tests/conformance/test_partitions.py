"""Does a queue of four partitions in a SQLite file do what every broker must, as far as it holds for each?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import journal_harness, noon_clock, scenarios

COUNT = 4


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[QueueHarness]:
    clock = noon_clock()
    with journal_harness(SqliteJournalStore(str(tmp_path / "queue.db"), now_ms=clock.now_ms), clock, COUNT) as queue:
        yield queue


@pytest.mark.parametrize("scenario", scenarios("partitions"), ids=lambda scenario: scenario.name)
def test_partitions(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
