"""What can be asked and changed about whole queues?

Contract: thread-safe; see `Inspector`.
"""

from __future__ import annotations

from asynq_compat.errors import QueueNotFoundError
from asynq_compat.inspection.inspection import Inspection
from asynq_compat.inspection.refusals import BLANK_QUEUE, check_queue, named, raise_for
from asynq_compat.ports.inspecting import QueueInfo


class QueueInspection(Inspection):
    """Queues, their counts, pausing."""

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
