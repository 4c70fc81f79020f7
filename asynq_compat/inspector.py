"""How does an operator look at queues and tasks, and change them?

Contract: thread-safe. Reads change nothing; each change is one atomic step. Error texts are Go's, the classes are ours.
Not obvious: texts differ from method to method, as Go's do; nobody should parse them.
Source: asynq v0.26.0 `Inspector`; docs/semantics.md, "inspector".
"""

from __future__ import annotations

from types import TracebackType
from typing import Self, assert_never

from asynq_compat.connect import BrokerTarget, open_broker
from asynq_compat.errors import (
    CorruptDataError,
    InvalidArgumentError,
    QueueNotFoundError,
    QueueStateError,
    TaskNotFoundError,
    TaskStateError,
)
from asynq_compat.listing import ListOption, page_extent, paging
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.inspecting import Inspecting, Missing, QueueInfo, StoredTask
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.rules.limits import is_blank, is_utf8, shown
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import TaskInfo, stored_task_info

_BLANK_QUEUE = "queue name must contain one or more characters"
_REFUSED = "asynq: FAILED_PRECONDITION: "
_NAME_CHARACTERS_MAX = 200


@suggesting_fields
class Inspector:
    """Reads and changes queues and tasks. ``with Inspector(...) as inspector:`` closes it."""

    def __init__(self, target: BrokerTarget = None, *, clock: Clock | None = None) -> None:
        self._is_owner = not isinstance(target, Broker)
        self._broker = open_broker(target, clock=clock)
        self._is_closed = False

    def queues(self) -> list[str]:
        """Return the names of all known queues."""
        return list(self._broker.inspecting.queues())

    def get_queue_info(self, queue: str) -> QueueInfo:
        """Return the counts of `queue`.

        Raises:
            InvalidArgumentError: `queue` is blank.
            QueueNotFoundError: There is no such queue.
        """
        _check_queue(queue, _BLANK_QUEUE)
        info = self._broker.inspecting.queue_stats(queue)
        if info is None:
            raise QueueNotFoundError(f"NOT_FOUND: queue {_named(queue)} does not exist")
        return info

    def get_task_info(self, queue: str, id: str) -> TaskInfo:
        """Return what is known about a task.

        Raises:
            QueueNotFoundError, TaskNotFoundError: There is no such queue or task.
            CorruptDataError: Its message cannot be read.
        """
        _check_text("queue", queue)
        _check_text("id", id)
        found = self._broker.inspecting.task(queue, id)
        match found:
            case Missing.QUEUE:
                raise QueueNotFoundError("asynq: queue not found")
            case Missing.TASK:
                raise TaskNotFoundError("asynq: task not found")
            case StoredTask():
                try:
                    return _task_info(found)
                except CorruptDataError as error:
                    raise CorruptDataError(f"asynq: INTERNAL_ERROR: could not decode task message: {error}") from error
            case _:
                assert_never(found)

    def list_pending_tasks(
        self, queue: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[TaskInfo]:
        """Return pending tasks, the next to run first; errors as in every list: blank or unknown queue."""
        return self._list(queue, TaskState.PENDING, options, page_size, page)

    def list_active_tasks(
        self, queue: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[TaskInfo]:
        """Return tasks that are being worked on, the oldest first; `is_orphaned` when its worker is gone."""
        return self._list(queue, TaskState.ACTIVE, options, page_size, page)

    def list_scheduled_tasks(
        self, queue: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[TaskInfo]:
        """Return scheduled tasks by due time."""
        return self._list(queue, TaskState.SCHEDULED, options, page_size, page)

    def list_retry_tasks(
        self, queue: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[TaskInfo]:
        """Return tasks that wait to be tried again, by due time."""
        return self._list(queue, TaskState.RETRY, options, page_size, page)

    def list_archived_tasks(
        self, queue: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[TaskInfo]:
        """Return archived tasks, the first archived first."""
        return self._list(queue, TaskState.ARCHIVED, options, page_size, page)

    def list_completed_tasks(
        self, queue: str, *options: ListOption, page_size: int | None = None, page: int | None = None
    ) -> list[TaskInfo]:
        """Return completed tasks, the first to expire first."""
        return self._list(queue, TaskState.COMPLETED, options, page_size, page)

    def run_task(self, queue: str, id: str) -> None:
        """Make a task pending now.

        Raises:
            TaskStateError: It is active or pending.
            InvalidArgumentError, QueueNotFoundError, TaskNotFoundError: The queue is blank; there is no such queue or task.
        """
        _check_queue(queue, f"asynq: {_BLANK_QUEUE}")
        _check_text("id", id)
        _raise_for(
            self._broker.administering.run_task(queue, id),
            queue,
            active="task is already running",
            pending="task is already in pending state",
        )

    def archive_task(self, queue: str, id: str) -> None:
        """Move a task to the archive.

        Raises:
            TaskStateError: It is active or archived.
            InvalidArgumentError, QueueNotFoundError, TaskNotFoundError: As `run_task`.
        """
        _check_queue(queue, "asynq: err")  # Go's text, word for word
        _check_text("id", id)
        _raise_for(
            self._broker.administering.archive_task(queue, id),
            queue,
            active="cannot archive task in active state. use CancelProcessing instead.",
            archived=f"task is already archived: id={id}, queue={queue}",
        )

    def delete_task(self, queue: str, id: str) -> None:
        """Delete a task and free its uniqueness lock.

        Raises:
            TaskStateError: It is active.
            InvalidArgumentError, QueueNotFoundError, TaskNotFoundError: As `run_task`.
        """
        _check_queue(queue, f"asynq: {_BLANK_QUEUE}")
        _check_text("id", id)
        _raise_for(
            self._broker.administering.delete_task(queue, id),
            queue,
            active="cannot delete task in active state. use CancelProcessing instead.",
        )

    def cancel_processing(self, id: str) -> None:
        """Ask whoever works on the task to stop; nobody may be listening."""
        _check_text("id", id)
        self._broker.signalling.publish_cancelation(id)

    def pause_queue(self, queue: str) -> None:
        """Stop giving out tasks of a queue.

        Raises:
            QueueStateError: It is paused already.
            InvalidArgumentError: It is blank.
        """
        _check_queue(queue, _BLANK_QUEUE)
        _raise_for(self._broker.administering.pause_queue(queue), queue)

    def unpause_queue(self, queue: str) -> None:
        """Give out tasks of a queue again.

        Raises:
            QueueStateError: It is not paused.
            InvalidArgumentError: It is blank.
        """
        _check_queue(queue, _BLANK_QUEUE)
        _raise_for(self._broker.administering.unpause_queue(queue), queue)

    def close(self) -> None:
        """Let go of the broker, unless it was passed in open. Legal twice."""
        if not self._is_closed:
            self._is_closed = True
            if self._is_owner:
                self._broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _list(
        self, queue: str, state: TaskState, options: tuple[ListOption, ...], page_size: int | None, page: int | None
    ) -> list[TaskInfo]:
        _check_queue(queue, f"asynq: {_BLANK_QUEUE}")
        start, count = _extent(self._broker.inspecting, queue, state, *paging(options, page_size, page))
        found = self._broker.inspecting.list_tasks(queue, state, start=start, count=count)
        if found is None:
            raise QueueNotFoundError("asynq: queue not found")
        infos = []
        for stored in found:
            try:
                infos.append(_task_info(stored))
            except CorruptDataError:
                continue  # as in Go, a list shows what can be read
        return infos


new_inspector = Inspector  # Go: NewInspector


def _named(queue: str) -> str:
    """Return a queue's name as Go prints it, cut where it is no name but an accident."""
    return go_quoted(queue if len(queue) <= _NAME_CHARACTERS_MAX else f"{queue[:_NAME_CHARACTERS_MAX]}…")


def _check_queue(queue: object, refusal: str) -> None:
    if is_blank(_check_text("queue", queue)):
        raise InvalidArgumentError(refusal)


def _check_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(
            f"{name} must be a str, got {shown(value)}; convert it first, for example str(value)"
        )
    if not is_utf8(value):
        raise InvalidArgumentError(
            f"{name} must be valid Unicode, got {shown(value)} with a lone surrogate; decode it properly first"
        )
    return value


def _extent(inspecting: Inspecting, queue: str, state: TaskState, size: int, number: int) -> tuple[int, int | None]:
    """Return where a page starts and how long it is; None for everything."""
    if size == 0:
        return 0, None
    if number > 0:
        return page_extent(size, number)
    stats = inspecting.queue_stats(queue)
    total = 0 if stats is None else getattr(stats, str(state))
    return max(total - size, 0), size


def _task_info(stored: StoredTask) -> TaskInfo:
    return stored_task_info(
        stored.message,
        stored.state,
        next_process_at_s=stored.next_process_at,
        result=stored.result,
        is_orphaned=stored.is_orphaned,
    )


def _raise_for(outcome: AdminOutcome, queue: str, *, active: str = "", pending: str = "", archived: str = "") -> None:
    """Raise the error that tells an operator about an outcome; the texts say why a state forbids it."""
    match outcome:
        case AdminOutcome.OK:
            return
        case AdminOutcome.QUEUE_NOT_FOUND:
            raise QueueNotFoundError("asynq: queue not found")
        case AdminOutcome.TASK_NOT_FOUND:
            raise TaskNotFoundError("asynq: task not found")
        case AdminOutcome.TASK_IS_ACTIVE:
            raise TaskStateError(_REFUSED + active)
        case AdminOutcome.TASK_IS_PENDING:
            raise TaskStateError(_REFUSED + pending)
        case AdminOutcome.TASK_IS_ARCHIVED:
            raise TaskStateError(_REFUSED + archived)
        case AdminOutcome.QUEUE_IS_PAUSED:
            raise QueueStateError(f"queue {_named(queue)} is already paused")
        case AdminOutcome.QUEUE_IS_NOT_PAUSED:
            raise QueueStateError(f"queue {_named(queue)} is not paused")
        case _:
            assert_never(outcome)
