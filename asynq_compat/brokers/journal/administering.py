"""How does an operator's change reach a queue's journal?

Contract: as `ports.administering`. One command, and the machine's answer to it; of many tasks one for each slice. What concerns a queue goes
to each of its partitions, one after the other.
Not obvious: a queue that is removed is told so first in its own journal, then in the control journal. What a client enqueues in between, or
later without looking, is there and runs; whoever serves the queue makes it known again (publishing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.sizes import check_size
from asynq_compat.errors import CorruptDataError
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.machine import Machine
from asynq_compat.ports.administering import AdminOutcome, Progress
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import admin_command, command
from asynq_compat.wire.command import Command

_OUTCOMES: Mapping[int, AdminOutcome] = {
    command.OK: AdminOutcome.OK,
    command.NO_SUCH_TASK: AdminOutcome.TASK_NOT_FOUND,
    command.IS_ACTIVE: AdminOutcome.TASK_IS_ACTIVE,
    command.IS_PENDING: AdminOutcome.TASK_IS_PENDING,
    command.IS_ARCHIVED: AdminOutcome.TASK_IS_ARCHIVED,
    command.IS_IN_SET: AdminOutcome.TASK_IS_IN_SET,
    command.IS_PAUSED: AdminOutcome.QUEUE_IS_PAUSED,
    command.IS_NOT_PAUSED: AdminOutcome.QUEUE_IS_NOT_PAUSED,
    command.IS_NOT_SCHEDULED: AdminOutcome.TASK_IS_NOT_SCHEDULED,
}
_OF_REMOVING: Mapping[int, AdminOutcome] = {
    command.OK: AdminOutcome.OK,
    command.IS_NOT_EMPTY: AdminOutcome.QUEUE_IS_NOT_EMPTY,
    command.IS_ACTIVE: AdminOutcome.QUEUE_HAS_ACTIVE_TASKS,
}
# One entry of so many takes a replica some ten milliseconds.
SLICE_COUNT_MAX = 10_000


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

    def update_payload(self, queue: str, task_id: str, payload: bytes) -> AdminOutcome:
        """Give a scheduled task another payload."""
        check_size("payload", len(payload))
        return self._change(queue, task_id, admin_command.update_payload(task_id, payload))

    def run_all(self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None) -> int | None:
        """Make all tasks of a state pending now."""
        return self._all(queue, admin_command.run_all, state, group, progress)

    def archive_all(
        self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None
    ) -> int | None:
        """Move all tasks of a state to the archive."""
        return self._all(queue, admin_command.archive_all, state, group, progress)

    def delete_all(
        self, queue: str, state: TaskState, *, group: str = "", progress: Progress | None = None
    ) -> int | None:
        """Delete all tasks of a state."""
        return self._all(queue, admin_command.delete_all, state, group, progress)

    def remove_queue(self, queue: str, *, force: bool, progress: Progress | None = None) -> AdminOutcome:
        """Forget a queue."""
        control = self._partitions.control
        if not control.knows(queue):
            return AdminOutcome.QUEUE_NOT_FOUND
        opened = self._partitions.queue(queue)
        for partition in opened.partitions:  # None is emptied where another one refuses.
            partition.replica.sync(timeout_s=TIMEOUT_S)
            with partition.replica.lock:
                refusal = _refusal(partition.replica.fold, force=force)
            if refusal is not None:
                return refusal
        count = 0
        for partition in opened.partitions:
            answer = _answer(partition, admin_command.remove_queue(force=force))
            if answer[0] != command.OK:
                return _OF_REMOVING[answer[0]]
            count += answer[1]
            if progress is not None:
                progress(count)
        control.commit([admin_command.queue_gone(queue)], size_bytes=32 + len(queue), needs_outcomes=False)
        self._partitions.removed(queue)
        return AdminOutcome.OK

    def pause_queue(self, queue: str) -> AdminOutcome:
        """Stop giving out tasks of this queue."""
        return self._carry_out_in_all(queue, command.pause())

    def unpause_queue(self, queue: str) -> AdminOutcome:
        """Give out its tasks again."""
        if queue_journal_name(queue) not in self._partitions.store.names():  # To ask it would make it.
            return AdminOutcome.QUEUE_IS_NOT_PAUSED
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

    def _all(
        self,
        queue: str,
        slice_of: Callable[[str, str, int], Command],
        state: TaskState,
        group: str,
        progress: Progress | None,
    ) -> int | None:
        if not self._partitions.control.knows(queue):
            return None
        if (
            state is TaskState.AGGREGATING and not group
        ):  # No task waits in a group without a name, and no command may name it.
            return 0
        slice_ = slice_of(str(state), group, SLICE_COUNT_MAX)
        count = 0
        for partition in self._partitions.queue(queue).partitions:
            found = SLICE_COUNT_MAX
            while found >= SLICE_COUNT_MAX:
                _, found = _answer(partition, slice_)
                count += found
                if progress is not None:
                    progress(count)
        return count

    def _carry_out_in_all(self, queue: str, change: Command) -> AdminOutcome:
        """Let each partition change; an earlier try may have reached some, so it is refused only where nothing changed."""
        outcomes = [_carry_out(partition, change) for partition in self._partitions.queue(queue).partitions]
        return AdminOutcome.OK if AdminOutcome.OK in outcomes else outcomes[0]


def _refusal(machine: Machine, *, force: bool) -> AdminOutcome | None:
    counts = machine.counts()
    if counts.active:
        return AdminOutcome.QUEUE_HAS_ACTIVE_TASKS if force else AdminOutcome.QUEUE_IS_NOT_EMPTY
    holds_tasks = any(getattr(counts, str(state)) for state in TaskState)
    return AdminOutcome.QUEUE_IS_NOT_EMPTY if holds_tasks and not force else None


def _outcome(partition: Partition, change: Command) -> Outcome:
    partition.replica.sync(timeout_s=TIMEOUT_S)
    size_bytes = 64 + sum(len(item) for item in change if isinstance(item, bytes))
    ticket = partition.commit([change], size_bytes=size_bytes, needs_outcomes=True)
    assert ticket.outcomes is not None
    return ticket.outcomes[0]


def _answer(partition: Partition, change: Command) -> list[int]:
    """Return a code and, if it is OK, a count."""
    outcome = _outcome(partition, change)
    codes = [code for code in outcome if isinstance(code, int)] if isinstance(outcome, list) else [outcome]
    if codes[0] == command.REJECTED:
        raise _contradiction(partition, outcome)
    return codes


def _contradiction(partition: Partition, outcome: object) -> CorruptDataError:
    return CorruptDataError(f"the journal of queue {partition.queue} answered {outcome!r} to an operator's command")


def _carry_out(partition: Partition, change: Command) -> AdminOutcome:
    outcome = _outcome(partition, change)
    code = outcome[0] if isinstance(outcome, list) else outcome
    if not isinstance(code, int) or code not in _OUTCOMES:
        raise _contradiction(partition, code)
    return _OUTCOMES[code]
