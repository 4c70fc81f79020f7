"""What is a task, and what is known about one that was handed over?

Contract: both are values; a `Task` is checked when it is enqueued, not when it is made, as in Go.
Not obvious: ``Task("t")`` has no payload (None) and ``Task("t", b"")`` an empty one: they differ in the uniqueness lock and are the same
on the wire, so a handler sees None for both. A `TaskInfo` reads its message only when somebody asks for one of its fields.
Source: asynq v0.26.0 `Task`, `TaskInfo`, `ResultWriter`; docs/semantics.md, "task".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Never, cast

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import OPTION_BY_KEYWORD, Option
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.keywords import unknown_keyword
from asynq_compat.rules.limits import NS_PER_S, shown
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.message import TaskMessage, decode_message

# Go's names of the states.
TaskStateActive, TaskStatePending, TaskStateScheduled = TaskState.ACTIVE, TaskState.PENDING, TaskState.SCHEDULED
TaskStateRetry, TaskStateArchived, TaskStateCompleted = TaskState.RETRY, TaskState.ARCHIVED, TaskState.COMPLETED
TaskStateAggregating = TaskState.AGGREGATING

_DAYS_MAX = 999_999_999


class ResultWriter:
    """Stores what a handler found out with its task; belongs to the task that a handler is given.

    Contract: thread-safe when `write` is. A later write replaces the earlier one. Without retention it is lost with the task.
    """

    __slots__ = ("_write", "task_id")

    def __init__(self, task_id: str, write: Callable[[bytes], int]) -> None:
        self.task_id = task_id
        self._write = write

    def write(self, data: bytes) -> int:
        """Store `data` and return its length in bytes; raises when the run of the task is over."""
        return self._write(data)


class Task:
    """A unit of work: a type, an opaque payload, and wishes that hold whenever it is enqueued.

    Attributes:
        type: Name of the task type; handlers are chosen by it.
        payload: Bytes, or None for no payload.
        headers: Metadata; None when there is none.
        options: Options given to the constructor; those of an enqueue call overrule them.
        result_writer: Only on the task that a handler is given, else None.
    """

    __slots__ = ("headers", "options", "payload", "result_writer", "type")

    def __init__(
        self,
        type: str,
        payload: bytes | None = None,
        *options: Option,
        headers: Mapping[str, str] | None = None,
        **unknown: Never,
    ) -> None:
        self.type = type
        self.payload = payload
        self.options = options
        # A copy, as in Go: what the caller changes afterwards does not reach the task.
        self.headers: Mapping[str, str] | None = None if headers is None else _frozen_copy(headers)
        self.result_writer: ResultWriter | None = None
        if unknown:
            raise _no_field(next(iter(unknown)))

    def __repr__(self) -> str:
        payload: object = self.payload  # Anything, until the task is enqueued.
        size = f"{len(payload)} bytes" if isinstance(payload, bytes) else shown(payload)
        return f"Task({shown(self.type)}, {'no payload' if payload is None else size})"


new_task = Task  # Go: NewTask


def _no_field(keyword: str) -> InvalidArgumentError:
    option = OPTION_BY_KEYWORD.get(keyword)
    if option is None:
        return unknown_keyword(keyword, ("type", "payload", "headers"), of="Task")
    return InvalidArgumentError(
        f"unknown keyword {keyword!r} of Task; write Task(type, payload, {option.__name__}(...)), or {keyword}= where it is enqueued"
    )


def _frozen_copy(headers: object) -> Mapping[str, str]:
    # Something else than a mapping is kept as it is; enqueueing says what is wrong with it.
    return MappingProxyType(dict(headers)) if isinstance(headers, Mapping) else cast("Mapping[str, str]", headers)


def new_task_with_headers(
    type: str,
    payload: bytes | None,
    headers: Mapping[str, str] | None,
    *options: Option,
) -> Task:
    """Return a task with metadata, in Go's order of arguments (Go: NewTaskWithHeaders)."""
    return Task(type, payload, *options, headers=headers)


def task_for_handler(message: TaskMessage, result_writer: ResultWriter | None) -> Task:
    """Return the task that a handler is given; quick, since it is made for every run."""
    task = Task.__new__(Task)
    task.type = message.type
    task.payload = message.payload or None
    task.options = ()
    task.headers = message.headers or None
    task.result_writer = result_writer
    return task


