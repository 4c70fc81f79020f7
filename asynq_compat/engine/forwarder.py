"""Who makes a scheduled or retried task pending when its time has come?

Contract: forwards what is due, then sleeps until the next task is due, for the interval at most. It wakes late rather than early.
Not obvious: a task scheduled meanwhile for an earlier instant is found after the interval at the latest, as in Go. Due times are whole
seconds.
Source: asynq v0.26.0 `forwarder.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from asynq_compat.engine.service import Service
from asynq_compat.errors import AsynqError
from asynq_compat.ports.maintaining import Maintaining
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.limits import NS_PER_S

# What is due already although it was just forwarded: another server is at it, or a clock differs.
_DUE_NOW_WAIT_S = 0.05
# Timers may fire a little before their time.
_MARGIN_S = 0.001


class Forwarder(Service):
    """Forwards due tasks."""

    def __init__(
        self, maintaining: Maintaining, queues: Sequence[str], interval_s: float, clock: Clock, log: logging.Logger
    ) -> None:
        super().__init__("forwarder", log)
        self._maintaining = maintaining
        self._queues = queues
        self._interval_s = interval_s
        self._clock = clock

    def run_once(self) -> float:
        """Forward and look when to do so next."""
        try:
            self._maintaining.forward_due(self._queues)
            due_at = self._maintaining.next_due_at(self._queues)
        except AsynqError as error:
            self.log.error("Failed to forward scheduled tasks: %s", error)
            return self._interval_s
        if due_at is None:
            return self._interval_s
        wait_s = (due_at * NS_PER_S - self._clock.now_ns()) / NS_PER_S + _MARGIN_S
        return min(max(wait_s, _DUE_NOW_WAIT_S), self._interval_s)
