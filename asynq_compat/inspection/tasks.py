"""What can be asked and changed about one task, and which tasks are there?

Contract: thread-safe; see `Inspector`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from asynq_compat.errors import CorruptDataError, InvalidArgumentError, QueueNotFoundError, TaskNotFoundError
from asynq_compat.inspection.inspection import Inspection
from asynq_compat.inspection.refusals import BLANK_QUEUE, check_queue, check_text, raise_for
from asynq_compat.listing import ListOption, page_extent, paging
from asynq_compat.ports.inspecting import Inspecting, Missing, StoredTask
from asynq_compat.rules.limits import shown
from asynq_compat.rules.task_state import TaskState
from asynq_compat.task import TaskInfo, stored_task_info


class TaskInspection(Inspection):
    """Single tasks, and lists of them by state."""

    def get_task_info(self, queue: str, id: str) -> TaskInfo:
        """Return what is known about a task.

        Raises:
            QueueNotFoundError, TaskNotFoundError: There is no such queue or task.
            CorruptDataError: Its message cannot be read.
        """
        check_text("queue", queue)
        check_text("id", id)
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
        check_queue(queue, f"asynq: {BLANK_QUEUE}")
        check_text("id", id)
        raise_for(
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
        check_queue(queue, "asynq: err")  # Go's text, word for word
        check_text("id", id)
        raise_for(
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
        check_queue(queue, f"asynq: {BLANK_QUEUE}")
        check_text("id", id)
        raise_for(
            self._broker.administering.delete_task(queue, id),
            queue,
            active="cannot delete task in active state. use CancelProcessing instead.",
        )

    def update_task_payload(self, queue: str, id: str, payload: bytes | None) -> None:
        """Give a scheduled task another payload. The uniqueness lock that it holds stays that of the old one.

        Raises:
            TaskStateError: It is in another state.
            InvalidArgumentError, QueueNotFoundError, TaskNotFoundError: The payload is no bytes; else as `run_task`.
            CorruptDataError: Its message cannot be read.
        """
        check_queue(queue, f"asynq: {BLANK_QUEUE}")
        check_text("id", id)
        if payload is not None and not isinstance(payload, bytes):
            raise InvalidArgumentError(
                f"payload must be bytes, got {shown(payload)}; encode it first, for example as JSON"
            )
        raise_for(self._broker.administering.update_payload(queue, id, payload or b""), queue)

    def cancel_processing(self, id: str) -> None:
        """Ask whoever works on the task to stop; nobody may be listening."""
        check_text("id", id)
        self._broker.signalling.publish_cancelation(id)

    def _list(
        self, queue: str, state: TaskState, options: tuple[ListOption, ...], page_size: int | None, page: int | None
    ) -> list[TaskInfo]:
        check_queue(queue, f"asynq: {BLANK_QUEUE}")
        start, count = _extent(self._broker.inspecting, queue, state, *paging(options, page_size, page))
        found = self._broker.inspecting.list_tasks(queue, state, start=start, count=count)
        if found is None:
            raise QueueNotFoundError("asynq: queue not found")
        return readable(found)


def readable(found: Sequence[StoredTask]) -> list[TaskInfo]:
    """Return what is known about tasks; as in Go, a list shows those that can be read."""
    infos = []
    for stored in found:
        try:
            infos.append(_task_info(stored))
        except CorruptDataError:
            continue
    return infos


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
