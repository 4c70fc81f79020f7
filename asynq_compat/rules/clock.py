"""Who says what time it is?

Contract: a clock is a parameter wherever time matters. `ports.system_clock.SystemClock` is the real one,
`testing.clock.VirtualClock` moves only when a test says so.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time, a clock that never steps, and a wait that obeys it."""

    def now_ns(self) -> int:
        """Return the wall clock in Unix nanoseconds; it may step."""

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never steps back and goes on while the machine sleeps (CLOCK_BOOTTIME)."""
