"""Who tells everybody which periodic tasks a scheduler has?

Contract: once in each interval, the first time an interval after the start, for twice as long; withdrawn at the end.
Source: asynq v0.26.0 `Scheduler.runHeartbeater`.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import uuid

from asynq_compat.engine.scheduling.agenda import Agenda, Entry
from asynq_compat.engine.service import Service
from asynq_compat.ports.scheduling import Scheduling
from asynq_compat.wire.schedule import SchedulerEntry
from asynq_compat.wire.server_info import ZERO_TIME_NS


class EntryHeartbeater(Service):
    """Publishes the entries of an agenda."""

    def __init__(
        self, scheduling: Scheduling, scheduler_id: str, agenda: Agenda, interval_s: float, log: logging.Logger
    ) -> None:
        super().__init__("scheduler-heartbeater", log, first_wait_s=interval_s)
        self._scheduling = scheduling
        self._scheduler_id = scheduler_id
        self._agenda = agenda
        self._interval_s = interval_s
        self.is_withdrawn = False  # By `finish`, which the broker answered.

    def run_once(self) -> float:
        """Publish; return how long to wait until the next time."""
        entries = [_published(*one) for one in self._agenda.entries()]
        with self.outages.told("Scheduler could not write heartbeat data", logging.WARNING):
            self._scheduling.write_entries(self._scheduler_id, entries, max(1, math.ceil(2 * self._interval_s)))
        return self._interval_s

    def finish(self) -> None:
        """Withdraw what was published."""
        with self.outages.told("Failed to clear the scheduler entries"):
            self._scheduling.clear_entries(self._scheduler_id)
            self.is_withdrawn = True


def new_scheduler_id() -> str:
    """Return what a scheduler of this process is called, in Go's form."""
    try:
        host = socket.gethostname()
    except OSError:
        host = "unknown-host"
    return f"{host}:{os.getpid()}:{uuid.uuid4()}"


def _published(entry: Entry, next_ns: int | None, prev_ns: int | None) -> SchedulerEntry:
    return SchedulerEntry(
        id=entry.id,
        spec=entry.spec,
        task_type=entry.task.type,
        task_payload=entry.task.payload or b"",
        enqueue_options=[str(option) for option in entry.options],
        next_enqueue_time_ns=ZERO_TIME_NS if next_ns is None else next_ns,
        prev_enqueue_time_ns=ZERO_TIME_NS if prev_ns is None else prev_ns,
    )
