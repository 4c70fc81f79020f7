"""How does a task enter the queue?

Contract: an id is taken while the queue knows a task by it, in whatever state. Of one command each task stands for itself.
Not obvious: a lock is looked at before the id, as in Asynq, but taken only by a task that enters: an id conflict leaves no lock behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.state import State
from asynq_compat.machine.step import INT_MAX, Step, is_bytes_column, is_int, is_text_column, summary
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.command import DUPLICATE, ID_TAKEN, OK, REJECTED, Command

TTL_S_MAX = 2**40


def enqueue(state: State, _: Step, command: Command) -> Outcome | None:
    """Pending tasks, two columns."""
    if len(command) != 3:
        return None
    ids, messages = command[1], command[2]
    if not (is_text_column(ids) and is_bytes_column(messages) and len(ids) == len(messages)):
        return None
    if not ids:
        return 0
    tasks = state.tasks
    entering = dict.fromkeys(ids)
    if len(entering) == len(ids) and tasks.keys().isdisjoint(entering):
        state.make_pending(ids, messages, state.clocks.clock_ms)
        return 0
    codes: list[int | list[int]] = []
    entering.clear()
    kept = []
    for index, task_id in enumerate(ids):
        is_taken = task_id in tasks or task_id in entering
        codes.append(ID_TAKEN if is_taken else OK)
        if not is_taken:
            entering[task_id] = None
            kept.append(messages[index])
    if entering:
        state.make_pending(list(entering), kept, state.clocks.clock_ms)
    return codes


@dataclass(slots=True)
class _Columns:
    """The columns of ENQUEUE_MORE, absent ones filled with None."""

    ids: list[str]
    messages: list[bytes]
    process_at: list[object]
    unique_keys: list[object]
    unique_ttls: list[object]
    groups: list[object]


@dataclass(slots=True)
class _Decision:
    """What enters, decided before anything changes."""

    codes: list[int | list[int]] = field(default_factory=list)
    entering: dict[str, bytes] = field(default_factory=dict)
    scheduled: dict[str, int] = field(default_factory=dict)
    locks: dict[str, tuple[str, int]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)


def enqueue_more(state: State, _: Step, command: Command) -> Outcome | None:
    """Tasks of any kind, six columns."""
    columns = _columns(command)
    if columns is None:
        return None
    if _enter_alike(state, columns):
        return 0
    decision = _Decision()
    for row in zip(
        columns.ids,
        columns.messages,
        columns.process_at,
        columns.unique_keys,
        columns.unique_ttls,
        columns.groups,
        strict=True,
    ):
        decision.codes.append(_decide(state, decision, *row))
    _enter(state, decision)
    return summary(decision.codes)


def _enter_alike(state: State, columns: _Columns) -> bool:
    """Take in tasks that run at once and are unique for the same time, if all of them can enter; else nothing changes."""
    ids, keys, ttls = columns.ids, columns.unique_keys, columns.unique_ttls
    if not (ids and is_text_column(keys) and columns.process_at.count(None) == columns.groups.count(None) == len(ids)):
        return False
    ttl_s = ttls[0]
    if not is_int(ttl_s) or ttls.count(ttl_s) != len(ttls) or set(map(type, ttls)) != {int}:
        return False
    entering, locking = set(ids), set(keys)
    if not (
        1 <= ttl_s <= TTL_S_MAX
        and len(entering) == len(locking) == len(ids)
        and state.tasks.keys().isdisjoint(entering)
        and state.locks.held.keys().isdisjoint(locking)
    ):
        return False
    state.make_pending(ids, columns.messages, state.clocks.clock_ms)
    state.locks.acquire(keys, ids, state.clocks.clock_ms + ttl_s * 1000)
    return True


def enqueue_one(
    state: State,
    task_id: str,
    message: bytes,
    process_at: int | None,
    unique_key: str | None,
    ttl_s: int | None,
    group: str | None = None,
) -> int:
    """One task of any kind; return its outcome."""
    decision = _Decision()
    code = _decide(state, decision, task_id, message, process_at, unique_key, ttl_s, group)
    _enter(state, decision)
    return code


def _columns(command: Command) -> _Columns | None:
    if len(command) != 7:
        return None
    _, ids, messages, *more = command
    if not (is_text_column(ids) and is_bytes_column(messages) and len(ids) == len(messages)):
        return None
    filled: list[list[object]] = []
    for column in more:
        if column is None:
            filled.append([None] * len(ids))
        elif type(column) is list and len(column) == len(ids):
            filled.append(column)
        else:
            return None
    return _Columns(ids, messages, *filled)


def _decide(
    state: State,
    decision: _Decision,
    task_id: str,
    message: bytes,
    process_at: object,
    unique_key: object,
    ttl_s: object,
    group: object,
) -> int:
    if not (process_at is None or is_int(process_at)) or not (group is None or (type(group) is str and group)):
        return REJECTED
    if unique_key is not None or ttl_s is not None:
        if not (type(unique_key) is str and unique_key and is_int(ttl_s) and 1 <= ttl_s <= TTL_S_MAX):
            return REJECTED
        if unique_key in state.locks.held or unique_key in decision.locks:
            return DUPLICATE
    if task_id in state.tasks or task_id in decision.entering:
        return ID_TAKEN
    decision.entering[task_id] = message
    if process_at is not None and process_at > state.clock_s():
        decision.scheduled[task_id] = min(process_at, INT_MAX)
    if type(unique_key) is str and is_int(ttl_s):
        decision.locks[unique_key] = (task_id, state.clocks.clock_ms + ttl_s * 1000)
    if type(group) is str:
        decision.groups[task_id] = group
    return OK


def _enter(state: State, decision: _Decision) -> None:
    scheduled, groups = decision.scheduled, decision.groups
    pending = [task_id for task_id in decision.entering if task_id not in scheduled and task_id not in groups]
    if pending:
        state.make_pending(pending, [decision.entering[i] for i in pending], state.clocks.clock_ms)
    for task_id, second in scheduled.items():
        state.make_timed(TaskState.SCHEDULED, task_id, decision.entering[task_id], second)
    for task_id, group in groups.items():
        if task_id in scheduled:
            state.groups.name_of[task_id] = group
        else:
            state.make_grouped(task_id, decision.entering[task_id], group)
    for key, (task_id, expires_ms) in decision.locks.items():
        state.locks.acquire([key], [task_id], expires_ms)
