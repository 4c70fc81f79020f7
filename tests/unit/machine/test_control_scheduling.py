"""What does the control journal know of schedulers, and who makes a firing?"""

from __future__ import annotations

from typing import ClassVar

import pytest

from asynq_compat.machine.control import Claim
from asynq_compat.machine.control.scheduling import CLAIM_KEPT_MS, HISTORY_COUNT_MAX, HISTORY_KEPT_MS, SCHEDULING
from asynq_compat.wire import command as c
from asynq_compat.wire import scheduling_command as sc
from tests.unit.machine.log import START_MS
from tests.unit.machine.test_control import Control

AT_S = START_MS // 1_000
TERM_MS = 5_000


def test_a_schedulers_word_holds_for_its_ttl() -> None:
    control = Control()
    control.say(sc.scheduler("late", [b"1"], 20), sc.scheduler("early", [b"2", b"3"], 10))

    assert [(told.id, told.entries) for told in control.machine.schedulers(START_MS)] == [
        ("early", [b"2", b"3"]),
        ("late", [b"1"]),
    ]
    assert [told.id for told in control.machine.schedulers(START_MS + 10_000)] == ["late"]

    control.now_ms += 10_000
    control.say(sc.scheduler_gone("nobody"))
    assert [told.id for told in control.machine.schedulers(START_MS)] == ["late"]
    control.say(sc.scheduler_gone("late"))
    assert control.machine.schedulers(START_MS) == []


def test_a_history_keeps_the_newest_and_is_cleared() -> None:
    control = Control()
    for number in range(HISTORY_COUNT_MAX + 2):
        control.say(sc.enqueued("e", b"%d" % number))
    control.say(sc.enqueued("f", b"x"), sc.history_gone("nobody"))

    assert control.machine.enqueue_events("e") == [b"%d" % number for number in range(2, HISTORY_COUNT_MAX + 2)]
    control.say(sc.history_gone("e"))
    assert control.machine.enqueue_events("e") == []
    assert control.machine.enqueue_events("f") == [b"x"]


def test_a_history_that_nobody_adds_to_is_forgotten() -> None:
    control = Control()
    control.say(sc.enqueued("crashed", b"1"), sc.enqueued("lives", b"2"))
    control.now_ms += HISTORY_KEPT_MS - 1
    control.say(sc.enqueued("lives", b"3"))
    assert control.machine.enqueue_events("crashed") == [b"1"]

    control.now_ms += 1
    control.say(c.cancel("t"))

    assert control.machine.enqueue_events("crashed") == []
    assert control.machine.enqueue_events("lives") == [b"2", b"3"]


def test_the_first_claim_holds_for_its_term_and_then_another_may() -> None:
    control = Control()
    control.say(sc.claim("hourly", AT_S, "first", TERM_MS), sc.claim("hourly", AT_S, "second", TERM_MS))
    assert control.machine.claim("hourly", AT_S) == Claim("first", START_MS + TERM_MS, False)
    control.say(sc.claim("hourly", AT_S + 1, "second", TERM_MS))  # Another instant is another firing.
    assert control.machine.claim("hourly", AT_S + 1) == Claim("second", START_MS + TERM_MS, False)

    control.now_ms += TERM_MS
    control.say(sc.claim("hourly", AT_S, "second", TERM_MS))

    assert control.machine.claim("hourly", AT_S) == Claim("second", START_MS + 2 * TERM_MS, False)


def test_its_holder_renews_a_claim() -> None:
    control = Control()
    control.say(sc.claim("hourly", AT_S, "first", TERM_MS))
    control.now_ms += 1_000
    control.say(sc.claim("hourly", AT_S, "first", TERM_MS))

    assert control.machine.claim("hourly", AT_S) == Claim("first", START_MS + 1_000 + TERM_MS, False)


def test_a_firing_that_is_made_is_nobodys_any_more() -> None:
    control = Control()
    control.say(sc.claim("hourly", AT_S, "first", TERM_MS), sc.fired("hourly", AT_S))
    made = control.machine.claim("hourly", AT_S)
    assert made is not None
    assert made.is_made

    control.now_ms += 10 * TERM_MS
    control.say(sc.claim("hourly", AT_S, "second", TERM_MS), sc.claim("hourly", AT_S, "first", TERM_MS))

    assert control.machine.claim("hourly", AT_S) == made


def test_an_instant_long_past_is_refused_and_forgotten() -> None:
    """Else a scheduler that slept would find nothing and fire again."""
    control = Control()
    control.say(sc.claim("hourly", AT_S, "first", TERM_MS), sc.fired("hourly", AT_S))

    control.now_ms = AT_S * 1_000 + CLAIM_KEPT_MS
    control.say(sc.claim("hourly", AT_S, "slept", TERM_MS), sc.fired("hourly", AT_S))

    assert control.machine.claim("hourly", AT_S) is None


def test_claims_of_a_clock_far_ahead_keep_no_others_from_being_forgotten() -> None:
    control = Control()
    far_s = AT_S + 365 * 86_400
    control.say(sc.claim("hourly", far_s, "ahead", TERM_MS), sc.claim("hourly", far_s + 1, "ahead", TERM_MS))

    for minute in range(120):
        control.now_ms = START_MS + minute * 60_000
        control.say(sc.claim("minutely", AT_S + minute * 60, "right", TERM_MS))

    claims = control.machine.state.scheduling.claims
    assert {("hourly", far_s), ("hourly", far_s + 1)} < claims.keys()
    assert len(claims) <= 2 + CLAIM_KEPT_MS // 60_000 + 3


class _Older(type(Control().machine)):  # type: ignore[misc]
    """As released before schedulers told anything."""

    _TRANSITIONS: ClassVar = {
        code: transition for code, transition in Control().machine._TRANSITIONS.items() if code not in SCHEDULING
    }


def test_a_release_that_does_not_know_them_stays_on_the_same_trail() -> None:
    control, older = Control(), Control()
    older.machine = _Older()
    for commands in (
        [sc.scheduler("s", [b"1"], 20), sc.claim("hourly", AT_S, "s", TERM_MS)],
        [sc.enqueued("e", b"1"), sc.fired("hourly", AT_S), sc.history_gone("e"), sc.scheduler_gone("s")],
    ):
        assert older.say(*commands).outcomes == control.say(*commands).outcomes

    assert older.machine.trail == control.machine.trail


@pytest.mark.parametrize(
    "command",
    [
        [c.SCHEDULER, "", [], 10],
        [c.SCHEDULER, "s", ["text"], 10],
        [c.SCHEDULER, "s", [], 0],
        [c.SCHEDULER_GONE, 7],
        [c.ENQUEUED, "", b""],
        [c.ENQUEUED, "e", "text"],
        [c.HISTORY_GONE],
        [c.CLAIM, "e", AT_S, "s", 0],
        [c.CLAIM, "", AT_S, "s", 1],
        [c.CLAIM, "e", 1.5, "s", 1],
        [c.FIRED, "e", None],
    ],
)
def test_what_is_malformed_is_noted_and_changes_nothing(command: c.Command) -> None:
    control = Control()
    applied = control.say(command)

    assert (applied.outcomes, len(applied.notes)) == ([[c.REJECTED]], 1)
    known = control.machine.state.scheduling
    assert (known.schedulers, known.histories, known.claims) == ({}, {}, {})
