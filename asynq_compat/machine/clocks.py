"""What time is it for the queue?

Contract: pure. Both clocks follow the timestamps of entries. The clock never goes back by up to ten minutes, it follows a larger step;
the lease clock goes forward by at most ten seconds an entry, so that an outage lets nobody's lease run out.
Source: docs/journal.md, "Time".
"""

from __future__ import annotations

from dataclasses import dataclass

STEP_BACK_HELD_MS = 10 * 60_000
LEASE_STEP_MAX_MS = 10_000
TIMESTAMP_MAX_MS = 2**53


@dataclass(slots=True, eq=False)
class Clocks:
    """The clock for due times, locks, retention and history, and the one for leases.

    Attributes:
        last_ms: Timestamp of the last entry that counted; None before the first.
        has_foreign_time: Whether the last entry's timestamp did not count.
    """

    clock_ms: int = 0
    lease_ms: int = 0
    last_ms: int | None = None
    has_foreign_time: bool = False

    def advance(self, timestamp_ms: int, *, counts: bool) -> str | None:
        """Take an entry's timestamp; return what an operator should know."""
        if not counts or not 0 <= timestamp_ms <= TIMESTAMP_MAX_MS:
            note = (
                None
                if self.has_foreign_time
                else f"timestamp {timestamp_ms} was not given by the log: time stands still"
            )
            self.has_foreign_time = True
            return note
        self.has_foreign_time = False
        if self.last_ms is not None:
            self.lease_ms += min(max(timestamp_ms - self.last_ms, 0), LEASE_STEP_MAX_MS)
        self.last_ms = timestamp_ms
        if timestamp_ms >= self.clock_ms:
            self.clock_ms = timestamp_ms
        elif timestamp_ms < self.clock_ms - STEP_BACK_HELD_MS:
            note = f"the log's clock went back by {(self.clock_ms - timestamp_ms) // 1000} s: followed"
            self.clock_ms = timestamp_ms
            return note
        return None
