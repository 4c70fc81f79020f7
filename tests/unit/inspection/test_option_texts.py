"""Which option does a text mean?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.inspection.option_texts import read_option
from asynq_compat.options import (
    Deadline,
    Group,
    MaxRetry,
    Option,
    ProcessAt,
    ProcessIn,
    Queue,
    Retention,
    TaskID,
    Timeout,
    Unique,
)

AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
DURATION = st.timedeltas(timedelta(-9999), timedelta(99_999))
OPTION = st.one_of(
    st.builds(MaxRetry, st.integers(0, 2**31 - 1)),
    st.builds(Queue, TEXT),
    st.builds(TaskID, TEXT),
    st.builds(Group, TEXT),
    *(st.builds(make, DURATION) for make in (Timeout, Unique, ProcessIn, Retention)),
    *(st.builds(make, st.integers(0, 253_402_300_799)) for make in (Deadline, ProcessAt)),
)


@given(OPTION)
def test_what_an_option_prints_means_that_option(option: Option) -> None:
    """Also what Go's inspector loses: ids, groups and parentheses (G31)."""
    assert read_option(str(option)) == option


@pytest.mark.parametrize(
    ("text", "option"),
    [
        (r'Queue("\u00e9\xe2\x82\xac\U0001f600\t\"\101")', Queue('é€😀\t"A')),
        ("Queue(`raw\\n`)", Queue("raw\\n")),
        ("Timeout(1h0.5s)", Timeout(3_600.5)),
        ("Deadline(Thu Jan  2 03:04:05 UTC 2025)", Deadline(AT)),
        ("ProcessAt(Thu Jan  2 03:04:05 XYZ 2025)", ProcessAt(AT)),
        ("ProcessAt(Thu Jan  2 05:04:05 +02 2025)", ProcessAt(AT)),
        ("ProcessAt(Thu Jan  2 00:34:05 -0230 2025)", ProcessAt(AT)),
    ],
)
def test_what_go_prints_is_read_as_go_reads_it(text: str, option: Option) -> None:
    assert read_option(text) == option


@pytest.mark.parametrize(
    "text",
    [
        "", "Queue", "Queue(", "Queue(low)", 'Queue("low"', 'Queue("\\")', "MaxRetry(x)", "MaxRetry(99999999999)", "Timeout(1)",
        "Timeout()", "Deadline(yesterday)", "Deadline(Thu Feb 31 00:00:00 UTC 2025)", "Later(1s)", "()", "\ud800(1)",
    ],
)  # fmt: skip
def test_anything_else_means_none(text: str) -> None:
    assert read_option(text) is None
