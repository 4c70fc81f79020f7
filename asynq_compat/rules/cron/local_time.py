"""What does the clock of a zone show, and how does it go on by seconds, days and months?

Contract: immutable. Seconds are of the instant; days and months are of the calendar at the same time of day, as Go's `time.Date` has it:
a time of day that a change of the zone skips, or repeats, is one of the two that it may be.
Source: Go's `time.Date`, `Time.AddDate`, `Time.Truncate`.
"""

from __future__ import annotations

from calendar import timegm
from datetime import date, datetime, tzinfo

_HOUR_S = 3_600


class LocalTime:
    """One second, as the clock of a zone shows it.

    Attributes:
        unix_s: Unix seconds.
        year, month, day, hour, minute, second: What the clock shows.
        weekday: 0 is Sunday.
    """

    __slots__ = ("_zone", "day", "hour", "minute", "month", "second", "unix_s", "weekday", "year")

    def __init__(self, unix_s: int, zone: tzinfo) -> None:
        self.unix_s, self._zone = unix_s, zone
        shown = datetime.fromtimestamp(unix_s, zone)
        self.year, self.month, self.day = shown.year, shown.month, shown.day
        self.hour, self.minute, self.second = shown.hour, shown.minute, shown.second
        self.weekday = shown.isoweekday() % 7

    def plus_s(self, seconds: int) -> LocalTime:
        """Return the time so many seconds later."""
        return LocalTime(self.unix_s + seconds, self._zone)

    def plus_day(self) -> LocalTime:
        """Return the same time of the next day."""
        return self._when(self.month, self.day + 1, self.hour, self.minute, self.second)

    def plus_month(self) -> LocalTime:
        """Return the same time of the same day of the next month."""
        return self._when(self.month + 1, self.day, self.hour, self.minute, self.second)

    def begin_of_month(self) -> LocalTime:
        """Return midnight of its first day."""
        return self._when(self.month, 1, 0, 0, 0)

    def begin_of_day(self) -> LocalTime:
        """Return midnight."""
        return self._when(self.month, self.day, 0, 0, 0)

    def begin_of_hour(self) -> LocalTime:
        """Return minute 0 of its hour."""
        return self._when(self.month, self.day, self.hour, 0, 0)

    def begin_of_minute(self) -> LocalTime:
        """Return second 0 of its minute; a minute of the instant, whatever the zone."""
        return LocalTime(self.unix_s - self.unix_s % 60, self._zone)

    def near_midnight(self) -> LocalTime:
        """Return the nearest hour that is, or should be, midnight, where a change of the zone has moved it."""
        if self.hour > 12:
            return self.plus_s((24 - self.hour) * _HOUR_S)
        return self.plus_s(-self.hour * _HOUR_S)

    def _when(self, month: int, day: int, hour: int, minute: int, second: int) -> LocalTime:
        shown_s = timegm((self.year, 1, 1, hour, minute, second)) + _days_before(self.year, month, day) * 86_400
        # First the offset of the instant at which UTC shows this, then that of what comes out.
        offset_s = self._offset_s(shown_s)
        if offset_s:
            offset_s = self._offset_s(shown_s - offset_s)
        return LocalTime(shown_s - offset_s, self._zone)

    def _offset_s(self, unix_s: int) -> int:
        offset = datetime.fromtimestamp(unix_s, self._zone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())


def _days_before(year: int, month: int, day: int) -> int:
    """Return the days from 1 January; a 13th month, or a 32nd of one, goes on in the next."""
    years, months = divmod(month - 1, 12)
    return date(year + years, months + 1, 1).toordinal() - date(year, 1, 1).toordinal() + day - 1
