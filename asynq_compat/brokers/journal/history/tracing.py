"""What happened to one task, entry by entry?

Contract: a `Machine` that looks at one task around every command; it folds like any other. One thread.
Not obvious: what is seen is the difference that a command made to the task's state, so that no transition has to be told twice. Within
one entry a task can be enqueued, given and settled.
"""

from __future__ import annotations

from dataclasses import dataclass

from asynq_compat.brokers.journal.history.past import apply
from asynq_compat.errors import CorruptDataError
from asynq_compat.journals.journal import Entry
from asynq_compat.machine.applied import Outcome, TaskView, Verdict
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step, is_int
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.ports.history import Change
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.bare import BareRecord, parse_bare
from asynq_compat.wire.message import decode_message

_ENQUEUES = (c.ENQUEUE, c.ENQUEUE_MORE)
_TIMED = (TaskState.SCHEDULED, TaskState.RETRY)
_BY_CODE = {
    c.SETTLE_REQUEUE: Change.REQUEUED,
    c.HAND_BACK: Change.RETURNED,
    c.CLOSE: Change.RETURNED,
    c.LEAVE: Change.RETURNED,
    c.RUN: Change.RUN,
    c.RUN_ALL: Change.RUN,
    c.DELETE_SET: Change.AGGREGATED,
    c.DELETE: Change.DELETED,
    c.DELETE_ALL: Change.DELETED,
    c.REMOVE_QUEUE: Change.DELETED,
    c.SETTLE_DONE: Change.DONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One change; `session` has or had the task."""

    position: int
    at_ms: int
    change: Change
    writer_id: bytes
    session: int | None
    state: str
    error: str
    due_at: int | None


class TracingMachine(Machine):
    """A machine that writes down what becomes of one task."""

    def __init__(self, queue: str, task_id: str, state: State | None = None, versions: Versions = VERSIONS) -> None:
        super().__init__(queue, state=state, versions=versions)
        self.task_id = task_id
        self.seen: list[Seen] = []
        self.type = "" if (known := self.task(task_id)) is None else _type_and_error(known.message)[0]
        self._before = self.task(task_id)
        self._place: tuple[int, int] | None = None  # Of the assignment that it is in, once it is given.
        self._has_started = False
        self._writer_id = b""
        self._at = (0, 0)

    def trace(self, entry: Entry) -> None:
        """Take the next entry and look at what it did to the task."""
        self._at, self._writer_id = (entry.position, entry.timestamp_ms), b""
        applied = apply(self, entry)
        for assigned in applied.assignments:
            if self.task_id in assigned.ids:
                if self._before is None:
                    self._note(Change.ENQUEUED, None, state=str(TaskState.PENDING))
                self._place, self._has_started = (entry.position, assigned.ids.index(self.task_id)), False
                self._before = self.task(self.task_id)
                self._note(Change.GIVEN, self._before)
        self._look(None)
        if applied.verdict is Verdict.BARE and applied.outcomes != [c.OK]:
            record = parse_bare(entry.data, entry.headers)
            if isinstance(record, BareRecord) and record.message.id == self.task_id:
                self._note(Change.REFUSED, self._before)

    def _apply_command(self, step: Step, command: c.Command) -> Outcome:
        self._writer_id = b""
        self._look(None)
        self._writer_id = step.writer_id
        outcome = super()._apply_command(step, command)
        self._see_start(command)
        self._look(command[0])
        if command[0] in _ENQUEUES and self._is_refused(command, outcome):
            self._note(Change.REFUSED, self._before)
        return outcome

    def _is_refused(self, command: c.Command, outcome: Outcome) -> bool:
        ids = command[1]
        if not isinstance(outcome, list) or type(ids) is not list or len(ids) != len(outcome):
            return False
        return any(task_id == self.task_id and code != c.OK for task_id, code in zip(ids, outcome, strict=True))

    def _see_start(self, command: c.Command) -> None:
        """A session's frame says up to where it has started what it was given."""
        if command[0] != c.SESSION or self._place is None or self._has_started or self._before is None:
            return
        _, name, *mark = command
        if name == self._before.session and len(mark) == 3 and is_int(mark[0]) and is_int(mark[1]):
            position, index = self._place
            if (mark[0], mark[1]) >= (position, index + 1):
                self._has_started = True
                self._note(Change.STARTED, self._before)

    def _look(self, code: object) -> None:
        before, now = self._before, self.task(self.task_id)
        self._before = now
        was, is_now = _kind(before), _kind(now)
        if was != is_now:
            self._note(_change(code, was, is_now), now, had=None if before is None else before.session)
        if now is None or now.state is not TaskState.ACTIVE:
            self._place = None

    def _note(self, change: Change, now: TaskView | None, *, had: int | None = None, state: str = "") -> None:
        position, at_ms = self._at
        error = ""
        if now is not None:
            self.type, said = _type_and_error(now.message)
            error = said if change in (Change.RETRIED, Change.ARCHIVED) else ""
        waits = now is not None and now.state in _TIMED and change in (Change.ENQUEUED, Change.RETRIED)
        self.seen.append(
            Seen(
                position=position,
                at_ms=at_ms,
                change=change,
                writer_id=self._writer_id,
                session=now.session if now is not None and now.session is not None else had,
                state=state if now is None else str(now.state),
                error=error,
                due_at=now.due_at if waits and now is not None else None,
            )
        )


def _kind(view: TaskView | None) -> tuple[TaskState, bool] | None:
    return None if view is None else (view.state, view.is_orphaned)


def _change(code: object, was: tuple[TaskState, bool] | None, now: tuple[TaskState, bool] | None) -> Change:
    """Return what turned one state into the other; `code` is the command's, None where time or a bare record did."""
    if was is None:
        return Change.ENQUEUED
    if now is None:
        return _BY_CODE.get(code, Change.EXPIRED) if isinstance(code, int) else Change.EXPIRED
    if now == (TaskState.ACTIVE, True):
        return Change.ORPHANED
    by_state = {
        TaskState.RETRY: Change.RETRIED,
        TaskState.ARCHIVED: Change.ARCHIVED,
        TaskState.COMPLETED: Change.COMPLETED,
    }
    if now[0] in by_state:
        return by_state[now[0]]
    by_code = _BY_CODE.get(code) if isinstance(code, int) else None
    if by_code is not None:
        return by_code
    return Change.RETURNED if was[0] is TaskState.ACTIVE else Change.DUE


def _type_and_error(message: bytes) -> tuple[str, str]:
    try:
        decoded = decode_message(message)
    except CorruptDataError:
        return "", ""
    return decoded.type, decoded.error_msg
