"""How does an operator's change reach a queue's journal?

Contract: as `ports.administering`. One command, and the machine's answer to it. What concerns a queue goes to each of its partitions.
"""

from __future__ import annotations

from collections.abc import Mapping

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.errors import CorruptDataError
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

_OUTCOMES: Mapping[int, AdminOutcome] = {
    command.OK: AdminOutcome.OK,
    command.NO_SUCH_TASK: AdminOutcome.TASK_NOT_FOUND,
    command.IS_ACTIVE: AdminOutcome.TASK_IS_ACTIVE,
    command.IS_PENDING: AdminOutcome.TASK_IS_PENDING,
    command.IS_ARCHIVED: AdminOutcome.TASK_IS_ARCHIVED,
    command.IS_PAUSED: AdminOutcome.QUEUE_IS_PAUSED,
    command.IS_NOT_PAUSED: AdminOutcome.QUEUE_IS_NOT_PAUSED,
}


class JournalAdministering:
    """The administering port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def run_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Make a task pending now."""
        return self._change(queue, task_id, command.run([task_id]))

    def archive_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Move a task to the archive."""
        return self._change(queue, task_id, command.archive([task_id]))

    def delete_task(self, queue: str, task_id: str) -> AdminOutcome:
        """Delete a task that is not active."""
        return self._change(queue, task_id, command.delete([task_id]))

    def pause_queue(self, queue: str) -> AdminOutcome:
        """Stop giving out tasks of this queue."""
        return self._carry_out_in_all(queue, command.pause())

    def unpause_queue(self, queue: str) -> AdminOutcome:
        """Give out its tasks again."""
        return self._carry_out_in_all(queue, command.unpause())

    def _change(self, queue: str, task_id: str, change: Command) -> AdminOutcome:
        if not self._partitions.control.knows(queue):
            return AdminOutcome.QUEUE_NOT_FOUND
        if not task_id:  # No task has this id, and no command may name it.
            return AdminOutcome.TASK_NOT_FOUND
        for partition in self._partitions.queue(queue).by_likelihood(task_id):
            outcome = _carry_out(partition, change)
            if outcome is not AdminOutcome.TASK_NOT_FOUND:
                return outcome
        return AdminOutcome.TASK_NOT_FOUND

    def _carry_out_in_all(self, queue: str, change: Command) -> AdminOutcome:
        """Let each partition change; an earlier try may have reached some, so it is refused only where nothing changed."""
        outcomes = [_carry_out(partition, change) for partition in self._partitions.queue(queue).partitions]
        return AdminOutcome.OK if AdminOutcome.OK in outcomes else outcomes[0]


def _carry_out(partition: Partition, change: Command) -> AdminOutcome:
    partition.replica.sync(timeout_s=TIMEOUT_S)
    ticket = partition.commit([change], size_bytes=64, needs_outcomes=True)
    assert ticket.outcomes is not None
    outcome = ticket.outcomes[0]
    code = outcome[0] if isinstance(outcome, list) else outcome
    if not isinstance(code, int) or code not in _OUTCOMES:
        raise CorruptDataError(f"the journal of queue {partition.queue} answered {code!r} to an operator's command")
    return _OUTCOMES[code]
