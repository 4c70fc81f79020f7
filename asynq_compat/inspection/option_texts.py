"""Which option does a text mean, such as ``Queue("low")``?

Contract: reads what Go and this package write (`str(option)`); None for anything else.
Not obvious: Go's inspector loses TaskID, Group and whatever holds a closing parenthesis, and panics at a text without an opening one (G31).
An abbreviation of a time zone other than UTC means an offset only where the reader's own zone has it; else it is taken for 0, as by Go.
Source: asynq v0.26.0 `parseOption`; Go's `strconv.Unquote`, `time.Parse`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

from asynq_compat.errors import AsynqError
from asynq_compat.options import (
    Deadline,
    Group,
    MaxRetry,
    Option,
    OptionType,
    ProcessAt,
    Queue,
    TaskID,
)
from asynq_compat.rules.cron.go_parsing import parse_duration_ns, parse_int
from asynq_compat.rules.instants import EPOCH

_FORM = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_DATE = re.compile(
    r"[A-Z][a-z]{2} +([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2})(?:\.\d+)? ([A-Z]{3,5}(?:[+-]\d{1,2})?|[+-]\d{2,4}) (\d{4})"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34, "'": 39}
_DURATIONS = {
    "Timeout": OptionType.TIMEOUT,
    "Unique": OptionType.UNIQUE,
    "ProcessIn": OptionType.PROCESS_IN,
    "Retention": OptionType.RETENTION,
}


def read_option(text: str) -> Option | None:
    """Return the option that a text means; None where it means none."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    name, argument = form.groups()
    try:
        if name in _DURATIONS:
            return Option(_DURATIONS[name], number=parse_duration_ns(argument))
        read = _READERS.get(name)
        return None if read is None else read(argument)
    except (ValueError, OverflowError, AsynqError):
        return None


def _unquoted(text: str) -> str:
    """Return what Go's ``%q`` has printed."""
    if len(text) < 2 or text[0] != text[-1] or text[0] not in '"`':
        raise ValueError(f"no quoted text: {text[:80]}")
    if text[0] == "`":
        return text[1:-1]
    out = bytearray()
    at = 0
    body = text[1:-1]
    while at < len(body):
        if body[at] != "\\":
            out += body[at].encode()
            at += 1
            continue
        escape = _ESCAPE.match(body, at)
        if escape is None:
            raise ValueError(f"a text ends in its escape: {text[:80]}")
        out += _escaped(escape)
        at = escape.end()
    return out.decode(errors="replace")


def _escaped(escape: re.Match[str]) -> bytes:
    byte, short, long, octal, letter = escape.groups()
    if byte or octal:
        return bytes([int(byte, 16) if byte else int(octal, 8)])
    if short or long:
        return chr(int(short or long, 16)).encode()
    return bytes([_LETTERS[letter]]) if letter in _LETTERS else letter.encode()


def _instant(text: str) -> datetime:
    """Return an instant in the layout of Unix `date`."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"no date: {text[:80]}")
    month, day, hour, minute, second, zone, year = found.groups()
    shown = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    if zone == "UTC":
        return shown
    return _in_local_zone(shown, zone) or shown.replace(tzinfo=timezone(_offset(zone)))


def _in_local_zone(shown: datetime, abbreviation: str) -> datetime | None:
    for fold in (0, 1):
        local = shown.replace(tzinfo=None, fold=fold).astimezone()
        if local.tzname() == abbreviation:
            return local
    return None


def _offset(zone: str) -> timedelta:
    """Return the offset that a zone's text names itself, such as +03, +0530 or GMT+2; else none."""
    named = re.fullmatch(r"(?:GMT)?([+-])(\d{1,2})(\d{2})?", zone)
    if named is None:
        return timedelta(0)
    offset = timedelta(hours=int(named[2]), minutes=int(named[3] or 0))
    return -offset if named[1] == "-" else offset


def _at(make: Callable[[int], Option]) -> Callable[[str], Option]:
    return lambda argument: make((_instant(argument) - EPOCH) // timedelta(seconds=1))


_READERS: dict[str, Callable[[str], Option]] = {
    "Queue": lambda argument: Queue(_unquoted(argument)),
    "TaskID": lambda argument: TaskID(_unquoted(argument)),
    "Group": lambda argument: Group(_unquoted(argument)),
    "MaxRetry": lambda argument: MaxRetry(parse_int(argument)),
    "Deadline": _at(Deadline),
    "ProcessAt": _at(ProcessAt),
}
