"""Who fires periodic tasks when their time has come?

Contract: one thread, `asynq-timekeeper`, sleeps until the next instant, or until something changes, and hands what is due to a pool of
threads: a hook that takes long, or a broker that does not answer, delays no other firing until 32 wait. `stop` hands out no more and
waits for what runs: 8 s for a broker that does not answer, 30 s for a hook.
Not obvious: it also looks every five seconds: a timer counts no time in which the machine slept, and knows nothing of a wall clock that was set.
Source: robfig/cron v3.0.1 `Cron.run`.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from asynq_compat.engine.outages import Outages
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
# As long as a server waits for its tasks, unless it is told otherwise.
_DRAIN_S = 8.0
# A hook may do more than ask a broker; what it needs beyond this is its own fault.
_DRAIN_OF_HOOKS_S = 30.0
# How soon it is noticed that a hook has ended, where its firing has not.
_LOOK_AT_HOOKS_S = 0.25
# So many periodic tasks are named that are lost at the end.
_NAMED_MAX = 10


class Timekeeper(Service):
    """Fires what an agenda says.

    Args:
        agenda: Says what is due.
        firing: Makes a firing of it.
        clock: Says what time it is.
        log: Takes the lines.
        look_s: How often it looks at the clock at least.

    Attributes:
        is_away: The last firing found that the broker does not answer.
    """

    def __init__(
        self,
        agenda: Agenda,
        firing: Callable[[Due, Outages], Firing],
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
        self.is_away = False
        self._changed = threading.Condition()  # Guards the four below.
        self._running: dict[int, Firing] = {}  # By the thread that runs it.
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
        firings = [self._firing(due, self.outages) for due in self._agenda.take_due(self._clock.now_ns())]
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
            self._drain()
            abandoned, self._again = [firing for _, _, firing in self._again], []
        self._tell_of(abandoned)
        self._pool.stop()

    def _drain(self) -> None:
        """Wait for what runs, but for a hook that stops the scheduler. Called with the lock held."""
        left_count, begun_s = 1 if self.is_inside() else 0, time.monotonic()
        while self._running_count > left_count:
            me = threading.get_ident()
            has_hooks = any(one.is_in_hook for thread, one in self._running.items() if thread != me)
            patience_s = _DRAIN_OF_HOOKS_S if has_hooks else _DRAIN_S
            if time.monotonic() - begun_s >= patience_s:
                self.log.error("firings still run after %g s: the scheduler ends without them", patience_s)
                self.is_away = self.is_away or not has_hooks
                return
            self._changed.wait(_LOOK_AT_HOOKS_S)

    def _tell_of(self, abandoned: Sequence[Firing]) -> None:
        """Say what is lost, a line for each entry up to a number."""
        lost = Counter(firing.name for firing in abandoned if firing.waits_for_broker)
        for name, count in itertools.islice(lost.items(), _NAMED_MAX):
            times = "" if count == 1 else f", {count} times"
            self.log.warning("%s is not enqueued here%s: the scheduler ends before the broker is back", name, times)
        if len(lost) > _NAMED_MAX:
            self.log.warning(
                "%d more periodic tasks are not enqueued here, for the same reason", len(lost) - _NAMED_MAX
            )

    def is_inside(self) -> bool:
        """Return whether the caller is a hook."""
        return threading.get_ident() in self._running

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
        with self._changed:
            self._running[threading.get_ident()] = firing
        try:
            # At the end nobody waits for what has waited for a thread, to ask a broker that does not answer.
            if self.is_away and self.stopping.is_set():
                again_s = 0.0
            else:
                again_s = firing.run()
                self.is_away = firing.is_unanswered
        except BaseException:
            self.log.exception("a firing failed; the scheduler goes on")
        with self._changed:
            del self._running[threading.get_ident()]
            if again_s is not None:
                heapq.heappush(self._again, (self._clock.monotonic_s() + again_s, next(self._numbers), firing))
            self._running_count -= 1
            self._changed.notify_all()
        if again_s is not None:
            self.wake()
        return True
