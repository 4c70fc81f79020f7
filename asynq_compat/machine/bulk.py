"""What can an operator change about all tasks of one state, or about the whole queue?

Contract: a command changes a slice, what comes first in the order of its state; its outcome is ``[OK, count]``, and a count below the
slice's size says that no task is left there. Completed tasks go a whole second at a time, so that slice may be larger.
Not obvious: slices, so that one entry takes every replica some ten milliseconds whatever the backlog is. Deleting frees the locks.
"""

from __future__ import annotations

from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.archive import put_all_into_archive
from asynq_compat.machine.containers.counters import Counters
from asynq_compat.machine.containers.groups import Groups
from asynq_compat.machine.containers.indexes import SEGMENT_LENGTH_AIM, DueIndex, Part, PendingQueue
from asynq_compat.machine.containers.kept import KeptTasks
from asynq_compat.machine.containers.locks import Locks
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step, is_int
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.command import IS_ACTIVE, IS_NOT_EMPTY, OK, Command

SLICE_COUNT_MAX = 65_536
_TIMED = {str(state): state for state in (TaskState.SCHEDULED, TaskState.RETRY, TaskState.ARCHIVED)}
_PENDING, _COMPLETED, _GROUPED = str(TaskState.PENDING), str(TaskState.COMPLETED), str(TaskState.AGGREGATING)


def run_all(state: State, _: Step, command: Command) -> Outcome | None:
    """The next tasks of a state are pending now, behind all others."""
    asked = _asked(command, {_GROUPED, *_TIMED})
    if asked is None:
        return None
    ids, messages = _take(state, *asked)
    for start in range(0, len(ids), SEGMENT_LENGTH_AIM):
        end = start + SEGMENT_LENGTH_AIM
        state.make_pending(ids[start:end], messages[start:end], None)
    return [OK, len(ids)]


def archive_all(state: State, _: Step, command: Command) -> Outcome | None:
    """The next tasks of a state go to the archive; messages and counters stay."""
    asked = _asked(command, {_PENDING, _GROUPED, *_TIMED} - {str(TaskState.ARCHIVED)})
    if asked is None:
        return None
    ids, messages = _take(state, *asked)
    put_all_into_archive(state, ids, messages)
    return [OK, len(ids)]


def delete_all(state: State, _: Step, command: Command) -> Outcome | None:
    """The next tasks of a state are deleted, their locks freed."""
    asked = _asked(command, {_PENDING, _COMPLETED, _GROUPED, *_TIMED})
    if asked is None:
        return None
    kind, group, count = asked
    if kind == _PENDING:
        ids = [task_id for segment, lo, hi in _first_pending(state, count) for task_id in segment.ids[lo:hi]]
    elif kind == _COMPLETED:
        ids = _take_completed(state, count)
    else:
        ids = _take(state, kind, group, count)[0]
    state.forget(ids, frees_locks=True)
    return [OK, len(ids)]


def remove_queue(state: State, _: Step, command: Command) -> Outcome | None:
    """Nothing is left of the queue but who serves it; refused while a task is active, or where tasks may not be deleted and there are some."""
    if len(command) != 2 or type(command[1]) is not bool:
        return None
    if state.tasks and not command[1]:
        return [IS_NOT_EMPTY]
    if state.active_count:
        return [IS_ACTIVE]
    count = len(state.tasks)
    state.tasks, state.extras, state.locks = {}, {}, Locks()
    state.pending = PendingQueue(attic=state.pending.attic)
    state.timed = {kind: DueIndex() for kind in state.timed}
    state.kept = KeptTasks()
    state.groups = Groups()
    state.counters = Counters()
    state.is_paused = False
    return [OK, count]


def _asked(command: Command, kinds: set[str]) -> tuple[str, str, int] | None:
    """Return which state is meant, which group, and how many at most; None when the command is malformed."""
    if len(command) != 4:
        return None
    _code, kind, group, count = command
    if type(kind) is not str or kind not in kinds or type(group) is not str or not is_int(count):
        return None
    if bool(group) != (kind == _GROUPED):
        return None
    return (kind, group, count) if 1 <= count <= SLICE_COUNT_MAX else None


def _take(state: State, kind: str, group: str, count: int) -> tuple[list[str], list[bytes]]:
    """Take the first tasks of a state, other than completed, from their container; return ids and messages."""
    ids: list[str] = []
    messages: list[bytes] = []
    if kind == _PENDING:
        for segment, lo, hi in _first_pending(state, count):
            ids += segment.ids[lo:hi]
            messages += segment.messages[lo:hi]
        return ids, messages
    if kind == _GROUPED:
        taken = state.groups.take(group, min(count, len(state.groups.lines.get(group, ()))))
        return [task.task_id for task in taken], [task.message for task in taken]
    index = state.timed[_TIMED[kind]]
    while len(ids) < count and (task := index.pop_first()) is not None:
        ids.append(task.task_id)
        messages.append(task.message)
    return ids, messages


def _first_pending(state: State, count: int) -> list[Part]:
    return state.pending.take(min(count, state.pending.count))


def _take_completed(state: State, count: int) -> list[str]:
    ids: list[str] = []
    while len(ids) < count and (second := state.kept.first_s()) is not None:
        ids += state.kept.pop_until(second)
    return ids
