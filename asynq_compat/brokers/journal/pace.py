"""How many tasks beyond its free slots may a server hold ready?

Contract: pure; instants are seconds of the caller's monotonic clock. While tasks leave their slots quickly, what can be started within
`_AHEAD_S` at the present rate is fetched ahead; else nothing is.
Not obvious: without it the rate is slots / round trip, whatever the handlers could do. The window has to cover more than one round trip
to grow at all, and a stall of the machine, in which few slots become free, must not empty it: it doubles or halves within a span.
"""

from __future__ import annotations

# docs/journal.md: what is not started within 100 ms is handed back. 8 192 tasks at most.
_AHEAD_S = 0.1
WINDOW_MAX = 8_192
# Below this time in a slot, waiting for a thread included, handlers count as quick.
_QUICK_S = 0.02
_SPAN_S = 0.02
_STEP = 2


class Pace:
    """Watches how fast slots become free."""

    def __init__(self, slots: int, now_s: float, *, is_exact: bool = False) -> None:
        """Begin; where the order `is_exact`, nothing is ever fetched ahead."""
        self._slots = slots
        self._window_max = 0 if is_exact else WINDOW_MAX
        self._span_began_s = now_s
        self._freed = 0
        self._window = 0

    @property
    def window(self) -> int:
        """Tasks to hold beyond the free slots."""
        return self._window

    def freed(self, count: int, busy: int, now_s: float) -> None:
        """Note that `count` slots became free at `now_s`, and `busy` are not."""
        self._freed += count
        span_s = now_s - self._span_began_s
        if span_s < _SPAN_S:
            return
        rate = self._freed / span_s
        if rate and min(busy, self._slots) / rate < _QUICK_S:
            aim = min(int(rate * _AHEAD_S), self._window_max)
            self._window = max(min(aim, max(self._window, self._slots) * _STEP), self._window // _STEP)
        elif busy:
            self._window = 0
        self._span_began_s = now_s
        self._freed = 0

    def slow_down(self, now_s: float) -> None:
        """Note that what was fetched ahead is not started in time."""
        self._window = 0
        self._span_began_s = now_s
        self._freed = 0
