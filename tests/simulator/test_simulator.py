"""Does the queue keep its promises in every history, and would the simulator notice if not?"""

from __future__ import annotations

import pytest

from tests.simulator.history import Report, run, unhit
from tests.simulator.mutants import MUTANTS, planted
from tests.simulator.observer import BrokenPromiseError

HISTORY_COUNT = 100
CAUGHT_WITHIN = 60


def test_every_history_keeps_every_promise() -> None:
    reports = run_many(HISTORY_COUNT)

    # A world without tasks, or without servers that are lost, would prove nothing.
    assert sum(report.acknowledged_count for report in reports) > 20 * HISTORY_COUNT
    assert sum(report.recovered_count for report in reports) > HISTORY_COUNT
    assert sum(report.replied_count for report in reports) > 5 * HISTORY_COUNT
    assert sum(report.folded_count for report in reports) > HISTORY_COUNT / 10
    assert sum(report.checkpoint_count for report in reports) > 5 * HISTORY_COUNT
    never = unhit(reports)
    assert not never, f"nobody ever died behind {never}"


def test_a_seed_is_a_history() -> None:
    assert run(7) == run(7)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_machine_is_caught(name: str) -> None:
    with planted(name), pytest.raises(BrokenPromiseError, match="seed"):
        run_many(CAUGHT_WITHIN)


def run_many(count: int) -> list[Report]:
    return [run(seed) for seed in range(count)]
