"""How are all tasks run that are due, and no thread left waiting for more?

Contract: joins the queues as a server with one slot, runs what it is given on the caller's thread, and leaves when nothing is pending or due
until the end that was asked for. The clock is moved to the next due time, never beyond that end. Where the config has an aggregator, groups
are looked at once at the beginning and in each second that passes.
Not obvious: a queue is joined anew for each round, which also tells the journal what time it is; a round sees queues that the one before
it made.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Self

from asynq_compat.config import Config
from asynq_compat.engine.duties.aggregator import Aggregator
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, QueueOrder
from asynq_compat.ports.maintaining import Duty
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.rules.task_state import TaskState
from asynq_compat.servemux import Handler
from asynq_compat.testing.attempting import Attempt, Attempting
from asynq_compat.testing.clock import VirtualClock

# How long a broker may take, in real time, to give out a task that it says is there.
_PATIENCE_S = 30.0
_TAKE_WAIT_S = 0.05

_log = logging.getLogger("asynq_compat")


class Draining:
    """Runs a sandbox's tasks."""

    def __init__(
        self,
        broker: Broker,
        clock: VirtualClock,
        handler: Handler,
        config: Config | None,
        *,
        reraise: bool,
        attempts_max: int,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._config = config
        self._reraise = reraise
        self._attempts_max = attempts_max
        self._attempting = Attempting(handler, config or Config(), clock, _log)
        self._aggregator: Aggregator | None = None
        if config is not None and config.group_aggregator is not None:
            self._aggregator = Aggregator(broker.maintaining, config.group_aggregator, config, clock, _log)
        self._groups_at_s = 0  # When groups are looked at next.
        self._attempts: list[Attempt] = []
        self._progress_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._attempting.close()

    def until(self, end_ns: Callable[[], int]) -> list[Attempt]:
        """Run what is due now and, with the clock moved there, until `end_ns`; return the attempts."""
        while True:
            due = {queue: at for queue in self._queues() if (at := self._next_at_s(queue)) is not None}
            if not due or (at_ns := min(due.values()) * NS_PER_S) > end_ns():
                return self._attempts
            self._clock.advance_s(max(0, at_ns - self._clock.now_ns()) / NS_PER_S)
            self._round()
            self._check_progress()

    def _queues(self) -> Sequence[str]:
        known = self._broker.inspecting.queues()
        served = known if self._config is None else [queue for queue in known if queue in self._config.queues]
        infos = [self._broker.inspecting.queue_stats(queue) for queue in served]
        return [info.queue for info in infos if info is not None and not info.paused]

    def _next_at_s(self, queue: str) -> int | None:
        """Return when a task of the queue is to be run next; None: none is waiting."""
        inspecting = self._broker.inspecting
        if inspecting.list_tasks(queue, TaskState.PENDING, start=0, count=1):
            return 0
        firsts = [
            task.next_process_at
            for state in (TaskState.SCHEDULED, TaskState.RETRY)
            for task in inspecting.list_tasks(queue, state, start=0, count=1) or ()
        ]
        if self._aggregator is not None and inspecting.groups(queue):
            firsts.append(self._groups_at_s)
        return min((at for at in firsts if at is not None), default=None)

    def _round(self) -> None:
        queues = self._queues()
        weights = dict.fromkeys(queues, 1)
        strict = False
        if self._config is not None:
            weights, strict = {queue: self._config.queues[queue] for queue in queues}, self._config.strict_priority
        intake = self._broker.consuming.open_intake(QueueOrder(weights=weights, strict=strict), 1, str(uuid.uuid4()))
        try:
            if Duty.FORWARD in self._broker.duties:
                self._broker.maintaining.forward_due(queues)
            self._aggregate()
            self._run_pending(intake, queues)
        finally:
            intake.close()

    def _aggregate(self) -> None:
        if self._aggregator is not None and self._clock.now_s() >= self._groups_at_s:
            self._aggregator.aggregate()
            self._groups_at_s = self._clock.now_s() + 1

    def _run_pending(self, intake: Intake, queues: Sequence[str]) -> None:
        while True:
            for lease in intake.take(0.0) or intake.take(_TAKE_WAIT_S if self._has_pending(queues) else 0.0):
                self._check_count()
                attempt = self._attempting.attempt(intake, lease)
                self._attempts.append(attempt)
                self._progress_s = time.monotonic()
                if self._reraise and attempt.error is not None:
                    raise attempt.error
            if not self._has_pending(queues):
                return
            self._check_progress()

    def _has_pending(self, queues: Sequence[str]) -> bool:
        return any(
            self._broker.inspecting.list_tasks(queue, TaskState.PENDING, start=0, count=1)
            for queue in queues
            if (info := self._broker.inspecting.queue_stats(queue)) is not None and not info.paused
        )

    def _check_progress(self) -> None:
        if time.monotonic() - self._progress_s > _PATIENCE_S:
            raise AssertionError("tasks are due, but the broker gives none out; does a live server hold them?")

    def _check_count(self) -> None:
        if len(self._attempts) >= self._attempts_max:
            last = self._attempts[-1]
            raise AssertionError(
                f"{len(self._attempts)} attempts were made and tasks are left, the last one of type {last.type!r}; "
                "does a task enqueue itself? If not, give a higher attempts_max"
            )
