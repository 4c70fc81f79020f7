"""What can an operator change in Redis?

Contract: the transitions `run_task`, `archive_task`, `delete_task`, `update_payload`, `pause_queue`; one call, one atomic change.
`run_all`, `archive_all`, `delete_all`, `remove_queue`: in slices, each of them atomic. Thread-safe.
Not obvious: a slice that finds fewer tasks than it may take has left none, which is the state behind Asynq's single step; up to a
slice's size it is that step (docs/adr/0024).
Source: docs/semantics.md, "inspector writes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from asynq_compat.brokers.redis.commands import Command, as_int, as_list, command
from asynq_compat.brokers.redis.keys import QUEUES, QueueKeys, queue_keys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.brokers.redis.settling import archive_limits
from asynq_compat.brokers.redis.sizes import too_large
from asynq_compat.errors import CorruptDataError
from asynq_compat.ports.administering import AdminOutcome, Progress
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.message import decode_message, encode_message

_DONE, _NOT_FOUND = {1: AdminOutcome.OK}, {0: AdminOutcome.TASK_NOT_FOUND}
_ACTIVE = {-1: AdminOutcome.TASK_IS_ACTIVE, -5: AdminOutcome.TASK_IS_IN_SET}
_RUN = {**_DONE, **_NOT_FOUND, **_ACTIVE, -2: AdminOutcome.TASK_IS_PENDING}
_ARCHIVE = {**_DONE, **_NOT_FOUND, **_ACTIVE, -2: AdminOutcome.TASK_IS_ARCHIVED}
_DELETE = {**_DONE, **_NOT_FOUND, **_ACTIVE}
_UPDATE = {**_DONE, **_NOT_FOUND, -1: AdminOutcome.TASK_IS_NOT_SCHEDULED}
_REMOVE = {-1: AdminOutcome.QUEUE_IS_NOT_EMPTY, -2: AdminOutcome.QUEUE_HAS_ACTIVE_TASKS}
# Redis answers nobody else during a slice: a few milliseconds. Lua's stack takes 8 000.
SLICE_COUNT_MAX = 1_000
_CHANGED_MEANWHILE = -2
_CONTRADICTIONS = {
    -3: "is not in the list or set that its state names",
    -4: "has no state, or waits in a group without a name",
}


class RedisAdministering:
    """The administering port. Thread-safe."""

    def __init__(self, link: Link, clock: Clock, *, is_removed: Callable[[str], None]) -> None:
        self._link = link
        self._clock = clock
        self._is_removed = is_removed

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

    def update_payload(self, queue: str, task_id: str, payload: bytes) -> AdminOutcome:
        """Give a scheduled task another payload."""
        keys = queue_keys(queue)
        question = script("task")([keys.task(task_id), keys.scheduled, keys.retry], [task_id.encode()])
        while True:
            if not self._knows(keys):
                return AdminOutcome.QUEUE_NOT_FOUND
            parts = as_list(self._link.ask(question))
            if not parts:
                return AdminOutcome.TASK_NOT_FOUND
            if parts[1] is None:
                raise CorruptDataError(f"{keys.task(task_id).decode()} {_CONTRADICTIONS[-4]}")
            if parts[1] != str(TaskState.SCHEDULED).encode():
                return AdminOutcome.TASK_IS_NOT_SCHEDULED
            before = parts[0]
            if not isinstance(before, bytes):
                raise CorruptDataError(f"{keys.task(task_id).decode()} has no message")
            after = encode_message(replace(decode_message(before), payload=payload))
            if (refusal := too_large(self._link, "the task", len(after))) is not None:
                raise refusal
            code = as_int(self._link.ask(script("update_payload")([keys.task(task_id)], [before, after])))
            if code != _CHANGED_MEANWHILE:
                return _UPDATE[code]

    def run_all(self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None) -> int | None:
        """Make all tasks of a state pending now; see the port."""
        keys = queue_keys(queue)
        slice_ = script("run_all")(
            [_place(keys, state, group), keys.pending, keys.groups],
            [keys.task_prefix, b"%d" % SLICE_COUNT_MAX, group.encode()],
        )
        return self._all(keys, slice_, progress)

    def archive_all(
        self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None
    ) -> int | None:
        """Move all tasks of a state to the archive; see the port."""
        keys = queue_keys(queue)
        slice_ = script("archive_all")(
            [_place(keys, state, group), keys.archived, keys.groups],
            [*_slice(keys, state, group), *archive_limits(self._clock.now_ns() // 1_000_000_000)],
        )
        return self._all(keys, slice_, progress)

    def delete_all(
        self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None
    ) -> int | None:
        """Delete all tasks of a state; see the port."""
        keys = queue_keys(queue)
        slice_ = script("delete_all")([_place(keys, state, group), keys.groups], _slice(keys, state, group))
        return self._all(keys, slice_, progress)

    def remove_queue(self, queue: str, *, force: bool, progress: Progress | None = None) -> AdminOutcome:
        """Forget a queue; see the port."""
        keys = queue_keys(queue)
        if not self._knows(keys):
            return AdminOutcome.QUEUE_NOT_FOUND
        places = [keys.pending, keys.active, keys.scheduled, keys.retry, keys.archived, keys.lease]
        count_max = SLICE_COUNT_MAX if force else 0
        slice_ = script("remove_queue")(places, [keys.task_prefix, b"%d" % count_max])
        code = self._slices(slice_, progress)
        if code < 0:
            return _REMOVE[code]
        self._link.ask(command(b"SREM", QUEUES, queue.encode()))
        self._is_removed(queue)
        return AdminOutcome.OK

    def _all(self, keys: QueueKeys, slice_: Command, progress: Progress | None) -> int | None:
        return self._slices(slice_, progress) if self._knows(keys) else None

    def _slices(self, slice_: Command, progress: Progress | None) -> int:
        """Run a slice until one finds fewer than it may take; return how many all have found, or the first refusal."""
        count = 0
        while True:
            found = as_int(self._link.ask(slice_))
            if found < 0:
                return found
            count += found
            if progress is not None:
                progress(count)
            if found < SLICE_COUNT_MAX:
                return count

    def _knows(self, keys: QueueKeys) -> bool:
        return bool(self._link.ask(command(b"SISMEMBER", QUEUES, keys.name.encode())))

    def _change(self, queue: str, task_id: str, change: Command, meanings: Mapping[int, AdminOutcome]) -> AdminOutcome:
        if not self._knows(queue_keys(queue)):
            return AdminOutcome.QUEUE_NOT_FOUND
        code = as_int(self._link.ask(change))
        if code in _CONTRADICTIONS:
            raise CorruptDataError(f"{queue_keys(queue).task(task_id).decode()} {_CONTRADICTIONS[code]}")
        return meanings[code]


def _place(keys: QueueKeys, state: TaskState, group: str) -> bytes:
    """Return the key of the list or set where tasks of a state wait."""
    if state is TaskState.AGGREGATING:
        return keys.group_prefix + group.encode()
    return keys.prefix + str(state).encode()


def _slice(keys: QueueKeys, state: TaskState, group: str) -> list[bytes]:
    return [
        keys.task_prefix,
        b"%d" % SLICE_COUNT_MAX,
        group.encode(),
        b"1" if state is TaskState.PENDING else b"0",
    ]
