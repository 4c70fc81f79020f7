"""Who notices that an attempt has taken too long?

Contract: one thread that sleeps until the earliest deadline among the running attempts, then looks at all of them.
Not obvious: nothing is queued per task. `notice` compares with the earliest known deadline, and nearly always that is all: with Asynq's
30 minutes the thread wakes twice an hour however many tasks run. A deadline that belonged to a task that ended costs one look in vain.
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
# The wall clock may step: look at it this often although nothing seems due.
_LOOK_S = 60.0


class Deadlines(Service):
    """Ends the attempts whose deadline has passed."""

    def __init__(
        self,
        running: Callable[[], Iterable[Run]],
        over: Callable[[Run], object],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        super().__init__("deadlines", log)
        self._running = running
        self._over = over
        self._clock = clock
        self._earlier = threading.Event()
        self._lock = threading.Lock()  # Guards earliest_ns: lowered by `notice`, computed anew by the thread.
        self.earliest_ns = _NEVER_NS

    def notice(self, deadline_ns: int) -> None:
        """Take note of a running attempt's deadline; callers may skip it when `earliest_ns` is not later."""
        with self._lock:
            if deadline_ns >= self.earliest_ns:
                return
            self.earliest_ns = deadline_ns
        self._earlier.set()

    def run_once(self) -> float:
        """Wait for the earliest deadline and end what is over."""
        wait_ns = self.earliest_ns - self._clock.now_ns()
        if wait_ns > 0 and self._earlier.wait(min(wait_ns / NS_PER_S, _LOOK_S)):
            self._earlier.clear()
            return 0.0
        self._look()
        return 0.0

    def interrupt(self) -> None:
        """Wake the thread: the server stops."""
        self._earlier.set()

    def _look(self) -> None:
        # First, so that an attempt which the look below misses is noticed.
        with self._lock:
            self.earliest_ns = _NEVER_NS
        now_ns = self._clock.now_ns()
        earliest_ns = _NEVER_NS
        for run in self._running():
            if run.deadline_ns <= now_ns:
                self._over(run)
            elif run.deadline_ns < earliest_ns:
                earliest_ns = run.deadline_ns
        with self._lock:
            self.earliest_ns = min(earliest_ns, self.earliest_ns)
