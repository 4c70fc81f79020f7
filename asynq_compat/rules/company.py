"""Does a task wait a moment for company on its way into a journal?

Contract: pure; instants are seconds of the caller's monotonic clock. An append costs as much for one task as for many. Where tasks come one
by one and so fast that some can be expected within `pause_s`, the first waits so long; an idle program's task goes at once.
Not obvious: who waits for each answer before going on waits for nobody, and cannot be told from who does not but by trying. What was tried
in vain is tried again at longer and longer intervals: in the end one call in 4 096 waits.
"""

from __future__ import annotations

# So many must be expected; so many that are there already are company enough.
_EXPECTED_MIN, _MANY = 3, 8
# Over so many tasks the interval between two is averaged.
_SPAN = 16
# So often in a row may nobody come, as happens where tasks come at random.
_VAIN_MAX = 2
_SKIP_FACTOR, _SKIP_POWER_MAX = 4, 6


class Company:
    """Watches the tasks of one sender; with `pause_s` 0 nobody ever waits."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._interval_s = _SPAN * pause_s
        self._last_s = 0.0
        self._in_vain = 0
        self._to_skip = 0

    def wait_s(self, now_s: float, count: int) -> float:
        """Return how long the `count` tasks that are to be sent now should wait for others."""
        if not self._pause_s:
            return 0.0
        self._note(now_s, count)
        if count >= _MANY or self._interval_s * _EXPECTED_MIN > self._pause_s:
            return 0.0
        if self._to_skip:
            self._to_skip -= 1
            return 0.0
        return self._pause_s

    def came(self, now_s: float, count: int) -> None:
        """Note how many have come within a wait that ends now."""
        if count:
            self._in_vain = 0
            self._note(now_s, count)
            return
        self._in_vain += 1
        if self._in_vain > _VAIN_MAX:
            self._to_skip = _SKIP_FACTOR ** min(self._in_vain - _VAIN_MAX, _SKIP_POWER_MAX)

    def _note(self, now_s: float, count: int) -> None:
        """Average the interval; a long silence counts as no longer than makes the next task go at once."""
        interval_s = min((now_s - self._last_s) / count, _SPAN * self._pause_s)
        self._last_s = now_s
        self._interval_s += (interval_s - self._interval_s) * count / (count + _SPAN - 1)
