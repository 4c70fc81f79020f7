"""Who fires periodic tasks when their time has come?

Contract: one thread, `asynq-timekeeper`, sleeps until the next instant, or until something changes, and hands what is due to a pool of
threads: a hook that takes long, or a broker that does not answer, delays no other firing until 32 wait. `stop` hands out no more and
waits for what runs.
Not obvious: it also looks every five seconds: a timer counts no time in which the machine slept, and knows nothing of a wall clock that was set.
Source: robfig/cron v3.0.1 `Cron.run`.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from asynq_compat.engine.pool import Pool
from asynq_compat.engine.scheduling.agenda import Agenda, Due
from asynq_compat.engine.scheduling.firing import Firing
from asynq_compat.engine.service import Service
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.limits import NS_PER_S

LOOK_S = 5.0
_FIRINGS_AT_ONCE = 32
# Timers may fire a little before their time.
_MARGIN_S = 0.001
# Enough for the longest call to a broker that does not answer; what a hook needs more is its own fault.
_DRAIN_S = 30.0


class Timekeeper(Service):
    """Fires what an agenda says.

    Args:
        agenda: Says what is due.
        firing: Makes a firing of it.
        clock: Says what time it is.
        log: Takes the lines.
        look_s: How often it looks at the clock at least.
    """

    def __init__(
        self,
        agenda: Agenda,
        firing: Callable[[Due], Firing],
        clock: Clock,
        log: logging.Logger,
        *,
        look_s: float = LOOK_S,
    ) -> None:
        super().__init__("timekeeper", log)
        self._agenda = agenda
        self._firing = firing
        self._clock = clock
        self._look_s = look_s
        self._woken = threading.Event()
        self._pool: Pool[Firing] = Pool(_FIRINGS_AT_ONCE, self._work, lambda: None)
        self._changed = threading.Condition()  # Guards the four below.
        self._threads: set[int] = set()  # That run firings.
        self._running_count = 0
        self._again: list[tuple[float, int, Firing]] = []  # A heap by monotonic time: what is tried again, and when.
        self._numbers = itertools.count()

    def start(self) -> None:
        """Count the instants of all entries from now, and fire from then on."""
        self._agenda.begin(self._clock.now_ns())
        super().start()

    def wake(self) -> None:
        """Look at the agenda again: it has changed."""
        self._woken.set()

    def fire_due(self) -> None:
        """Hand out what is due now, and what is to be tried again by now."""
        firings = [self._firing(due) for due in self._agenda.take_due(self._clock.now_ns())]
        with self._changed:
            while self._again and self._again[0][0] <= self._clock.monotonic_s():
                firings.append(heapq.heappop(self._again)[2])
            self._running_count += len(firings)
        if firings:
            self._pool.submit(firings)

    def run_once(self) -> float:
        """Fire what is due and sleep until the next instant."""
        self._woken.clear()
        self.fire_due()
        if not self.stopping.is_set():
            self._woken.wait(self._wait_s())
        return 0.0

    def interrupt(self) -> None:
        """Make the sleep end."""
        self._woken.set()

    def stop(self) -> None:
        """Fire no more and wait for what runs. Legal twice."""
        super().stop()
        with self._changed:
            left_count = 1 if self.is_inside() else 0  # A hook that stops the scheduler.
            has_ended = self._changed.wait_for(lambda: self._running_count <= left_count, _DRAIN_S)
            abandoned, self._again = self._again, []
        if not has_ended:
            self.log.error("firings still run after %g s: the scheduler ends without them", _DRAIN_S)
        for _, _, firing in abandoned:
            firing.abandon()
        self._pool.stop()

    def is_inside(self) -> bool:
        """Return whether the caller is a hook."""
        return threading.get_ident() in self._threads

    def _wait_s(self) -> float:
        waits_s = [self._look_s]
        next_ns = self._agenda.next_ns()
        if next_ns is not None:
            waits_s.append((next_ns - self._clock.now_ns()) / NS_PER_S + _MARGIN_S)
        with self._changed:
            if self._again:
                waits_s.append(self._again[0][0] - self._clock.monotonic_s())
        return max(0.0, min(waits_s))

    def _work(self, firing: Firing) -> bool:
        again_s = None
        self._threads.add(threading.get_ident())
        try:
            again_s = firing.run()
        except BaseException:
            self.log.exception("a firing failed; the scheduler goes on")
        with self._changed:
            if again_s is not None:
                heapq.heappush(self._again, (self._clock.monotonic_s() + again_s, next(self._numbers), firing))
            self._running_count -= 1
            self._changed.notify_all()
        if again_s is not None:
            self.wake()
        return True
