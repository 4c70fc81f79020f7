"""Who deletes completed tasks when their retention is over?

Contract: every interval, first after one, queue by queue: what fails for one does not keep the others from it.
Source: asynq v0.26.0 `janitor.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from asynq_compat.engine.service import Service
from asynq_compat.ports.maintaining import Maintaining


class Janitor(Service):
    """Deletes expired completed tasks."""

    def __init__(
        self,
        maintaining: Maintaining,
        queues: Sequence[str],
        interval_s: float,
        batch_size: int,
        log: logging.Logger,
    ) -> None:
        super().__init__("janitor", log, first_wait_s=interval_s)
        self._maintaining = maintaining
        self._queues = queues
        self._interval_s = interval_s
        self._batch_size = batch_size

    def run_once(self) -> float:
        """Delete what has expired."""
        for queue in self._queues:
            with self.outages.told(f'Failed to delete expired completed tasks from queue "{queue}"'):
                self._maintaining.delete_expired_completed([queue], self._batch_size)
        return self._interval_s
