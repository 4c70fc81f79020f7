"""Who makes a scheduled or retried task pending when its time has come?

Contract: forwards what is due once in each interval. It wakes late rather than early.
Not obvious: due times are whole seconds, so an interval of a second or more ends just behind a whole second: a task then starts on time
however short before its time it was scheduled, by Go's clients too, which tell nobody.
Source: asynq v0.26.0 `forwarder.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from asynq_compat.engine.service import Service
from asynq_compat.ports.maintaining import Maintaining
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.limits import NS_PER_S

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
        """Forward; return how long to wait until the next time."""
        with self.outages.told("Failed to forward scheduled tasks"):
            self._maintaining.forward_due(self._queues)
        if self._interval_s < 1:
            return self._interval_s
        return self._interval_s - self._clock.now_ns() % NS_PER_S / NS_PER_S + _MARGIN_S
