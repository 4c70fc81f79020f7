"""When does a periodic task fire next?

Contract: pure; instants are Unix nanoseconds. A firing is strictly later than the instant that is asked for, on a whole second.
Not obvious: month, day, hour and minute of the local clock are sought one behind the other, and none is looked at again before a later one
has come round to its beginning. What a zone change does follows from that, as in Go: an hour that is skipped is skipped that day, one that
is repeated fires twice, and where midnight is skipped an hour may be found on a day that was not sought.
Source: robfig/cron v3.0.1 `SpecSchedule.Next`, `ConstantDelaySchedule.Next`; docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

from asynq_compat.rules.cron.local_time import LocalTime

_SECOND_NS = 1_000_000_000
# Nothing in so many years: never.
_YEARS = 5


class Schedule(Protocol):
    """When something fires."""

    def next(self, after_ns: int) -> int | None:
        """Return the first firing later than `after_ns`; None: never."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a spec.

    Attributes:
        values: Those that match.
        is_star: One of its items is a star, or a question mark, with step 1.
    """

    values: frozenset[int]
    is_star: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """Fires so long after it was asked.

    Attributes:
        delay_s: At least 1.
    """

    delay_s: int

    def next(self, after_ns: int) -> int | None:
        """Return the whole second `delay_s` after that of `after_ns`."""
        return (after_ns // _SECOND_NS + self.delay_s) * _SECOND_NS


@dataclass(frozen=True, slots=True)
class Aligned:
    """Fires at the whole multiples of a delay since the Unix epoch: the same instants in every process.

    Attributes:
        delay_s: At least 1.
    """

    delay_s: int

    def next(self, after_ns: int) -> int | None:
        """Return the first multiple later than `after_ns`."""
        delay_ns = self.delay_s * _SECOND_NS
        return (after_ns // delay_ns + 1) * delay_ns


@dataclass(frozen=True, slots=True)
class Spec:
    """Fires when the local clock of a zone shows what its five fields say.

    Attributes:
        days_of_week: 0 is Sunday.
        zone: Whose clock it is.
    """

    minutes: Field
    hours: Field
    days_of_month: Field
    months: Field
    days_of_week: Field
    zone: tzinfo

    def next(self, after_ns: int) -> int | None:
        """Return the first firing later than `after_ns`; None if there is none until the end of the fifth year from then."""
        if not (self.minutes.values and self.hours.values and self.months.values):
            return None  # It would be sought minute by minute for five years.
        search = _Search(LocalTime(after_ns // _SECOND_NS + 1, self.zone))
        last_year = search.at.year + _YEARS
        while search.at.year <= last_year:
            if (
                search.reaches(lambda at: at.month in self.months.values, _MONTH)
                and search.reaches(self._is_day, _DAY)
                and search.reaches(lambda at: at.hour in self.hours.values, _HOUR)
                and search.reaches(lambda at: at.minute in self.minutes.values, _MINUTE)
                and search.reaches(lambda at: at.second == 0, _SECOND)
            ):
                return search.at.unix_s * _SECOND_NS
        return None

    def _is_day(self, at: LocalTime) -> bool:
        matches = (at.day in self.days_of_month.values, at.weekday in self.days_of_week.values)
        return all(matches) if self.days_of_month.is_star or self.days_of_week.is_star else any(matches)


@dataclass(frozen=True, slots=True)
class _Unit:
    begin: Callable[[LocalTime], LocalTime]
    step: Callable[[LocalTime], LocalTime]
    has_come_round: Callable[[LocalTime], bool]


_MONTH = _Unit(LocalTime.begin_of_month, LocalTime.plus_month, lambda at: at.month == 1)
_DAY = _Unit(LocalTime.begin_of_day, lambda at: at.plus_day().near_midnight(), lambda at: at.day == 1)
_HOUR = _Unit(LocalTime.begin_of_hour, lambda at: at.plus_s(3_600), lambda at: at.hour == 0)
_MINUTE = _Unit(LocalTime.begin_of_minute, lambda at: at.plus_s(60), lambda at: at.minute == 0)
_SECOND = _Unit(lambda at: at, lambda at: at.plus_s(1), lambda at: at.second == 0)


class _Search:
    """A way through time, field by field."""

    def __init__(self, at: LocalTime) -> None:
        self.at = at
        self._has_moved = False

    def reaches(self, matches: Callable[[LocalTime], bool], unit: _Unit) -> bool:
        """Go on by one unit until it matches; return False where it comes round to its beginning before: larger ones come first again."""
        while not matches(self.at):
            if not self._has_moved:
                self._has_moved = True
                self.at = unit.begin(self.at)
            self.at = unit.step(self.at)
            if unit.has_come_round(self.at):
                return False
        return True
