"""How does a test say what time it is?

Contract: a `rules.clock.Clock` that moves only when a test moves it. Thread-safe: many may read and wait while one advances.
Not obvious: real time is used for one thing only, the limit after which a wait gives up, so that a forgotten `advance_s` fails a test
instead of hanging it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import Duration
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.limits import shown

_NS_PER_S = 1_000_000_000

# An ordinary Thursday, 2025-01-02 03:04:05 UTC: far from midnight, from a month's end and from any daylight saving.
DEFAULT_START_NS = 1_735_787_045 * _NS_PER_S


class VirtualClock:
    """A clock under the test's control.

    Args:
        start_ns: Wall clock at the beginning, Unix nanoseconds; the monotonic clock begins at 1 000 s.
    """

    # Who watches time pass looks at least this often: well within the 10 s in which a server renews its leases.
    WATCH_STEP_S = 5.0

    def __init__(self, start_ns: int = DEFAULT_START_NS) -> None:
        self._moved = threading.Condition()  # Guards the two instants.
        self._wall_ns = start_ns
        self._monotonic_ns = 1_000 * _NS_PER_S
        self._watchers: list[Callable[[], object]] = []

    def now(self) -> datetime:
        """Return the wall clock as an aware instant in UTC."""
        return instant_of(self.now_ns())

    def now_ns(self) -> int:
        """Return the wall clock in Unix nanoseconds."""
        with self._moved:
            return self._wall_ns

    def now_s(self) -> int:
        """Return the wall clock in Unix seconds, the fraction cut off as Asynq does."""
        return self.now_ns() // _NS_PER_S

    def now_ms(self) -> int:
        """Return the wall clock in Unix milliseconds, the fraction cut off: a journal's timestamps."""
        return self.now_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds on the clock that never steps back."""
        with self._moved:
            return self._monotonic_ns / _NS_PER_S

    def advance(self, duration: Duration) -> None:
        """Let a time pass: seconds or a `timedelta`; as `advance_s`.

        Raises:
            InvalidArgumentError: It is neither, or below zero.
        """
        seconds: object = duration.total_seconds() if isinstance(duration, timedelta) else duration
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise InvalidArgumentError(
                f"duration must be a finite number of seconds or a timedelta, got {shown(duration)}; for example 60"
            )
        self.advance_s(seconds)

    def watch(self, watcher: Callable[[], object]) -> Callable[[], None]:
        """Call `watcher` while time passes, every five seconds of it and at the end of each advance; return what ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def advance_s(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks and wake whoever waits for an instant within them.

        Raises:
            InvalidArgumentError: Time does not run backwards; `step_s` sets the wall clock.
        """
        if seconds < 0:
            raise InvalidArgumentError(
                f"seconds must not be negative, got {seconds}; use step_s to set the wall clock back"
            )
        left_ns = round(seconds * _NS_PER_S)
        while left_ns > 0:
            step_ns = min(left_ns, round(self.WATCH_STEP_S * _NS_PER_S)) if self._watchers else left_ns
            left_ns -= step_ns
            with self._moved:
                self._wall_ns += step_ns
                self._monotonic_ns += step_ns
                self._moved.notify_all()
            for watcher in tuple(self._watchers):
                watcher()

    def step_s(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP does; the monotonic clock does not notice."""
        with self._moved:
            self._wall_ns += round(seconds * _NS_PER_S)
            self._moved.notify_all()

    def wait_until_ns(self, at_ns: int, *, give_up_after_s: float = 10.0) -> bool:
        """Block until the wall clock has reached `at_ns`; return False after `give_up_after_s` seconds of real time."""
        with self._moved:
            return self._moved.wait_for(lambda: self._wall_ns >= at_ns, timeout=give_up_after_s)
