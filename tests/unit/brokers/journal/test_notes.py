"""Which of the machine's notes reach the log, and how often?"""

from __future__ import annotations

import pytest

from asynq_compat.brokers.journal.following.notes import PERIOD_S, WRITTEN_MAX, Notes


def test_the_first_notes_are_written_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    Notes("queue.a").tell(7, ["entry 7 was skipped: it is empty"], 100.0)

    assert caplog.messages == ["queue.a, position 7: entry 7 was skipped: it is empty"]


def test_a_flood_is_counted_and_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    notes = Notes("queue.a")
    for position in range(1_000):
        notes.tell(position, [f"note {position}"], 100.0)

    notes.pass_time(100.0 + PERIOD_S)
    notes.pass_time(100.0 + 2 * PERIOD_S)

    assert len(caplog.messages) == WRITTEN_MAX + 1
    assert caplog.messages[-1] == f"queue.a: {1_000 - WRITTEN_MAX} more such lines in 10 s, the last: note 999"


def test_after_the_period_notes_are_written_again(caplog: pytest.LogCaptureFixture) -> None:
    notes = Notes("queue.a")
    for _ in range(WRITTEN_MAX + 1):
        notes.tell(1, ["old"], 100.0)

    notes.tell(2, ["new"], 100.0 + PERIOD_S)

    assert caplog.messages[-2:] == ["queue.a: 1 more such lines in 10 s, the last: old", "queue.a, position 2: new"]
