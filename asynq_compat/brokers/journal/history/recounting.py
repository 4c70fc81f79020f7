"""What does a journal tell an operator of the past?

Contract: as `ports.history`. Every question but `queues` reads the journal from its beginning: its time grows with the log, its memory with the queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asynq_compat.brokers.journal.history.activating import Activation
from asynq_compat.brokers.journal.history.attempts import attempts_of, event_of
from asynq_compat.brokers.journal.history.entries import log_entry
from asynq_compat.brokers.journal.history.past import Past, is_behind, partition_count
from asynq_compat.brokers.journal.history.published import published_queues
from asynq_compat.brokers.journal.history.servers import ServerNames
from asynq_compat.brokers.journal.history.snapshots import Fold, TaskStates, task_differences
from asynq_compat.brokers.journal.history.tracing import TracingMachine
from asynq_compat.brokers.journal.history.verifying import verify
from asynq_compat.brokers.journal.keeping.apart import write_one
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.journals.journal import JournalStore, queue_journal_name
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.ports.history import (
    Checkpoint,
    LogEntry,
    Moment,
    PartitionVersions,
    Progress,
    PublishedQueue,
    QueueDifference,
    QueueSnapshot,
    TaskHistory,
    Verification,
)
from asynq_compat.rules.clock import Clock

_QUEUES = queue_journal_name("")


class JournalHistory:
    """The history port over journals."""

    def __init__(self, store: JournalStore, clock: Clock, versions: Versions = VERSIONS) -> None:
        self._store = store
        self._clock = clock
        self._versions = versions

    def queues(self) -> Sequence[PublishedQueue]:
        """Return what servers told last of each queue."""
        return published_queues(self._store, self._clock)

    def history(self, task_id: str, queue: str | None, progress: Progress) -> Sequence[TaskHistory]:
        """Return what happened to a task, for each queue that knows it."""
        found = [
            self._history(name, partition, task_id, progress)
            for name in self._named(queue)
            for partition in range(partition_count(self._store, name))
        ]
        return [one for one in found if one.events or one.state]

    def _named(self, queue: str | None) -> Sequence[str]:
        """Return the one queue, or all for None."""
        if queue is not None:
            return [queue]
        return [name.removeprefix(_QUEUES) for name in self._store.names() if name.startswith(_QUEUES)]

    def _history(self, queue: str, partition: int, task_id: str, progress: Progress) -> TaskHistory:
        with Past(self._store, queue, partition, self._versions) as past:
            machine = TracingMachine(queue, task_id, past.fresh().state, self._versions)
            names = ServerNames(self._store)
            for entry in past.entries(progress):
                machine.trace(entry)
                names.learn(machine)
            view = machine.task(task_id)
            events = [event_of(seen, names) for seen in machine.seen]
            return TaskHistory(
                queue=queue,
                partition=partition,
                task_id=task_id,
                type=machine.type,
                state="" if view is None else str(view.state),
                cut_before=past.cut_before,
                events=events,
                attempts=attempts_of(events),
            )

    def describe(self, queue: str, partition: int | None, at: Moment, progress: Progress) -> QueueSnapshot:
        """Return a partition as it was."""
        with Past(self._store, queue, partition, self._versions) as past:
            return Fold(past, past.fresh(), ServerNames(self._store)).upto(at, progress)

    def difference(
        self, queue: str, partition: int | None, before: Moment, after: Moment, progress: Progress
    ) -> QueueDifference:
        """Return what changed between two moments."""
        with Past(self._store, queue, partition, self._versions) as past:
            machine = past.fresh()
            fold = Fold(past, machine, ServerNames(self._store))
            first = fold.upto(before, progress)
            states = TaskStates(machine)
            if fold.last is not None and is_behind(fold.last, after):
                raise InvalidArgumentError("the second moment must not be before the first; change their order")
            second = fold.upto(after, progress)
            return QueueDifference(before=first, after=second, tasks=task_differences(states, TaskStates(machine)))

    def entries(self, queue: str, partition: int | None, since: Moment, *, follows: bool) -> Iterator[LogEntry]:
        """Yield a partition's entries from a moment on."""
        with Past(self._store, queue, partition, self._versions) as past:
            for entry in past.since(since, follows=follows):
                yield log_entry(entry)

    def verify(self, queue: str, partition: int | None, progress: Progress) -> Verification:
        """Read a partition's log twice and say whether all is as it should be."""
        with Past(self._store, queue, partition, self._versions) as past:
            return verify(past, progress)

    def versions(self, queue: str | None) -> Sequence[PartitionVersions]:
        """Return which machine version holds and who knows which."""
        with Activation(self._store, self._named(queue), self._versions) as activation:
            return activation.look()

    def activate(self, queue: str | None, version: int) -> Sequence[PartitionVersions]:
        """Let a machine version hold from here on."""
        with Activation(self._store, self._named(queue), self._versions) as activation:
            activation.activate(version)
            return activation.look()

    def checkpoint(self, queue: str, partition: int | None) -> Checkpoint | None:
        """Write down a partition's state."""
        with Past(self._store, queue, partition, self._versions) as past:
            confirmed = write_one(self._store, past.name, stays_from=0, versions=self._versions)
        if confirmed is None:
            return None
        return Checkpoint(
            queue=queue, partition=past.partition, position=confirmed.position, size_bytes=confirmed.size_bytes
        )
