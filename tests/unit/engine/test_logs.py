"""Which failures does a server's log list?"""

from __future__ import annotations

import logging

import pytest

from asynq_compat.engine.logs import FAILURES_LISTED_MAX, FAILURES_PERIOD_S, FailureLines

LOG = logging.getLogger("asynq_compat.test_logs")


class Hand:
    """A clock that is set by hand."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_of_every_period_the_first_failures_are_listed_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = Hand()
    lines = FailureLines(LOG, clock)

    listed = [lines.is_listed() for _ in range(FAILURES_LISTED_MAX + 7)]
    clock.now_s += FAILURES_PERIOD_S
    listed_again = lines.is_listed()

    assert listed == [True] * FAILURES_LISTED_MAX + [False] * 7
    assert listed_again
    assert [record.getMessage() for record in caplog.records] == [
        "more than 100 tasks failed within 10 s; the next ones are counted",
        "7 more tasks failed",
    ]


def test_what_was_counted_is_told_at_the_end_once(caplog: pytest.LogCaptureFixture) -> None:
    lines = FailureLines(LOG, Hand())
    for _ in range(FAILURES_LISTED_MAX + 3):
        lines.is_listed()
    caplog.clear()

    lines.end()
    lines.end()

    assert [record.getMessage() for record in caplog.records] == ["3 more tasks failed"]


def test_few_failures_are_listed_and_nothing_is_added(caplog: pytest.LogCaptureFixture) -> None:
    clock = Hand()
    lines = FailureLines(LOG, clock)

    assert all(lines.is_listed() for _ in range(FAILURES_LISTED_MAX))
    clock.now_s += FAILURES_PERIOD_S
    assert lines.is_listed()
    lines.end()

    assert not caplog.records
