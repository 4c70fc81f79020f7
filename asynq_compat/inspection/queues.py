"""What can be asked and changed about whole queues?

Contract: thread-safe; see `Inspector`.
"""

from __future__ import annotations

from asynq_compat.errors import InvalidArgumentError, QueueNotFoundError, remedied
from asynq_compat.infos import DailyStats
from asynq_compat.inspection.inspection import Inspection
from asynq_compat.inspection.refusals import BLANK_QUEUE, check_queue, check_text, named, raise_for
from asynq_compat.ports.administering import AdminOutcome, Progress
from asynq_compat.ports.inspecting import QueueInfo
from asynq_compat.rules.keywords import check_truth
from asynq_compat.rules.limits import shown

# Counters live for 90 days; so many days lie behind every clock.
_DAYS_MAX = 36_500


class QueueInspection(Inspection):
    """Queues, their counts, pausing, removing."""

    def queues(self) -> list[str]:
        """Return the names of all known queues."""
        return list(self._broker.inspecting.queues())

    def get_queue_info(self, queue: str) -> QueueInfo:
        """Return the counts of `queue`.

        Raises:
            InvalidArgumentError: `queue` is blank.
            QueueNotFoundError: There is no such queue.
        """
        check_queue(queue, BLANK_QUEUE)
        info = self._broker.inspecting.queue_stats(queue)
        if info is None:
            raise QueueNotFoundError(f"NOT_FOUND: queue {named(queue)} does not exist")
        return info

    def history(self, queue: str, days: int) -> list[DailyStats]:
        """Return the counts of the last `days` UTC days, today first.

        Raises:
            InvalidArgumentError: `queue` is blank, or `days` is no number from 1 to 36 500.
            QueueNotFoundError: There is no such queue.
        """
        check_queue(queue, BLANK_QUEUE)
        _check_days(days)
        found = self._broker.inspecting.history(queue, days)
        if found is None:
            raise QueueNotFoundError(f"NOT_FOUND: queue {named(queue)} does not exist")
        return [DailyStats(queue=queue, processed=one.processed, failed=one.failed, date=one.at) for one in found]

    def delete_queue(
        self,
        queue: str,
        force: bool = False,  # noqa: FBT001 - Go's order of arguments
        *,
        progress: Progress | None = None,
    ) -> None:
        """Forget a queue; with `force` also one that holds tasks, which are deleted, unless a task is active.

        Args:
            queue: Its name.
            force: Whether its tasks may be deleted.
            progress: Is told after each slice how many tasks have been deleted so far.

        Raises:
            QueueNotFoundError: There is no such queue.
            QueueNotEmptyError: It holds tasks, and `force` is not set.
            QueueStateError: A task is active. Of a queue that is worked on meanwhile some tasks may have been deleted.
            InvalidArgumentError: `force` is neither True nor False; nothing was deleted.
        """
        check_text("queue", queue)
        check_truth("force", force)
        outcome = self._broker.administering.remove_queue(queue, force=force, progress=progress)
        if outcome is AdminOutcome.QUEUE_NOT_FOUND:
            raise QueueNotFoundError(f"queue not found: queue={named(queue)}")
        raise_for(outcome, queue)

    def pause_queue(self, queue: str) -> None:
        """Stop giving out tasks of a queue.

        Raises:
            QueueStateError: It is paused already.
            InvalidArgumentError: It is blank.
        """
        check_queue(queue, BLANK_QUEUE)
        raise_for(self._broker.administering.pause_queue(queue), queue)

    def unpause_queue(self, queue: str) -> None:
        """Give out tasks of a queue again.

        Raises:
            QueueStateError: It is not paused.
            InvalidArgumentError: It is blank.
        """
        check_queue(queue, BLANK_QUEUE)
        raise_for(self._broker.administering.unpause_queue(queue), queue)


def _check_days(days: object) -> None:
    if not isinstance(days, int) or isinstance(days, bool):
        raise InvalidArgumentError(f"days must be an integer, got {shown(days)}; for example 7")
    if days < 1:
        raise remedied(
            "FAILED_PRECONDITION: the number of days must be positive", f"got {shown(days)}; 1 is today alone"
        )
    if days > _DAYS_MAX:
        raise InvalidArgumentError(f"days must be at most {_DAYS_MAX}, got {days}; counters live for 90 days")