class TaskInfo:
    """What is known about a task at one moment. Go's 18 fields; durations are `timedelta`, instants `datetime` in UTC or None."""

    __slots__ = ("_decoded", "_encoded", "_next_process_at_ns", "id", "is_orphaned", "queue", "result", "state")

    def __init__(
        self,
        encoded: bytes,
        task_id: str,
        queue: str,
        state: TaskState,
        next_process_at_ns: int | None,
        result: bytes | None = None,
        *,
        is_orphaned: bool = False,
        decoded: TaskMessage | None = None,
    ) -> None:
        self._encoded = encoded
        self._decoded = decoded
        self._next_process_at_ns = next_process_at_ns
        self.id = task_id
        self.queue = queue
        self.state = state
        self.result = result
        self.is_orphaned = is_orphaned

    @property
    def _message(self) -> TaskMessage:
        if self._decoded is None:
            self._decoded = decode_message(self._encoded)
        return self._decoded

    @property
    def type(self) -> str:
        """Name of the task type."""
        return self._message.type

    @property
    def payload(self) -> bytes | None:
        """The payload; None when there is none or it is empty."""
        return self._message.payload or None

    @property
    def headers(self) -> Mapping[str, str] | None:
        """Metadata; None when there is none."""
        return self._message.headers or None

    @property
    def max_retry(self) -> int:
        """How often it is tried again at most."""
        return self._message.retry

    @property
    def retried(self) -> int:
        """How often it was tried again."""
        return self._message.retried

    @property
    def last_err(self) -> str:
        """Text of its last failure; "" when it has not failed."""
        return self._message.error_msg

    @property
    def last_failed_at(self) -> datetime | None:
        """When it failed last; None when it has not."""
        return _instant(self._message.last_failed_at)

    @property
    def timeout(self) -> timedelta:
        """How long one attempt may take; zero for no limit."""
        return _duration(self._message.timeout)

    @property
    def deadline(self) -> datetime | None:
        """When it has to be done; None for no deadline."""
        return _instant(self._message.deadline)

    @property
    def group(self) -> str:
        """Name of its group; "" for none."""
        return self._message.group_key

    @property
    def next_process_at(self) -> datetime | None:
        """When it is processed next: scheduled and retry: when it is due; pending: now; else None."""
        at_ns = self._next_process_at_ns
        return None if at_ns is None else instant_of(at_ns)

    @property
    def retention(self) -> timedelta:
        """How long it is kept after success; zero for not at all."""
        return _duration(self._message.retention)

    @property
    def completed_at(self) -> datetime | None:
        """When it was completed; None when it is not."""
        return _instant(self._message.completed_at)

    def __repr__(self) -> str:
        return f"TaskInfo(id={self.id!r}, queue={self.queue!r}, type={shown(self.type)}, state={self.state})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskInfo):
            return NotImplemented
        return self._seen() == other._seen()

    __hash__ = None  # type: ignore[assignment]  # two moments of one task differ; use its id as a key

    def _seen(self) -> tuple[object, ...]:
        return (self._message, self.state, self.next_process_at, self.result, self.is_orphaned)


def stored_task_info(
    encoded: bytes, state: TaskState, *, next_process_at_s: int | None, result: bytes | None, is_orphaned: bool
) -> TaskInfo:
    """Return what is known about a task that a broker holds.

    Raises:
        CorruptDataError: Its message cannot be read.
    """
    message = decode_message(encoded)
    next_ns = None if next_process_at_s is None else next_process_at_s * NS_PER_S
    return TaskInfo(
        encoded, message.id, message.queue, state, next_ns, result or None, is_orphaned=is_orphaned, decoded=message
    )


def _instant(at_s: int) -> datetime | None:
    return None if at_s == 0 else instant_of(at_s * NS_PER_S)


def _duration(duration_s: int) -> timedelta:
    """Return the duration; one that no timedelta can hold is shown as the nearest that can."""
    limit_s = _DAYS_MAX * 86_400
    return timedelta(seconds=min(max(duration_s, -limit_s), limit_s))
