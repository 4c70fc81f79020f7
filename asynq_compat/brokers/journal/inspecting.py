"""What does a queue's journal say about its tasks?

Contract: as `ports.inspecting`. Linearizable: an answer includes everything that was durable when it was asked for, and, where time
decides, what has become due by then. Of a queue with several partitions each is asked, one after the other.
Not obvious: asking about a queue never makes one.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.errors import CorruptDataError, UnsupportedByBroker
from asynq_compat.machine.applied import QueueCounts, TaskView
from asynq_compat.machine.machine import Machine
from asynq_compat.ports.inspecting import DayCounts, Missing, QueueInfo, RunningServer, StoredTask
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command
from asynq_compat.wire.server_info import decode_server_info, decode_worker_info

_T = TypeVar("_T")

_DAY_MS = 86_400_000
_NO_CLUSTER = "a journal has no slots and nodes of a cluster; these are a Redis cluster's, see RedisClusterClientOpt"
# What both tell of a queue is the sum of what is told of its partitions.
_SUMMED = [one.name for one in fields(QueueInfo) if one.name in {other.name for other in fields(QueueCounts)}]


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
        found = self._ask(queue, Machine.counts)
        return None if found is None else _stats(queue, found, instant_of(now_ns))

    def task(self, queue: str, task_id: str) -> StoredTask | Missing:
        """Return one task, or what is missing."""
        if not self._partitions.control.knows(queue):
            return Missing.QUEUE
        for partition in self._partitions.queue(queue).by_likelihood(task_id):
            view, clock_ms = self._ask_one(partition, lambda machine: (machine.task(task_id), machine.clock_ms))
            if view is not None:
                return _stored(view, clock_ms)
        return Missing.TASK

    def list_tasks(self, queue: str, state: TaskState, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks in `state`."""
        if state is TaskState.AGGREGATING:
            raise UnsupportedByBroker("aggregating tasks are listed by group, not by state")
        return self._page(
            queue,
            lambda machine, first, size: machine.list_tasks(state, first, size),
            lambda machine, size: machine.places(state, size),
            start,
            count,
        )

    def groups(self, queue: str) -> Sequence[tuple[str, int]]:
        """Return the groups in which tasks wait, with their sizes."""
        found = self._ask(queue, Machine.groups) or []
        return sorted(one for of_partition in found for one in of_partition)

    def list_group(self, queue: str, group: str, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks that wait in a group."""
        return self._page(
            queue,
            lambda machine, first, size: machine.list_group(group, first, size),
            lambda machine, size: [(view.due_at or 0, view.task_id) for view in machine.list_group(group, 0, size)],
            start,
            count,
        )

    def _page(
        self,
        queue: str,
        listed: Callable[[Machine, int, int | None], list[TaskView]],
        places: Callable[[Machine, int | None], list[tuple[int, str]]],
        start: int,
        count: int | None,
    ) -> Sequence[StoredTask] | None:
        """Return a page of what `listed` gives; of several partitions' tasks merged by their `places`, for which no message is read."""
        if not self._partitions.control.knows(queue):
            return None
        partitions = self._partitions.queue(queue).partitions
        if len(partitions) == 1:
            return self._part_of_page(partitions[0], listed, start, count)
        stop = None if count is None else start + count
        told = [self._ask_one(one, lambda machine: places(machine, stop)) for one in partitions]
        merged = heapq.merge(*([(*place, at) for place in of_one] for at, of_one in enumerate(told)))
        owners = [at for _, _, at in islice(merged, stop)]
        before, wanted = Counter(owners[:start]), Counter(owners[start:])
        parts = [iter(self._part_of_page(one, listed, before[at], wanted[at])) for at, one in enumerate(partitions)]
        found = (next(parts[at], None) for at in owners[start:])
        return [task for task in found if task is not None]  # One may have gone between the two questions.

    def _part_of_page(
        self,
        partition: Partition,
        listed: Callable[[Machine, int, int | None], list[TaskView]],
        start: int,
        count: int | None,
    ) -> list[StoredTask]:
        if count == 0:
            return []
        return self._ask_one(
            partition, lambda machine: [_stored(view, machine.clock_ms) for view in listed(machine, start, count)]
        )

    def history(self, queue: str, days: int) -> Sequence[DayCounts] | None:
        """Return the counts of the last `days` days, today first."""
        now_ns = self._partitions.clock.now_ns()
        instants_ms = [now_ns // 1_000_000 - _DAY_MS * back for back in range(days)]
        found = self._ask(queue, lambda machine: [machine.history(at_ms // _DAY_MS) for at_ms in instants_ms])
        if found is None:
            return None
        return [
            DayCounts(
                instant_of(now_ns - _DAY_MS * 1_000_000 * back),
                sum(one[0] for one in told),
                sum(one[1] for one in told),
            )
            for back, told in enumerate(zip(*found, strict=True))
        ]

    def servers(self) -> Sequence[RunningServer]:
        """Return the servers whose word still holds."""
        control = self._partitions.control
        control.replica.sync(timeout_s=TIMEOUT_S)
        with control.replica.lock:
            published = control.replica.fold.servers(self._partitions.clock.now_ns() // 1_000_000)
        told = [(one, _readable(decode_server_info, one.info)) for one in published]
        return [
            RunningServer(info, [worker for _, data in one.workers if (worker := _readable(decode_worker_info, data))])
            for one, info in told
            if info is not None
        ]

    def key_slot(self, queue: str) -> int:  # noqa: ARG002 - the port's
        """Refuse: a journal is no cluster."""
        raise UnsupportedByBroker(_NO_CLUSTER)

    def nodes(self, queue: str) -> Sequence[tuple[str, str]]:  # noqa: ARG002 - the port's
        """Refuse: a journal is no cluster."""
        raise UnsupportedByBroker(_NO_CLUSTER)

    def _ask(self, queue: str, question: Callable[[Machine], _T]) -> list[_T] | None:
        """Return each partition's answer; None if there is no such queue."""
        if not self._partitions.control.knows(queue):
            return None
        return [self._ask_one(partition, question) for partition in self._partitions.queue(queue).partitions]

    def _ask_one(self, partition: Partition, question: Callable[[Machine], _T]) -> _T:
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


def _readable(decode: Callable[[bytes], _T], data: bytes) -> _T | None:
    """Return what a server told; None where it cannot be read."""
    try:
        return decode(data)
    except CorruptDataError:
        return None


def _stats(queue: str, partitions: Sequence[QueueCounts], now: datetime) -> QueueInfo:
    since_ms = [one.oldest_pending_since_ms for one in partitions if one.oldest_pending_since_ms is not None]
    sums = {name: sum(getattr(one, name) for one in partitions) for name in _SUMMED}
    return QueueInfo(
        queue=queue,
        memory_usage=sum(one.memory_usage_bytes for one in partitions),
        latency=max(timedelta(0), now - instant_of(min(since_ms) * 1_000_000)) if since_ms else timedelta(0),
        paused=any(one.is_paused for one in partitions),
        timestamp=now,
        **sums,
    )
