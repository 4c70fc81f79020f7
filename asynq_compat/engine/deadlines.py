"""Who notices that an attempt has taken too long?

Contract: one thread that looks at the running attempts when the earliest deadline among them has come, and once a second lets what a
blocked loop holds back go on.
Not obvious: nothing is queued per task. `notice` compares with the earliest known deadline, and nearly always that is all.
A deadline that belonged to a task that ended costs one look in vain.
Deadlines are instants of the wall clock; where that is set, those of running attempts move along, so that each has the time it was given.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from asynq_compat.engine.run import Run
from asynq_compat.engine.service import Service
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.limits import NS_PER_S

_NEVER_NS = 1 << 96
# The wall clock may step: look at it this often although nothing seems due. Less than a second is a clock that is kept right.
_LOOK_S = 1.0
_STEP_NS_MIN = NS_PER_S
_READ_S_MAX = 0.1


class Deadlines(Service):
    """Ends the attempts whose deadline has passed."""

    def __init__(
        self,
        running: Callable[[], Iterable[Run]],
        over: Callable[[Run], object],
        held_back: Callable[[], object],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        super().__init__("deadlines", log)
        self._running = running
        self._over = over
        self._held_back = held_back
        self._clock = clock
        self._earlier = threading.Event()
        self._lock = threading.Lock()  # Guards earliest_ns: lowered by `notice`, computed anew by the thread.
        self.earliest_ns = _NEVER_NS
        _, self._ahead_ns = self._read()  # Guarded by the lock, too.

    def _read(self) -> tuple[int, int]:
        """Return the wall clock, and how far it is ahead of the one that never steps."""
        while True:
            before_s = self._clock.monotonic_s()
            wall_ns = self._clock.now_ns()
            if self._clock.monotonic_s() - before_s < _READ_S_MAX:  # Else this process slept in between.
                return wall_ns, wall_ns - round(before_s * NS_PER_S)

    def follow_clock(self) -> int:
        """Return the wall clock; if it was set since the last look, the deadlines of what runs are moved by as much."""
        wall_ns, ahead_ns = self._read()
        if abs(ahead_ns - self._ahead_ns) < _STEP_NS_MIN:
            return wall_ns
        with self._lock:
            wall_ns, ahead_ns = self._read()
            step_ns = ahead_ns - self._ahead_ns
            self._ahead_ns = ahead_ns
            for run in self._running():
                run.deadline_ns += step_ns
            self.earliest_ns += step_ns
        return wall_ns

    def notice(self, deadline_ns: int) -> None:
        """Take note of a running attempt's deadline; callers may skip it when `earliest_ns` is not later."""
        with self._lock:
            if deadline_ns >= self.earliest_ns:
                return
            self.earliest_ns = deadline_ns
        self._earlier.set()

    def run_once(self) -> float:
        """Wait for the earliest deadline and end what is over."""
        now_ns = self.follow_clock()
        wait_ns = self.earliest_ns - now_ns
        if wait_ns > 0 and self._earlier.wait(min(wait_ns / NS_PER_S, _LOOK_S)):
            self._earlier.clear()
            return 0.0
        self._held_back()
        if self.earliest_ns <= self.follow_clock():
            self._look()
        return 0.0

    def interrupt(self) -> None:
        """Wake the thread: the server stops."""
        self._earlier.set()

    def _look(self) -> None:
        now_ns = self.follow_clock()
        # First, so that an attempt which the look below misses is noticed.
        with self._lock:
            self.earliest_ns = _NEVER_NS
        earliest_ns = _NEVER_NS
        for run in self._running():
            if run.deadline_ns <= now_ns:
                self._over(run)
            elif run.deadline_ns < earliest_ns:
                earliest_ns = run.deadline_ns
        with self._lock:
            self.earliest_ns = min(earliest_ns, self.earliest_ns)
