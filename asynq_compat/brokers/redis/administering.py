"""What can an operator change in Redis?

Contract: the transitions `run_task`, `archive_task`, `delete_task`, `pause_queue`; one call, one atomic change. Thread-safe.
Source: docs/semantics.md, "inspector writes".
"""

from __future__ import annotations

from collections.abc import Mapping

from asynq_compat.brokers.redis.commands import Command, as_int, command
from asynq_compat.brokers.redis.keys import QUEUES, queue_keys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.brokers.redis.settling import archive_limits
from asynq_compat.errors import CorruptDataError
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.rules.clock import Clock

_DONE, _NOT_FOUND = {1: AdminOutcome.OK}, {0: AdminOutcome.TASK_NOT_FOUND}
_ACTIVE = {-1: AdminOutcome.TASK_IS_ACTIVE}
_RUN = {**_DONE, **_NOT_FOUND, **_ACTIVE, -2: AdminOutcome.TASK_IS_PENDING}
_ARCHIVE = {**_DONE, **_NOT_FOUND, **_ACTIVE, -2: AdminOutcome.TASK_IS_ARCHIVED}
_DELETE = {**_DONE, **_NOT_FOUND, **_ACTIVE}
_CONTRADICTIONS = {
    -3: "is not in the list or set that its state names",
    -4: "has no state, or waits in a group without a name",
}


class RedisAdministering:
    """The administering port. Thread-safe."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def run_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Make a task pending now, whatever state it waits in."""
        keys = queue_keys(queue)
        change = script("run_task")(
            [keys.task(task_id), keys.pending, keys.groups], [task_id.encode(), keys.prefix, keys.group_prefix]
        )
        return self._change(queue, task_id, change, _RUN)

    def archive_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Move a task to the archive; message and counters stay."""
        keys = queue_keys(queue)
        limits = archive_limits(self._clock.now_ns() // 1_000_000_000)
        change = script("archive_task")(
            [keys.task(task_id), keys.archived, keys.groups],
            [task_id.encode(), keys.prefix, keys.group_prefix, *limits],
        )
        return self._change(queue, task_id, change, _ARCHIVE)

    def delete_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Delete a task that is not active and free the uniqueness lock it holds."""
        keys = queue_keys(queue)
        change = script("delete_task")(
            [keys.task(task_id), keys.groups], [task_id.encode(), keys.prefix, keys.group_prefix]
        )
        return self._change(queue, task_id, change, _DELETE)

    def pause_queue(self, queue: str) -> AdminOutcome:
        """Stop giving out tasks of this queue; forwarding and recovery go on. The queue need not exist."""
        now_s = self._clock.now_ns() // 1_000_000_000
        is_new = self._link.ask(command(b"SETNX", queue_keys(queue).paused, now_s))
        return AdminOutcome.OK if is_new else AdminOutcome.QUEUE_IS_PAUSED

    def unpause_queue(self, queue: str) -> AdminOutcome:
        """Give out its tasks again."""
        was_there = self._link.ask(command(b"DEL", queue_keys(queue).paused))
        return AdminOutcome.OK if was_there else AdminOutcome.QUEUE_IS_NOT_PAUSED

    def _change(self, queue: str, task_id: str, change: Command, meanings: Mapping[int, AdminOutcome]) -> AdminOutcome:
        if not self._link.ask(command(b"SISMEMBER", QUEUES, queue.encode())):
            return AdminOutcome.QUEUE_NOT_FOUND
        code = as_int(self._link.ask(change))
        if code in _CONTRADICTIONS:
            raise CorruptDataError(f"{queue_keys(queue).task(task_id).decode()} {_CONTRADICTIONS[code]}")
        return meanings[code]
