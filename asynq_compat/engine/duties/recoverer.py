"""Who takes care of tasks whose worker is gone?

Contract: as often as the broker says, first at the start: each task whose lease ran out is retried, or archived when no retries are
left, as the user's functions say about ErrLeaseExpired. The error handler is not told. Then the tasks of stale aggregation sets return to
their groups.
Not obvious: a message that cannot be read is skipped with an error in the log, once; in Go it stops the recovery of all others.
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


class Recoverer(Service):
    """Settles tasks of workers that are gone."""

    def __init__(
        self,
        maintaining: Maintaining,
        queues: Sequence[str],
        failures: Failures,
        interval_s: float,
        log: logging.Logger,
    ) -> None:
        super().__init__("recoverer", log)
        self._maintaining = maintaining
        self._queues = queues
        self._failures = failures
        self._interval_s = interval_s
        self._unreadable: set[tuple[str, str]] = set()  # Of the last round: told already.

    def run_once(self) -> float:
        """Recover what there is."""
        self._recover_leases()
        with self.outages.told("recoverer: could not reclaim stale aggregation sets", logging.WARNING):
            self._maintaining.reclaim_sets(self._queues)
        return self._interval_s

    def _recover_leases(self) -> None:
        leases: Sequence[Lease] = ()
        with self.outages.told("recoverer: could not list lease expired tasks", logging.WARNING):
            leases = self._maintaining.expired_leases(self._queues)
        settlements: list[Settlement] = []
        unreadable: set[tuple[str, str]] = set()
        for lease in leases:
            try:
                message = decode_message(lease.message)
            except AsynqError as error:
                unreadable.add((lease.queue, lease.task_id))
                self._tell_unreadable(lease, error)
            else:
                settlements.append(self._failures.recovered(lease, message))
        self._unreadable = unreadable
        if settlements:
            self._settle(settlements)

    def _tell_unreadable(self, lease: Lease, error: AsynqError) -> None:
        if (lease.queue, lease.task_id) not in self._unreadable:
            self.log.error("recoverer: cannot read task id=%s of queue %r: %s", lease.task_id, lease.queue, error)

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
