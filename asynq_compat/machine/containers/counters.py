"""How many tasks were processed and failed, today and ever?

Contract: pure. Days are UTC days since 1970-01-01. A day's counters go 90 x 24 h after their first increment; totals wrap from
2**63 - 1 to 1.
Source: asynq v0.26.0's counters; docs/semantics.md, "counters".
"""

from __future__ import annotations

from dataclasses import dataclass, field

DAY_MS = 86_400_000
COUNTER_LIFE_MS = 90 * DAY_MS
TOTAL_MAX = 2**63 - 1


@dataclass(slots=True, eq=False)
class DayCount:
    """Counters of one day; processed includes failed."""

    expires_ms: int
    processed: int = 0
    failed: int = 0


@dataclass(slots=True, eq=False)
class Counters:
    """Counters per day, in the order in which the days began to count, and totals."""

    days: dict[int, DayCount] = field(default_factory=dict)
    processed_total: int = 0
    failed_total: int = 0

    def add(self, clock_ms: int, processed: int, failed: int) -> None:
        """Count tasks that ended now."""
        day = clock_ms // DAY_MS
        count = self.days.get(day)
        if count is None:
            self.expire(clock_ms)
            count = self.days[day] = DayCount(clock_ms + COUNTER_LIFE_MS)
        count.processed += processed
        count.failed += failed
        self.processed_total = _wrapped(self.processed_total + processed)
        self.failed_total = _wrapped(self.failed_total + failed)

    def expire(self, clock_ms: int) -> None:
        """Forget days that are too old. Called when a new day begins, so at most 91 stay."""
        for day in [day for day, count in self.days.items() if count.expires_ms <= clock_ms]:
            del self.days[day]

    def day(self, day: int, clock_ms: int) -> tuple[int, int]:
        """Return (processed, failed) of a day."""
        count = self.days.get(day)
        if count is None or count.expires_ms <= clock_ms:
            return (0, 0)
        return (count.processed, count.failed)


def _wrapped(total: int) -> int:
    return total if total <= TOTAL_MAX else total - TOTAL_MAX
