"""What can an operator change about queues and tasks?

Contract: one call, one atomic change, one outcome.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class AdminOutcome(Enum):
    """What became of an operator's request."""

    OK = "ok"
    QUEUE_NOT_FOUND = "queue_not_found"
    TASK_NOT_FOUND = "task_not_found"
    TASK_IS_ACTIVE = "task_is_active"
    TASK_IS_PENDING = "task_is_pending"
    TASK_IS_ARCHIVED = "task_is_archived"
    QUEUE_IS_PAUSED = "queue_is_paused"
    QUEUE_IS_NOT_PAUSED = "queue_is_not_paused"


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
