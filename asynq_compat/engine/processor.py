"""Who fetches tasks for free slots?

Contract: one thread that asks the intake for tasks and has the runner start them. How many fit is the intake's affair: it counts slots.
Not obvious: nothing sleeps here while queues are empty. The intake blocks until there is a task, for `wait_s` at most, and returns at
once when it is stopped. Where a later release has taken over, this one is of no more use: the server is told, and ends.
Source: asynq v0.26.0 `processor.go`; docs/semantics.md, "processor".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from asynq_compat.engine.service import Service
from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, NewerReleaseError
from asynq_compat.ports.consuming import Intake, Lease

_WHAT = "Dequeue error"
# How long one call may block; nothing depends on it but how often an idle thread turns round.
_TAKE_WAIT_S = 5.0
# After an outage: at first, and at most. Go does not wait at all.
_OUTAGE_FIRST_S = 0.1
_OUTAGE_MAX_S = 2.0


class Starting(Protocol):
    """Who runs what was taken."""

    def start(self, leases: Sequence[Lease]) -> None:
        """Run the tasks, and those for which there was no thread before; return at once."""


class Processor(Service):
    """Takes tasks and starts them."""

    def __init__(
        self,
        intake: Intake,
        runner: Starting,
        log: logging.Logger,
        *,
        on_end: Callable[[AsynqError], None] = lambda _: None,
    ) -> None:
        super().__init__("processor", log)
        self._intake = intake
        self._runner = runner
        self._on_end = on_end
        self._outage_s = _OUTAGE_FIRST_S

    def run_once(self) -> float:
        """Take one batch and start it."""
        try:
            leases = self._intake.take(_TAKE_WAIT_S)
        except NewerReleaseError as error:
            self.stopping.set()
            self._on_end(error)
            return 0.0
        except (BrokerUnavailableError, CorruptDataError) as error:
            return self._wait_after(error)
        self._outage_s = _OUTAGE_FIRST_S
        if not self.stopping.is_set():  # Then it returns for another reason.
            self.outages.over(_WHAT)
        self._runner.start(leases)
        return 0.0

    def interrupt(self) -> None:
        """Take no more."""
        self._intake.stop()

    def _wait_after(self, error: AsynqError) -> float:
        self.outages.failed(_WHAT, error)
        wait_s = self._outage_s
        self._outage_s = min(2 * wait_s, _OUTAGE_MAX_S)
        return wait_s
