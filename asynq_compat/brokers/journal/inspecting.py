"""What does a queue's journal say about its tasks?

Contract: as `ports.inspecting`. Linearizable: an answer includes everything that was durable when it was asked for, and, where time
decides, what has become due by then.
Not obvious: asking about a queue never makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.errors import UnsupportedByBroker
from asynq_compat.machine.applied import TaskView
from asynq_compat.machine.machine import Machine
from asynq_compat.ports.inspecting import Missing, QueueInfo, StoredTask
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command

_T = TypeVar("_T")

_DAY_MS = 86_400_000


class JournalInspecting:
    """The inspecting port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def queues(self) -> Sequence[str]:
        """Return the names of all known queues, sorted."""
        control = self._partitions.control
        control.replica.sync(timeout_s=TIMEOUT_S)
        with control.replica.lock:
            return sorted(control.replica.fold.queues())

    def queue_stats(self, queue: str) -> QueueInfo | None:
        """Return the counts of `queue`."""
        now_ns = self._partitions.clock.now_ns()
        return self._ask(queue, lambda machine: _stats(queue, machine, now_ns))

    def task(self, queue: str, task_id: str) -> StoredTask | Missing:
        """Return one task, or what is missing."""

        def find(machine: Machine) -> StoredTask | Missing:
            view = machine.task(task_id)
            return Missing.TASK if view is None else _stored(view, machine.clock_ms)

        found = self._ask(queue, find)
        return Missing.QUEUE if found is None else found

    def list_tasks(self, queue: str, state: TaskState, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks in `state`."""
        if state is TaskState.AGGREGATING:
            raise UnsupportedByBroker("a journal cannot hold tasks in groups yet; use a redis:// broker for groups")
        return self._ask(
            queue, lambda machine: [_stored(view, machine.clock_ms) for view in machine.list_tasks(state, start, count)]
        )

    def _ask(self, queue: str, question: Callable[[Machine], _T]) -> _T | None:
        if not self._partitions.control.knows(queue):
            return None
        partition = self._partitions.queue(queue)
        replica = partition.replica
        replica.sync(timeout_s=TIMEOUT_S)
        now_ms = self._partitions.clock.now_ns() // 1_000_000
        with replica.lock:
            due_ms = replica.fold.next_due_ms()
            is_new_day = now_ms // _DAY_MS > replica.fold.clock_ms // _DAY_MS
        if is_new_day or (due_ms is not None and now_ms >= due_ms):
            partition.commit([command.tick()], size_bytes=8, needs_outcomes=True)
        with replica.lock:
            return question(replica.fold)


def _stored(view: TaskView, clock_ms: int) -> StoredTask:
    match view.state:
        case TaskState.PENDING:
            next_process_at: int | None = clock_ms // 1000
        case TaskState.SCHEDULED | TaskState.RETRY:
            next_process_at = view.due_at
        case _:
            next_process_at = None
    return StoredTask(view.message, view.state, next_process_at, view.result, view.is_orphaned)


def _stats(queue: str, machine: Machine, now_ns: int) -> QueueInfo:
    counts, now = machine.counts(), instant_of(now_ns)
    since_ms = counts.oldest_pending_since_ms
    return QueueInfo(
        queue=queue,
        memory_usage=counts.memory_usage_bytes,
        latency=timedelta(0) if since_ms is None else max(timedelta(0), now - instant_of(since_ms * 1_000_000)),
        groups=counts.groups,
        pending=counts.pending,
        active=counts.active,
        scheduled=counts.scheduled,
        retry=counts.retry,
        archived=counts.archived,
        completed=counts.completed,
        aggregating=counts.aggregating,
        processed=counts.processed,
        failed=counts.failed,
        processed_total=counts.processed_total,
        failed_total=counts.failed_total,
        paused=counts.is_paused,
        timestamp=now,
        unreadable=counts.unreadable,
    )
