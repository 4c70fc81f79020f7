"""What happens when a periodic task fires?

Contract: the hooks and the task, in Go's order: before, enqueue, after, the error handler; then the event is noted. A hook that raises is
logged. Any thread.
Not obvious: where the broker is away and nothing was stored, or asking again cannot double it, the firing is tried again until the entry's
next instant (one of an elected scheduler for 100 s at least, and half an hour at most); Go loses it. Whoever is told of errors is told of the first at once, and of the task when it is stored after all.
The log hears of an outage once for each queue, then once a minute, and of each entry that lost a firing to it.
Source: asynq v0.26.0 `enqueueJob.Run`; docs/semantics.md, "Scheduler".
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from asynq_compat.engine.outages import Outages
from asynq_compat.engine.scheduling.agenda import Due
from asynq_compat.errors import AsynqError, BrokerUnavailableError
from asynq_compat.ports.scheduling import FIRING_LATE_S_MAX, FIRING_TERM_S, NotFired, Scheduling
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.scheduler_opts import SchedulerOpts
from asynq_compat.task import TaskInfo
from asynq_compat.wire.schedule import SchedulerEnqueueEvent

# Stores the task of what is due, or says why somebody else does.
Enqueue = Callable[[Due], TaskInfo | NotFired]

# How soon a firing that an outage stopped is tried again; a try takes some seconds itself.
_AGAIN_S = 1.0
# A firing that nobody can double is tried again for so long also where the next instant comes sooner.
_MADE_UP_S = 100.0


class Firing:
    """One firing on its way, from its instant until it is made or given up.

    Args:
        due: What fires.
        enqueue: Stores its task; with `opts.elect` asking again cannot store a second one.
        opts: Its hooks.
        outages: Those that all firings of the scheduler have met.

    Attributes:
        is_in_hook: A function of the user's runs.
        is_unanswered: The last try found that the broker does not answer.
    """

    def __init__(
        self,
        due: Due,
        enqueue: Enqueue,
        opts: SchedulerOpts,
        scheduling: Scheduling,
        clock: Clock,
        log: logging.Logger,
        outages: Outages,
    ) -> None:
        self.due = due
        self._enqueue = enqueue
        self._opts = opts
        self._scheduling = scheduling
        self._clock = clock
        self._log = log
        self._outages = outages
        self._is_begun = self._has_failed = self.is_in_hook = self.is_unanswered = False

    def run(self) -> float | None:
        """Try to make the firing; return after how many seconds to try again, None when there is no more to do."""
        entry = self.due.entry
        self.is_unanswered = False
        if not self._is_begun:
            self._is_begun = True
            if self._opts.pre_enqueue_func is not None:
                self._call("pre_enqueue_func", self._opts.pre_enqueue_func, entry.task, entry.options)
        try:
            made = self._enqueue(self.due)
        except AsynqError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - nobody foresaw it; logged with its traceback
            self._log.exception("a periodic task could not be enqueued: %s", self.name)
            return self._failed(error)
        for what in self._troubles:
            self._outages.over(what)
        if isinstance(made, NotFired):
            return self._left_alone(made)
        self._tell(made, None)
        self._log.debug("scheduler enqueued a task: %s", made.id)
        self._note(made)
        return None

    @property
    def waits_for_broker(self) -> bool:
        """Whether it is lost if it is not tried again."""
        return self._has_failed or not self._is_begun

    @property
    def name(self) -> str:
        """What it is called in the log."""
        entry = self.due.entry
        return f"the periodic task cronspec={go_quoted(entry.spec)} task={go_quoted(entry.task.type)}"

    @property
    def _troubles(self) -> tuple[str, str, str]:
        """What the log says while it waits, when it is lost, and when it may have been stored."""
        return (
            f"periodic tasks for queue {go_quoted(self.due.entry.queue)} wait for the broker",
            f"{self.name} was not enqueued, its next instant has come",
            f"scheduler could not enqueue {self.name}",
        )

    def _left_alone(self, reason: NotFired) -> float | None:
        if reason is NotFired.UNDER_WAY:
            return FIRING_TERM_S + 0.5
        if reason is NotFired.TOO_LATE:
            self._log.warning(
                "%s is not enqueued: its instant is more than half an hour ago; if it is not, a clock is wrong",
                self.name,
            )
        else:
            self._log.debug("%s was enqueued by another scheduler", self.name)
        return None

    def _failed(self, error: Exception) -> float | None:
        waiting, lost, refused = self._troubles
        self.is_unanswered = isinstance(error, BrokerUnavailableError)
        may_repeat = isinstance(error, BrokerUnavailableError) and (self._opts.elect or not error.may_have_happened)
        if may_repeat and not self._is_over():
            if not self._has_failed:
                self._has_failed = True
                self._tell(None, error)
                self._log.debug("%s is tried again until its next instant: %s", self.name, error)
            self._outages.failed(waiting, error, logging.WARNING)
            return _AGAIN_S
        if self._has_failed:
            self._outages.failed(lost, error)
            return None
        if self._opts.post_enqueue_func is None and self._opts.enqueue_error_handler is None:
            self._outages.failed(refused, error)
        self._tell(None, error)
        return None

    def _is_over(self) -> bool:
        late_s = (self._clock.now_ns() - self.due.instant_ns) / NS_PER_S
        period_s = math.inf if self.due.next_ns is None else (self.due.next_ns - self.due.instant_ns) / NS_PER_S
        return late_s >= (min(max(period_s, _MADE_UP_S), FIRING_LATE_S_MAX) if self._opts.elect else period_s)

    def _tell(self, info: TaskInfo | None, error: Exception | None) -> None:
        entry = self.due.entry
        if self._opts.post_enqueue_func is not None:
            self._call("post_enqueue_func", self._opts.post_enqueue_func, info, error)
        if error is not None and self._opts.enqueue_error_handler is not None:
            self._call("enqueue_error_handler", self._opts.enqueue_error_handler, entry.task, entry.options, error)

    def _call(self, name: str, hook: Callable[..., object], *args: object) -> None:
        self.is_in_hook = True
        try:
            hook(*args)
        except BaseException:  # noqa: BLE001 - the user's code; logged with its traceback
            self._log.exception("%s raised; the scheduler goes on", name)
        finally:
            self.is_in_hook = False

    def _note(self, made: TaskInfo) -> None:
        event = SchedulerEnqueueEvent(task_id=made.id, enqueue_time_ns=self._clock.now_ns())
        with self._outages.told("scheduler could not record enqueue events", logging.WARNING):
            self._scheduling.record_enqueue_event(self.due.entry.id, event)
