"""Is an attempt over when Asynq says so?"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.rules.deadline import attempt_deadline_ns

NOW_NS = 1_700_000_000_123_456_789
S = 1_000_000_000


def test_a_timeout_counts_from_now_with_full_precision() -> None:
    assert attempt_deadline_ns(NOW_NS, 30, 0) == NOW_NS + 30 * S


def test_a_deadline_alone_is_that_instant_even_when_passed() -> None:
    assert attempt_deadline_ns(NOW_NS, 0, 1_600_000_000) == 1_600_000_000 * S


def test_with_neither_thirty_minutes_are_given() -> None:
    assert attempt_deadline_ns(NOW_NS, 0, 0) == NOW_NS + 1800 * S


def test_a_negative_timeout_has_passed_already() -> None:
    assert attempt_deadline_ns(NOW_NS, -1, 0) < NOW_NS


@settings(max_examples=30)
@given(st.integers(1, 10**6), st.integers(1, 2**33))
def test_with_both_the_earlier_counts_in_whole_seconds(timeout_s: int, deadline_at: int) -> None:
    deadline_ns = attempt_deadline_ns(NOW_NS, timeout_s, deadline_at)

    assert deadline_ns % S == 0
    assert deadline_ns // S == min(1_700_000_000 + timeout_s, deadline_at)
