"""What can be asked for when a task is enqueued?

Contract: an option is an immutable value; options of the same kind overrule earlier ones, ProcessAt and ProcessIn are one kind. What
cannot be expressed in Go (a wrong type, NaN, a naive datetime) is refused when the option is made; what Go would refuse is refused
when the task is enqueued, in Go's order.
Not obvious: durations are seconds (int, float) or `timedelta`, instants aware `datetime` or Unix seconds. Instants are printed in UTC.
Source: asynq v0.26.0 `Option`; docs/semantics.md, "options".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TypedDict

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.go_text import go_duration, go_quoted, go_unix_date
from asynq_compat.rules.instants import EPOCH, instant_of
from asynq_compat.rules.keywords import suggesting, unknown_keyword
from asynq_compat.rules.limits import DURATION_NS_MAX, INSTANT_S_MAX, INSTANT_S_MIN, INT32_MAX, NS_PER_S, shown

Duration = int | float | timedelta
Instant = int | float | datetime

_MICROSECOND = timedelta(microseconds=1)


class OptionType(IntEnum):
    """The kind of an option, with Go's integers."""

    MAX_RETRY = 0
    QUEUE = 1
    TIMEOUT = 2
    DEADLINE = 3
    UNIQUE = 4
    PROCESS_AT = 5
    PROCESS_IN = 6
    TASK_ID = 7
    RETENTION = 8
    GROUP = 9


# Go's names of the kinds.
MaxRetryOpt, QueueOpt = OptionType.MAX_RETRY, OptionType.QUEUE
TimeoutOpt, DeadlineOpt = OptionType.TIMEOUT, OptionType.DEADLINE
UniqueOpt, RetentionOpt = OptionType.UNIQUE, OptionType.RETENTION
ProcessAtOpt, ProcessInOpt = OptionType.PROCESS_AT, OptionType.PROCESS_IN
TaskIDOpt, GroupOpt = OptionType.TASK_ID, OptionType.GROUP

_TEXT_TYPES = frozenset({OptionType.QUEUE, OptionType.TASK_ID, OptionType.GROUP})
_INSTANT_TYPES = frozenset({OptionType.DEADLINE, OptionType.PROCESS_AT})
_GO_NAMES = {
    OptionType.MAX_RETRY: "MaxRetry",
    OptionType.QUEUE: "Queue",
    OptionType.TIMEOUT: "Timeout",
    OptionType.DEADLINE: "Deadline",
    OptionType.UNIQUE: "Unique",
    OptionType.PROCESS_AT: "ProcessAt",
    OptionType.PROCESS_IN: "ProcessIn",
    OptionType.TASK_ID: "TaskID",
    OptionType.RETENTION: "Retention",
    OptionType.GROUP: "Group",
}


class Option:
    """One wish about a task; made by `MaxRetry`, `Queue`, ... ``str()`` gives Go's form.

    Attributes:
        type: Its kind.
        number: A count, or nanoseconds (of a duration, or since the Unix epoch); 0 for a text.
        text: The name of a queue, task or group; "" for a number.
    """

    __slots__ = ("_hash", "number", "text", "type")

    def __init__(self, kind: OptionType, *, number: int = 0, text: str = "") -> None:
        self.type = kind
        self.number = number
        self.text = text
        self._hash = hash((int(kind), number, text))

    @property
    def value(self) -> int | str | timedelta | datetime:
        """The value as a user knows it: a count, a name, a `timedelta`, or a `datetime` in UTC."""
        if self.type in _TEXT_TYPES:
            return self.text
        if self.type in _INSTANT_TYPES:
            return instant_of(self.number)
        if self.type is OptionType.MAX_RETRY:
            return self.number
        return timedelta(microseconds=self.number // 1_000)

    def __str__(self) -> str:
        name = _GO_NAMES[self.type]
        if self.type in _TEXT_TYPES:
            return f"{name}({go_quoted(self.text)})"
        if self.type in _INSTANT_TYPES:
            return f"{name}({go_unix_date(self.number // NS_PER_S)})"
        if self.type is OptionType.MAX_RETRY:
            return f"{name}({self.number})"
        return f"{name}({go_duration(self.number)})"

    __repr__ = __str__

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Option):
            return NotImplemented
        return self.type is other.type and self.number == other.number and self.text == other.text


@suggesting
def MaxRetry(n: int) -> Option:
    """How often a failed task is tried again; 25 unless said otherwise, a negative number means 0."""
    return Option(OptionType.MAX_RETRY, number=_retry_count(n))


@suggesting
def Queue(name: str) -> Option:
    """The queue to put the task into; "default" unless said otherwise."""
    return Option(OptionType.QUEUE, text=_text("queue", name))


@suggesting
def TaskID(id: str) -> Option:
    """The id of the task, unique in its queue; a new UUID unless said otherwise."""
    return Option(OptionType.TASK_ID, text=_text("task_id", id))


@suggesting
def Timeout(duration: Duration) -> Option:
    """How long one attempt may take; 30 minutes if there is neither timeout nor deadline. 0 means no limit of its own."""
    return Option(OptionType.TIMEOUT, number=duration_ns("timeout", duration))


