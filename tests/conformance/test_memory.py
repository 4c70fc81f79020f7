"""Does a journal in memory do what every broker must?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from tests.conformance.binding import journal_harness, noon_clock, scenarios


@pytest.fixture
def queue() -> Iterator[QueueHarness]:
    clock = noon_clock()
    with journal_harness(MemoryJournalStore(uuid.uuid4().hex, now_ms=clock.now_ms), clock) as queue:
        yield queue


@pytest.mark.parametrize("scenario", scenarios("memory"), ids=lambda scenario: scenario.name)
def test_memory(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)
