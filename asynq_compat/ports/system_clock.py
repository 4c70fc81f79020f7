"""What time is it really?

Contract: the one `rules.clock.Clock` that reads the machine's clocks.
"""

from __future__ import annotations

import time


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        """Return the wall clock in Unix nanoseconds."""
        return time.time_ns()

    if hasattr(time, "CLOCK_BOOTTIME"):

        def monotonic_s(self) -> float:
            """Return CLOCK_BOOTTIME in seconds: a suspended laptop counts."""
            return time.clock_gettime(time.CLOCK_BOOTTIME)

    else:  # pragma: no cover - macOS and Windows

        def monotonic_s(self) -> float:
            """Return the monotonic clock in seconds."""
            return time.monotonic()