@suggesting
def Deadline(instant: Instant) -> Option:
    """When the task has to be done; the Unix epoch means none."""
    return Option(OptionType.DEADLINE, number=instant_ns("deadline", instant))


@suggesting
def Unique(ttl: Duration) -> Option:
    """For how long no other task with the same queue, type and payload is taken; at least one second."""
    return Option(OptionType.UNIQUE, number=duration_ns("unique", ttl))


@suggesting
def ProcessAt(instant: Instant) -> Option:
    """When the task becomes pending; a past instant means at once."""
    return Option(OptionType.PROCESS_AT, number=instant_ns("process_at", instant))


@suggesting
def ProcessIn(duration: Duration) -> Option:
    """In how much time the task becomes pending."""
    return Option(OptionType.PROCESS_IN, number=duration_ns("process_in", duration))


@suggesting
def Retention(duration: Duration) -> Option:
    """How long the task is kept after success; less than a second means not at all."""
    return Option(OptionType.RETENTION, number=duration_ns("retention", duration))


@suggesting
def Group(name: str) -> Option:
    """The group in which the task waits to be aggregated."""
    return Option(OptionType.GROUP, text=_text("group", name))


class OptionKeywords(TypedDict, total=False):
    """The keyword form of the options."""

    max_retry: int
    queue: str
    task_id: str
    timeout: Duration
    deadline: Instant
    unique: Duration
    process_at: Instant
    process_in: Duration
    retention: Duration
    group: str


OPTION_BY_KEYWORD: Mapping[str, Callable[..., Option]] = {
    "max_retry": MaxRetry,
    "queue": Queue,
    "task_id": TaskID,
    "timeout": Timeout,
    "deadline": Deadline,
    "unique": Unique,
    "process_at": ProcessAt,
    "process_in": ProcessIn,
    "retention": Retention,
    "group": Group,
}


def options_from_keywords(keywords: Mapping[str, object]) -> tuple[Option, ...]:
    """Return the options that the keywords stand for, in their order.

    Raises:
        InvalidArgumentError: A keyword is unknown (the message suggests the nearest) or its value is wrong.
    """
    return tuple([_option_from_keyword(name, value) for name, value in keywords.items()])


def _option_from_keyword(name: str, value: object) -> Option:
    make = OPTION_BY_KEYWORD.get(name)
    if make is None:
        raise unknown_keyword(name, OPTION_BY_KEYWORD, kind="option")
    return make(value)


def duration_ns(name: str, duration: object) -> int:
    """Return a duration in nanoseconds; `name` is what an error calls it.

    Raises:
        InvalidArgumentError: It is no number of seconds and no timedelta, not finite, or beyond Go's 292 years.
    """
    if isinstance(duration, timedelta):
        value = duration // _MICROSECOND * 1_000
    elif isinstance(duration, int) and not isinstance(duration, bool):
        value = duration * NS_PER_S
    elif isinstance(duration, float) and math.isfinite(duration):
        value = _float_ns(duration)
    else:
        raise InvalidArgumentError(
            f"{name} must be a finite number of seconds or a timedelta, got {shown(duration)}; for example {name}=1.5"
        )
    if not -DURATION_NS_MAX <= value <= DURATION_NS_MAX:
        raise InvalidArgumentError(
            f"{name} must be less than 292 years, got {shown(duration)}; durations are in seconds"
        )
    return value


def instant_ns(name: str, instant: object) -> int:
    """Return an instant in Unix nanoseconds; `name` is what an error calls it.

    Raises:
        InvalidArgumentError: It is no aware datetime and no Unix seconds, not finite, or outside the years 1 to 9999.
    """
    if isinstance(instant, datetime):
        if instant.tzinfo is None or instant.utcoffset() is None:
            raise InvalidArgumentError(
                f"{name} must be a datetime with a time zone, got the naive {shown(instant)}; "
                f"use datetime.now(timezone.utc) or value.astimezone()"
            )
        value = (instant - EPOCH) // _MICROSECOND * 1_000
    elif isinstance(instant, int) and not isinstance(instant, bool):
        value = instant * NS_PER_S
    elif isinstance(instant, float) and math.isfinite(instant):
        # A float of today's Unix seconds is good for microseconds, as datetime.timestamp() gives them.
        value = (_float_ns(instant) + 500) // 1_000 * 1_000
    else:
        raise InvalidArgumentError(
            f"{name} must be an aware datetime or Unix seconds, got {shown(instant)}; for example datetime.now(timezone.utc)"
        )
    if not INSTANT_S_MIN <= value // NS_PER_S <= INSTANT_S_MAX:
        raise InvalidArgumentError(
            f"{name} must lie in the years 1 to 9999, got {shown(instant)}; Unix instants are in seconds, not milliseconds"
        )
    return value


def _float_ns(seconds: float) -> int:
    whole = math.floor(seconds)
    return whole * NS_PER_S + round((seconds - whole) * NS_PER_S)


def _retry_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value > INT32_MAX:
        raise InvalidArgumentError(
            f"max_retry must be an integer up to {INT32_MAX}, got {shown(value)}; use 25, Asynq's default, or leave it out"
        )
    return max(value, 0)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(
            f"{name} must be a str, got {shown(value)}; convert it first, for example str(value)"
        )
    return value
