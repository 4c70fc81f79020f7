"""Who says that this server lives, and keeps its leases?

Contract: every 5 s, first at the start: leases that hold are extended, those that do not are given up, then server and workers are
published. On stop what was published is withdrawn. Running and concluding attempts both count.
Not obvious: leases come first and do not depend on the publishing: a broker that refuses the one may accept the other.
Source: asynq v0.26.0 `heartbeat.go`; docs/semantics.md, "background duties".
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from asynq_compat.engine.run import Run
from asynq_compat.engine.service import Service
from asynq_compat.ports.consuming import Intake, Lease
from asynq_compat.ports.registering import Registering
from asynq_compat.rules.limits import INSTANT_S_MAX, NS_PER_S
from asynq_compat.wire.server_info import ServerInfo, WorkerInfo

# Asynq's: a beat every 5 s, what it writes lasts for two.
INTERVAL_S = 5.0
TTL_S = 10


class Holding(Protocol):
    """Who knows the attempts that go on."""

    def unsettled(self) -> list[Run]:
        """Return the attempts whose leases this server still needs."""

    def lease_lost(self, run: Run) -> None:
        """End an attempt whose task may be somebody else's now."""


class Heartbeater(Service):
    """Extends leases and publishes the server's state."""

    def __init__(
        self,
        registering: Registering,
        intake: Intake,
        attempts: Holding,
        info: ServerInfo,
        status: Callable[[], str],
        log: logging.Logger,
    ) -> None:
        super().__init__("heartbeater", log)
        self._registering = registering
        self._intake = intake
        self._attempts = attempts
        self._info = info
        self._status = status

    def run_once(self) -> float:
        """Beat."""
        runs = self._attempts.unsettled()
        self._keep_leases(runs)
        info = replace(self._info, status=self._status(), active_worker_count=len(runs))
        with self.outages.told("Failed to write server state data"):
            self._registering.write_server_state(info, [self._worker(run) for run in runs], TTL_S)
        return INTERVAL_S

    def finish(self) -> None:
        """Withdraw what was published."""
        with self.outages.told("Failed to clear server state"):
            self._registering.clear_server_state(self._info)

    def _keep_leases(self, runs: list[Run]) -> None:
        kept: list[Lease] = []
        for run in runs:
            if run.lease.term.is_valid():
                kept.append(run.lease)
            else:
                self._attempts.lease_lost(run)
        if not kept:
            return
        with self.outages.told("Failed to extend leases"):
            self._intake.extend(kept)

    def _worker(self, run: Run) -> WorkerInfo:
        return WorkerInfo(
            host=self._info.host,
            pid=self._info.pid,
            server_id=self._info.server_id,
            task_id=run.lease.task_id,
            task_type=run.message.type,
            task_payload=run.message.payload or b"",
            queue=run.lease.queue,
            start_time_ns=run.started_ns,
            # A message may ask for more than a timestamp can say.
            deadline_ns=min(run.deadline_ns, INSTANT_S_MAX * NS_PER_S),
        )
