"""What can an operator change about queues and tasks?

Contract: one call, one atomic change, one outcome; what concerns many tasks goes on in slices, each of them atomic.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from asynq_compat.rules.task_state import TaskState

# Is told how many tasks have been changed so far, after each slice.
Progress = Callable[[int], None]


class AdminOutcome(Enum):
    """What became of an operator's request."""

    OK = "ok"
    QUEUE_NOT_FOUND = "queue_not_found"
    TASK_NOT_FOUND = "task_not_found"
    TASK_IS_ACTIVE = "task_is_active"
    TASK_IS_PENDING = "task_is_pending"
    TASK_IS_ARCHIVED = "task_is_archived"
    TASK_IS_NOT_SCHEDULED = "task_is_not_scheduled"
    TASK_IS_IN_SET = "task_is_in_set"
    QUEUE_IS_PAUSED = "queue_is_paused"
    QUEUE_IS_NOT_PAUSED = "queue_is_not_paused"
    QUEUE_IS_NOT_EMPTY = "queue_is_not_empty"
    QUEUE_HAS_ACTIVE_TASKS = "queue_has_active_tasks"


class Administering(Protocol):
    """What an inspector changes through a broker. Thread-safe.

    Each method raises CorruptDataError when the stored state of the task contradicts itself, naming where.
    """

    def run_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Make a task pending now, whatever state it waits in."""

    def archive_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Move a task to the archive; message and counters stay."""

    def delete_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Delete a task that is not active and free the uniqueness lock it holds."""

    def pause_queue(self, queue: str) -> AdminOutcome:
        """Stop giving out tasks of this queue; forwarding and recovery go on. The queue need not exist."""

    def unpause_queue(self, queue: str) -> AdminOutcome:
        """Give out its tasks again."""

    def update_payload(self, queue: str, task_id: str, payload: bytes) -> AdminOutcome:
        """Give a scheduled task another payload; the uniqueness lock that it holds stays that of the old one."""

    def run_all(self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None) -> int | None:
        """Make all scheduled, retried, archived or grouped tasks pending now, in the order of their list.

        Returns how many; None when there is no such queue. Ends at an instant at which none of them waits there. `group` names the group
        when `state` is AGGREGATING.
        """

    def archive_all(
        self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None
    ) -> int | None:
        """Move all pending, scheduled, retried or grouped tasks to the archive; as `run_all`."""

    def delete_all(
        self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None
    ) -> int | None:
        """Delete all tasks in a state other than active; as `run_all`."""

    def remove_queue(self, queue: str, *, force: bool, progress: Progress | None = None) -> AdminOutcome:
        """Forget an empty queue, or with `force` any queue that has no active task, its tasks with it."""
