"""What is a folded queue to an operator?

Contract: pure; copies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from asynq_compat.brokers.journal.history.past import Past, apply, is_behind
from asynq_compat.brokers.journal.history.servers import ServerNames
from asynq_compat.journals.journal import Entry
from asynq_compat.machine.machine import Machine
from asynq_compat.ports.history import Moment, Progress, QueueSnapshot, SessionSummary, TaskDifference
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.task_state import TaskState

_COUNTS = (
    "pending", "active", "scheduled", "retry", "archived", "completed", "aggregating", "processed_total", "failed_total",
)  # fmt: skip
NOTES_MAX = 20


def snapshot_of(
    machine: Machine,
    past: Past,
    at_ms: int | None,
    behind: int,
    notes: Sequence[str],
    note_count: int,
    names: ServerNames,
) -> QueueSnapshot:
    """Return what a machine knows at its position, the end of an entry of `at_ms`."""
    counts = machine.counts()
    return QueueSnapshot(
        queue=machine.queue,
        partition=past.partition,
        partition_count=past.partition_count,
        position=machine.position,
        at=None if at_ms is None else instant_of(at_ms * 1_000_000),
        first=past.first,
        end=past.end,
        behind=behind,
        cut_before=past.cut_before,
        journal_id=machine.genesis[0].hex() if machine.genesis else "",
        version=machine.state.version,
        is_paused=counts.is_paused,
        counts={name: getattr(counts, name) for name in _COUNTS},
        sessions=[
            SessionSummary(
                name=session.session,
                server=names.of_server(session.server_id),
                slots=session.slots,
                credit=session.credit,
                held=session.assigned_count,
                silent_for=timedelta(milliseconds=machine.lease_clock_ms - session.last_frame_ms),
                is_keeper=session.rank == 0,
            )
            for session in machine.sessions()
        ],
        digest=machine.digest().hex(),
        notes=notes,
        note_count=note_count,
    )


class Fold:
    """A machine on its way through a journal."""

    def __init__(self, past: Past, machine: Machine, names: ServerNames) -> None:
        self._past = past
        self._machine = machine
        self._names = names
        self._notes: deque[str] = deque(maxlen=NOTES_MAX)
        self._note_count = 0
        self.last: Entry | None = None  # Applied.

    def upto(self, moment: Moment, progress: Progress) -> QueueSnapshot:
        """Go on to a moment; return the queue as it is then."""
        self._past.check_reaches(moment)
        behind = 0
        for entry in self._past.entries(progress):
            if behind or is_behind(entry, moment):
                behind += 1
            elif entry.position > self._machine.position:
                notes = apply(self._machine, entry).notes
                self._notes.extend(notes)
                self._note_count += len(notes)
                self.last = entry
        at_ms = None if self.last is None else self.last.timestamp_ms
        return snapshot_of(self._machine, self._past, at_ms, behind, list(self._notes), self._note_count, self._names)


class TaskStates:
    """The state of every task at one moment."""

    def __init__(self, machine: Machine) -> None:
        self.by_id = {view.task_id: str(state) for state in TaskState for view in machine.list_tasks(state)}


def task_differences(before: TaskStates, after: TaskStates) -> list[TaskDifference]:
    """Return the tasks that came, went or changed their state, by id."""
    ids = sorted(before.by_id.keys() | after.by_id.keys())
    pairs = ((task_id, before.by_id.get(task_id, ""), after.by_id.get(task_id, "")) for task_id in ids)
    return [TaskDifference(task_id=task_id, before=was, after=now) for task_id, was, now in pairs if was != now]
