"""What can be read about queues and tasks?

Contract: reads change nothing. An answer includes everything that was acknowledged before the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.hot_record import hot_record
from asynq_compat.wire.server_info import ServerInfo, WorkerInfo


class Missing(Enum):
    """What a read did not find."""

    QUEUE = "queue"
    TASK = "task"


@hot_record
class StoredTask:
    """One task as the broker holds it.

    Attributes:
        message: The encoded TaskMessage.
        state: Its state.
        next_process_at: Unix seconds: scheduled, retry: when; pending: now; else None.
        result: What the handler wrote; None when nothing.
        is_orphaned: Active, but its worker is gone.
    """

    message: bytes
    state: TaskState
    next_process_at: int | None = None
    result: bytes | None = None
    is_orphaned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """One queue at an instant.

    Attributes:
        memory_usage: Approximate bytes its tasks take, sampled.
        latency: How long the task that is next has waited; zero when there is none or it is not known.
        groups: Number of groups with tasks waiting.
        processed, failed: Of the current UTC day; processed includes failed.
        timestamp: When this was read, in UTC.
        unreadable: Entries of its journal that were skipped, ever, because they could not be read (docs/journal.md, "Bare records"); 0 on
            Redis.
    """

    queue: str
    memory_usage: int
    latency: timedelta
    groups: int
    pending: int
    active: int
    scheduled: int
    retry: int
    archived: int
    completed: int
    aggregating: int
    processed: int
    failed: int
    processed_total: int
    failed_total: int
    paused: bool
    timestamp: datetime
    unreadable: int = 0

    @property
    def size(self) -> int:
        """Return how many tasks there are in all states together."""
        waiting = self.pending + self.scheduled + self.retry + self.aggregating
        return waiting + self.active + self.archived + self.completed


@hot_record
class DayCounts:
    """What was settled on one UTC day; `processed` includes `failed`. `at` is an instant of that day."""

    at: datetime
    processed: int
    failed: int


@hot_record
class RunningServer:
    """What a server tells about itself, and about the tasks that it works on."""

    info: ServerInfo
    workers: Sequence[WorkerInfo]


class Inspecting(Protocol):
    """What an inspector asks of a broker. Thread-safe."""

    def queues(self) -> Sequence[str]:
        """Return the names of all known queues, sorted."""

    def queue_stats(self, queue: str) -> QueueInfo | None:
        """Return the counts of `queue`; None when there is no such queue."""

    def task(self, queue: str, task_id: str) -> StoredTask | Missing:
        """Return one task, or what is missing."""

    def list_tasks(self, queue: str, state: TaskState, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks in `state`, skipping `start`, at most `count` (None: all); None when there is no such queue.

        Order: pending: next to run first; active: oldest first; scheduled and retry: by due time; archived and completed: by
        score, ascending. AGGREGATING is refused with UnsupportedByBroker: see `list_group`.
        """

    def history(self, queue: str, days: int) -> Sequence[DayCounts] | None:
        """Return the counts of the last `days` days, today first, each a whole number of days before now; None when there is no such queue."""

    def servers(self) -> Sequence[RunningServer]:
        """Return the servers whose word still holds; what cannot be read of them is left out."""

    def key_slot(self, queue: str) -> int:
        """Return the number of the part of a cluster that holds the queue; UnsupportedByBroker without a cluster."""

    def nodes(self, queue: str) -> Sequence[tuple[str, str]]:
        """Return id and address of each node that holds the queue, the one that is written to first; none where nobody holds it."""

    def groups(self, queue: str) -> Sequence[tuple[str, int]]:
        """Return the groups in which tasks of `queue` wait, with their sizes, by name; none when there is no such queue."""

    def list_group(self, queue: str, group: str, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks that wait in a group, the first to come first; skipping and None as `list_tasks`."""
