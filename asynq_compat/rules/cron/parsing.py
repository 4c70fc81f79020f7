"""What does a cron spec say?

Contract: pure. Accepts and refuses what robfig/cron v3's standard parser does, with its texts: five fields or a descriptor, behind an optional zone.
Not obvious: what Go takes by accident is taken, since specs come from Go programs: `*-5` is `*`, `+5` is `5`, commas alone never fire. A zone
without anything behind it, at which Go panics, is an error.
Source: robfig/cron v3.0.1 `ParseStandard`; docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from asynq_compat.rules.cron.go_parsing import parse_duration_ns, parse_int
from asynq_compat.rules.cron.schedule import Every, Field, Schedule, Spec

_SECOND_NS = 1_000_000_000
# What Go takes for blanks between fields.
_BLANKS = re.compile("[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_EVERY = "@every "
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_BOUNDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


def parse_cron(spec: str, zone: tzinfo, find_zone: Callable[[str], tzinfo]) -> Schedule:
    """Return when `spec` fires.

    Args:
        spec: Such as "30 4 * * mon-fri", "@every 1h30m", "TZ=Asia/Tokyo 0 9 * * *".
        zone: Whose clock counts where the spec names none.
        find_zone: Returns the zone of a name; an empty one is UTC.

    Raises:
        ValueError: It is no spec, or `find_zone` knows no such zone; the text is Go's.
    """
    if not spec:
        raise ValueError("empty spec string")
    if spec.startswith(("TZ=", "CRON_TZ=")):
        head, blank, rest = spec.partition(" ")
        if not blank:
            raise ValueError(f"there is nothing behind the time zone: {spec}")
        name = head.partition("=")[2]
        try:
            # In cron "Local" is not the machine's zone but the scheduler's, as if none were named.
            zone = zone if name == "Local" else find_zone(name)
        except ValueError as error:
            raise ValueError(f"provided bad location {name}: {error}") from None
        spec = rest.strip(" \t\n\v\f\r\u0085\u00a0")
    if spec.startswith("@"):
        if spec.startswith(_EVERY):
            return _every(spec)
        if spec not in _DESCRIPTORS:
            raise ValueError(f"unrecognized descriptor: {spec}")
        spec = _DESCRIPTORS[spec]
    texts = [text for text in _BLANKS.split(spec) if text]
    if len(texts) != len(_BOUNDS):
        raise ValueError(f"expected exactly {len(_BOUNDS)} fields, found {len(texts)}: [{' '.join(texts)}]")
    minutes, hours, days_of_month, months, days_of_week = (
        _field(text, bounds) for text, bounds in zip(texts, _BOUNDS, strict=True)
    )
    return Spec(minutes, hours, days_of_month, months, days_of_week, zone)


def _every(spec: str) -> Every:
    try:
        duration_ns = parse_duration_ns(spec.removeprefix(_EVERY))
    except ValueError as error:
        raise ValueError(f"failed to parse duration {spec}: {error}") from None
    return Every(max(1, duration_ns // _SECOND_NS))


def _field(text: str, bounds: _Bounds) -> Field:
    items = [_range(item, bounds) for item in text.split(",") if item]
    return Field(frozenset().union(*(values for values, _ in items)), any(is_star for _, is_star in items))


def _range(text: str, bounds: _Bounds) -> tuple[range, bool]:
    """Return the values of one item of a list, and whether it is a star with step 1."""
    first, *steps = text.split("/")
    low_text, *high_texts = first.split("-")
    is_star = low_text in {"*", "?"}
    if is_star:
        low, high = bounds.low, bounds.high
    else:
        low = high = _value(low_text, bounds.names)
        if len(high_texts) > 1:
            raise ValueError(f"too many hyphens: {text}")
        if high_texts:
            high = _value(high_texts[0], bounds.names)
    step = 1
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    if steps:
        step = _number(steps[0])
        if not high_texts:
            high = bounds.high
        is_star = is_star and step <= 1
    if low < bounds.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise ValueError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return range(low, high + 1, step), is_star


def _value(text: str, names: Mapping[str, int]) -> int:
    named = names.get(text.lower())
    return _number(text) if named is None else named


def _number(text: str) -> int:
    try:
        number = parse_int(text)
    except ValueError as error:
        raise ValueError(f"failed to parse int from {text}: {error}") from None
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
