"""Do options mean what Asynq's mean, and is nonsense refused when they are made?"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import pytest

from asynq_compat import errors
from asynq_compat.options import (
    Deadline,
    Group,
    MaxRetry,
    Option,
    OptionType,
    ProcessAt,
    ProcessIn,
    Queue,
    Retention,
    TaskID,
    Timeout,
    Unique,
    options_from_keywords,
)

AWARE = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
ALL: list[tuple[Option, OptionType, object, str]] = [
    (MaxRetry(3), OptionType.MAX_RETRY, 3, "MaxRetry(3)"),
    (Queue("x"), OptionType.QUEUE, "x", 'Queue("x")'),
    (TaskID("x"), OptionType.TASK_ID, "x", 'TaskID("x")'),
    (Timeout(90), OptionType.TIMEOUT, timedelta(seconds=90), "Timeout(1m30s)"),
    (Deadline(0), OptionType.DEADLINE, datetime(1970, 1, 1, tzinfo=UTC), "Deadline(Thu Jan  1 00:00:00 UTC 1970)"),
    (Unique(1.5), OptionType.UNIQUE, timedelta(seconds=1.5), "Unique(1.5s)"),
    (ProcessAt(AWARE), OptionType.PROCESS_AT, AWARE, "ProcessAt(Fri Jan  2 03:04:05 UTC 2026)"),
    (ProcessIn(timedelta(hours=26)), OptionType.PROCESS_IN, timedelta(hours=26), "ProcessIn(26h0m0s)"),
    (Retention(0), OptionType.RETENTION, timedelta(0), "Retention(0s)"),
    (Group("g"), OptionType.GROUP, "g", 'Group("g")'),
]


@pytest.mark.parametrize(("option", "kind", "value", "text"), ALL, ids=str)
def test_an_option_has_gos_type_value_and_text(option: Option, kind: OptionType, value: object, text: str) -> None:
    assert (option.type, option.value, str(option), repr(option)) == (kind, value, text, text)


def test_the_kinds_have_gos_integers() -> None:
    in_gos_order = [MaxRetry(0), Queue(""), Timeout(0), Deadline(0), Unique(0), ProcessAt(0), ProcessIn(0), TaskID("")]

    assert [option.type for option in [*in_gos_order, Retention(0), Group("")]] == list(range(10))


def test_options_are_values() -> None:
    assert Queue("x") == Queue("x")
    assert hash(Queue("x")) == hash(Queue("x"))
    assert Queue("x") != TaskID("x")
    assert Timeout(1) == Timeout(timedelta(seconds=1))
    assert Queue("x") != "x"


def test_a_negative_retry_count_means_none() -> None:
    assert MaxRetry(-1) == MaxRetry(0)


def test_an_instant_may_be_given_in_any_zone_and_is_printed_in_utc() -> None:
    elsewhere = AWARE.astimezone(timezone(timedelta(hours=5)))

    assert ProcessAt(elsewhere) == ProcessAt(AWARE) == ProcessAt(AWARE.timestamp())
    assert "03:04:05 UTC" in str(ProcessAt(elsewhere))


@pytest.mark.parametrize("count", [2**31, 1 << 40, 1.5, 3.0, "3", None, True])
def test_a_huge_or_non_integer_retry_count_is_refused(count: object) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        MaxRetry(cast("int", count))

    assert str(caught.value) == (
        f"max_retry must be an integer up to 2147483647, got {count!r}; use 25, Asynq's default, or leave it out"
    )


@pytest.mark.parametrize("make", [Timeout, Unique, ProcessIn, Retention])
@pytest.mark.parametrize(
    "duration", [math.nan, math.inf, -math.inf, "5", None, True, b"1", AWARE, 1e300, 10**12, timedelta.max]
)
def test_a_duration_that_is_none_is_refused(make: Callable[[object], Option], duration: object) -> None:
    with pytest.raises(
        errors.InvalidArgumentError, match=r"(timeout|unique|process_in|retention) must be .*, got "
    ) as caught:
        make(duration)

    assert repr(duration) in str(caught.value)


@pytest.mark.parametrize("make", [Deadline, ProcessAt])
@pytest.mark.parametrize("instant", [math.nan, math.inf, "now", None, False, timedelta(1), 1e300, 1_767_322_800_000])
def test_an_instant_that_is_none_is_refused(make: Callable[[object], Option], instant: object) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"(deadline|process_at) must .*, got ") as caught:
        make(instant)

    assert repr(instant) in str(caught.value)


@pytest.mark.parametrize("make", [Deadline, ProcessAt])
def test_a_naive_datetime_is_refused_and_the_message_says_how_to_make_it_aware(
    make: Callable[[object], Option],
) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"naive.*datetime\.now\(timezone\.utc\)"):
        make(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test


@pytest.mark.parametrize("make", [Queue, TaskID, Group])
@pytest.mark.parametrize("name", [5, None, b"q", ["q"]])
def test_a_name_that_is_no_text_is_refused(make: Callable[[object], Option], name: object) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="must be a str, got "):
        make(name)


def test_keywords_stand_for_options() -> None:
    made = options_from_keywords(
        {
            "queue": "low", "max_retry": 3, "task_id": "a", "timeout": 1, "deadline": 2, "unique": 3,
            "process_at": 4, "process_in": 5, "retention": 6, "group": "g",
        }
    )  # fmt: skip

    assert made == (
        Queue("low"), MaxRetry(3), TaskID("a"), Timeout(1), Deadline(2), Unique(3), ProcessAt(4), ProcessIn(5), Retention(6),
        Group("g"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keyword", "advice"),
    [
        ("max_retries", "did you mean max_retry=?"),
        ("que", "did you mean queue=?"),
        ("processin", "did you mean process_in=?"),
        ("MaxRetry", "did you mean max_retry=?"),
        ("colour", "use one of max_retry, queue, "),
    ],
)
def test_an_unknown_keyword_is_refused_and_the_near_one_suggested(keyword: str, advice: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        options_from_keywords({keyword: 1})

    assert str(caught.value).startswith(f"unknown option {keyword!r}; {advice}")
