"""What can be changed about all tasks of a queue that are in one state?

Contract: thread-safe; see `Inspector`. Each call goes on in slices of a thousand tasks or more, each of them atomic, and ends at an instant at
which no task is left there; `progress` is told after each slice how many there were so far.
Not obvious: tasks that come meanwhile may be among them. Called again after an outage it goes on with what is left.
"""

from __future__ import annotations

from asynq_compat.errors import QueueNotFoundError
from asynq_compat.inspection.inspection import Inspection
from asynq_compat.inspection.refusals import BLANK_QUEUE, check_queue, check_text, named
from asynq_compat.ports.administering import Progress
from asynq_compat.rules.task_state import TaskState

# Go wraps the error about a missing queue in another one, whose code differs.
_OF_A_SET, _OF_A_LIST_OR_GROUP = "NOT_FOUND", "INTERNAL_ERROR"


class BulkInspection(Inspection):
    """All tasks of one state at once.

    Every method returns how many tasks there were, and raises InvalidArgumentError where the queue is blank, QueueNotFoundError where there
    is no such queue.
    """

    def run_all_scheduled_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Make all scheduled tasks pending now."""
        return self._run_all(queue, TaskState.SCHEDULED, "", progress)

    def run_all_retry_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Make all tasks that wait to be tried again pending now."""
        return self._run_all(queue, TaskState.RETRY, "", progress)

    def run_all_archived_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Make all archived tasks pending now."""
        return self._run_all(queue, TaskState.ARCHIVED, "", progress)

    def run_all_aggregating_tasks(self, queue: str, group: str, *, progress: Progress | None = None) -> int:
        """Make all tasks that wait in a group pending now, each for itself."""
        return self._run_all(queue, TaskState.AGGREGATING, check_text("group", group), progress)

    def archive_all_pending_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Move all pending tasks to the archive."""
        return self._archive_all(queue, TaskState.PENDING, "", progress)

    def archive_all_scheduled_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Move all scheduled tasks to the archive."""
        return self._archive_all(queue, TaskState.SCHEDULED, "", progress)

    def archive_all_retry_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Move all tasks that wait to be tried again to the archive."""
        return self._archive_all(queue, TaskState.RETRY, "", progress)

    def archive_all_aggregating_tasks(self, queue: str, group: str, *, progress: Progress | None = None) -> int:
        """Move all tasks that wait in a group to the archive."""
        return self._archive_all(queue, TaskState.AGGREGATING, check_text("group", group), progress)

    def delete_all_pending_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Delete all pending tasks."""
        return self._delete_all(queue, TaskState.PENDING, "", progress)

    def delete_all_scheduled_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Delete all scheduled tasks."""
        return self._delete_all(queue, TaskState.SCHEDULED, "", progress)

    def delete_all_retry_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Delete all tasks that wait to be tried again."""
        return self._delete_all(queue, TaskState.RETRY, "", progress)

    def delete_all_archived_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Delete all archived tasks."""
        return self._delete_all(queue, TaskState.ARCHIVED, "", progress)

    def delete_all_completed_tasks(self, queue: str, *, progress: Progress | None = None) -> int:
        """Delete all completed tasks."""
        return self._delete_all(queue, TaskState.COMPLETED, "", progress)

    def delete_all_aggregating_tasks(self, queue: str, group: str, *, progress: Progress | None = None) -> int:
        """Delete all tasks that wait in a group."""
        return self._delete_all(queue, TaskState.AGGREGATING, check_text("group", group), progress)

    def _run_all(self, queue: str, state: TaskState, group: str, progress: Progress | None) -> int:
        check_queue(queue, BLANK_QUEUE)
        count = self._broker.administering.run_all(queue, state, group=group, progress=progress)
        return _counted(count, queue, state)

    def _archive_all(self, queue: str, state: TaskState, group: str, progress: Progress | None) -> int:
        check_queue(queue, BLANK_QUEUE)
        count = self._broker.administering.archive_all(queue, state, group=group, progress=progress)
        return _counted(count, queue, state)

    def _delete_all(self, queue: str, state: TaskState, group: str, progress: Progress | None) -> int:
        check_queue(queue, BLANK_QUEUE)
        count = self._broker.administering.delete_all(queue, state, group=group, progress=progress)
        return _counted(count, queue, state)


def _counted(count: int | None, queue: str, state: TaskState) -> int:
    if count is None:
        code = _OF_A_LIST_OR_GROUP if state in (TaskState.PENDING, TaskState.AGGREGATING) else _OF_A_SET
        raise QueueNotFoundError(f"{code}: INTERNAL_ERROR: queue {named(queue)} does not exist")
    return count
