"""Who takes care of tasks whose worker is gone?

Contract: every minute, first at the start: each task whose lease ran out is retried, or archived when no retries are left, as the user's
functions say about ErrLeaseExpired. The error handler is not told.
Not obvious: a message that cannot be read is skipped with an error in the log; in Go it stops the recovery of all others.
Source: asynq v0.26.0 `recoverer.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from asynq_compat.engine.failures import Failures
from asynq_compat.engine.service import Service
from asynq_compat.errors import AsynqError
from asynq_compat.ports.consuming import Lease, Settlement, SettleOutcome
from asynq_compat.ports.maintaining import Maintaining
from asynq_compat.wire.message import decode_message

# Asynq's recovery interval.
INTERVAL_S = 60.0


class Recoverer(Service):
    """Settles tasks of workers that are gone."""

    def __init__(
        self,
        maintaining: Maintaining,
        queues: Sequence[str],
        failures: Failures,
        log: logging.Logger,
        interval_s: float = INTERVAL_S,
    ) -> None:
        super().__init__("recoverer", log)
        self._maintaining = maintaining
        self._queues = queues
        self._failures = failures
        self._interval_s = interval_s

    def run_once(self) -> float:
        """Recover what there is."""
        try:
            leases = self._maintaining.expired_leases(self._queues)
        except AsynqError as error:
            self.log.warning("recoverer: could not list lease expired tasks: %s", error)
            return self._interval_s
        settlements = [s for lease in leases if (s := self._settlement(lease)) is not None]
        if settlements:
            self._settle(settlements)
        return self._interval_s

    def _settlement(self, lease: Lease) -> Settlement | None:
        try:
            message = decode_message(lease.message)
        except AsynqError as error:
            self.log.error("recoverer: cannot read task id=%s of queue %r: %s", lease.task_id, lease.queue, error)
            return None
        return self._failures.recovered(lease, message)

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        try:
            outcomes = self._maintaining.settle_expired(settlements)
        except AsynqError as error:
            self.log.warning("recoverer: could not settle %d lease expired tasks: %s", len(settlements), error)
            return
        for settlement, outcome in zip(settlements, outcomes, strict=True):
            if outcome is SettleOutcome.INCONSISTENT:
                self.log.warning(
                    "recoverer: could not %s lease expired task id=%s: what is stored about it contradicts itself",
                    settlement.kind.value,
                    settlement.lease.task_id,
                )
