"""What can be read about queues and tasks?

Contract: reads change nothing. An answer includes everything that was acknowledged before the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.hot_record import hot_record


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
class QueueStats:
    """Counts of one queue at an instant.

    Attributes:
        memory_usage_bytes: Approximate size of its tasks, sampled.
        latency_ns: How long the next pending task has waited; 0 when there is none or it is not known.
        processed, failed: Of the current UTC day; processed includes failed.
        timestamp_ns: When this was read, Unix nanoseconds.
        unreadable: Entries of its journal that were skipped, ever, because they could not be read; 0 where there is no journal.
    """

    queue: str
    memory_usage_bytes: int
    latency_ns: int
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
    is_paused: bool
    timestamp_ns: int
    unreadable: int = 0


class Inspecting(Protocol):
    """What an inspector asks of a broker. Thread-safe."""

    def queues(self) -> Sequence[str]:
        """Return the names of all known queues, sorted."""

    def queue_stats(self, queue: str) -> QueueStats | None:
        """Return the counts of `queue`; None when there is no such queue."""

    def task(self, queue: str, task_id: str) -> StoredTask | Missing:
        """Return one task, or what is missing."""

    def list_tasks(self, queue: str, state: TaskState, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks in `state`, skipping `start`, at most `count` (None: all); None when there is no such queue.

        Order: pending: next to run first; active: oldest first; scheduled and retry: by due time; archived and completed: by
        score, ascending. AGGREGATING is refused with UnsupportedByBroker.
        """
