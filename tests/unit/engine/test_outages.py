"""Is an outage told once, now and then, and when it is over?"""

from __future__ import annotations

import logging

import pytest

from asynq_compat.engine.outages import TELL_EVERY_S, Outages
from asynq_compat.errors import BrokerUnavailableError, NotFoundError
from asynq_compat.testing import VirtualClock

LOG = logging.getLogger("asynq_compat.test")
WHAT = "Failed to do it"


@pytest.fixture
def outages(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> Outages:
    caplog.set_level(logging.INFO)
    return Outages(LOG, clock.monotonic_s)


def fail(outages: Outages, what: str = WHAT) -> None:
    """Fail for want of an answer."""
    with outages.told(what):
        raise BrokerUnavailableError("gone")


def test_an_outage_is_told_at_once_then_each_minute_and_its_end(
    outages: Outages, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2 * int(TELL_EVERY_S) + 1):
        fail(outages)
        clock.advance(1)
    with outages.told(WHAT):
        pass
    with outages.told(WHAT):
        pass

    assert caplog.messages == [
        "Failed to do it: gone",
        "Failed to do it, for 60 s now: gone",
        "Failed to do it, for 120 s now: gone",
        "Over after 121.0 s: Failed to do it",
    ]


def test_the_next_outage_begins_anew(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    fail(outages)
    outages.over(WHAT)
    caplog.clear()

    fail(outages)

    assert caplog.messages == ["Failed to do it: gone"]


def test_what_fails_otherwise_is_told_each_time_at_its_level(
    outages: Outages, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with outages.told(WHAT, logging.WARNING):
            raise NotFoundError("no such thing")

    assert caplog.messages == ["Failed to do it: no such thing"] * 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_each_thing_has_outages_of_its_own(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    fail(outages)
    fail(outages, "Failed to do another")
    outages.over("Failed to do another")

    fail(outages)

    assert caplog.messages == [
        "Failed to do it: gone",
        "Failed to do another: gone",
        "Over after 0.0 s: Failed to do another",
    ]


def test_what_is_no_error_of_ours_is_raised(outages: Outages) -> None:
    with pytest.raises(ZeroDivisionError), outages.told(WHAT):
        raise ZeroDivisionError
