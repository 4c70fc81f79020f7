"""Are Asynq's limits on names and numbers Go's?"""

from __future__ import annotations

import pytest

from asynq_compat.rules.limits import is_blank, is_utf8, shown, truncated_s


@pytest.mark.parametrize(
    "text", ["", " ", "\t\n\v\f\r", "\x85\xa0", "\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"]
)
def test_white_space_alone_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " a ", "\x1c", "\x1d\x1e\x1f", "\u200b", "\ufeff", "\x00"])
def test_what_go_does_not_call_white_space_is_no_blank(text: str) -> None:
    assert not is_blank(text)


def test_a_lone_surrogate_has_no_utf8_form() -> None:
    assert is_utf8("größe 🎉")
    assert not is_utf8("a\ud800")


@pytest.mark.parametrize(
    ("duration_ns", "seconds"), [(0, 0), (1_500_000_000, 1), (999_999_999, 0), (-1_500_000_000, -1), (-999_999_999, 0)]
)
def test_durations_are_cut_towards_zero(duration_ns: int, seconds: int) -> None:
    assert truncated_s(duration_ns) == seconds


def test_a_long_value_is_shown_in_part() -> None:
    assert shown("x" * 500) == "'" + "x" * 78 + "…"
    assert shown(5) == "5"
