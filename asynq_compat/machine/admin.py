"""What can an operator change?

Contract: each id stands for itself. Active tasks cannot be touched: their worker has them. Nor can those of a set: who makes one task of
them has read them already.
"""

from __future__ import annotations

from asynq_compat.machine.amending import with_payload
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.archive import put_into_archive
from asynq_compat.machine.containers.groups import GroupedTask
from asynq_compat.machine.containers.indexes import Segment, TimedTask
from asynq_compat.machine.containers.kept import Shelf
from asynq_compat.machine.state import Assignment, Container, State
from asynq_compat.machine.step import Step, is_text_column, summary
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.command import (
    IS_ACTIVE,
    IS_ARCHIVED,
    IS_IN_SET,
    IS_NOT_PAUSED,
    IS_NOT_SCHEDULED,
    IS_PAUSED,
    IS_PENDING,
    NO_SUCH_TASK,
    OK,
    REJECTED,
    Command,
)


def run_task(state: State, _: Step, command: Command) -> Outcome | None:
    """Tasks become pending now, at the end of the line."""
    if len(command) != 2 or not is_text_column(command[1]):
        return None
    return summary([_run_one(state, task_id) for task_id in command[1]])


def archive_task(state: State, _: Step, command: Command) -> Outcome | None:
    """Tasks go to the archive; message and counters stay."""
    if len(command) != 2 or not is_text_column(command[1]):
        return None
    return summary([_archive_one(state, task_id) for task_id in command[1]])


def delete_task(state: State, _: Step, command: Command) -> Outcome | None:
    """Tasks are deleted, their locks freed."""
    if len(command) != 2 or not is_text_column(command[1]):
        return None
    return summary([_delete_one(state, task_id) for task_id in command[1]])


def update_payload(state: State, _: Step, command: Command) -> Outcome | None:
    """A scheduled task has another payload; its lock stays that of the old one."""
    if len(command) != 3:
        return None
    _code, task_id, payload = command
    if type(task_id) is not str or type(payload) is not bytes:
        return None
    container = state.tasks.get(task_id)
    if container is None:
        return [NO_SUCH_TASK]
    if not isinstance(container, TimedTask) or container.state is not TaskState.SCHEDULED:
        return [IS_NOT_SCHEDULED]
    message = with_payload(container.message, payload)
    if message is None:
        return [REJECTED]
    container.message = message
    return 0


def pause_queue(state: State, _: Step, command: Command) -> Outcome | None:
    """Nothing is assigned any more."""
    if len(command) != 1:
        return None
    if state.is_paused:
        return [IS_PAUSED]
    state.is_paused = True
    return 0


def unpause_queue(state: State, _: Step, command: Command) -> Outcome | None:
    """Tasks are assigned again."""
    if len(command) != 1:
        return None
    if not state.is_paused:
        return [IS_NOT_PAUSED]
    state.is_paused = False
    return 0


def tick(_state: State, _: Step, command: Command) -> Outcome | None:
    """Only time passes."""
    return 0 if len(command) == 1 else None


def _run_one(state: State, task_id: str) -> int:
    container = state.tasks.get(task_id)
    if container is None:
        return NO_SUCH_TASK
    if isinstance(container, Assignment):
        return IS_ACTIVE
    if isinstance(container, Segment):
        return IS_PENDING
    if _is_in_set(container):
        return IS_IN_SET
    state.make_pending([task_id], [_take_out(state, task_id, container)], None)
    return OK


def _archive_one(state: State, task_id: str) -> int:
    container = state.tasks.get(task_id)
    if container is None:
        return NO_SUCH_TASK
    if isinstance(container, Assignment):
        return IS_ACTIVE
    if isinstance(container, TimedTask) and container.state is TaskState.ARCHIVED:
        return IS_ARCHIVED
    if _is_in_set(container):
        return IS_IN_SET
    put_into_archive(state, task_id, _take_out(state, task_id, container))
    return OK


def _delete_one(state: State, task_id: str) -> int:
    container = state.tasks.get(task_id)
    if container is None:
        return NO_SUCH_TASK
    if isinstance(container, Assignment):
        return IS_ACTIVE
    if _is_in_set(container):
        return IS_IN_SET
    _take_out(state, task_id, container)
    state.forget([task_id], frees_locks=True)
    return OK


def _is_in_set(container: Container) -> bool:
    return isinstance(container, GroupedTask) and container.in_set is not None


def _take_out(state: State, task_id: str, container: Container) -> bytes:
    """Take a task that is not active from its container; return its message."""
    if isinstance(container, TimedTask):
        state.timed[container.state].discard(container)
        return container.message
    if isinstance(container, GroupedTask):
        state.groups.discard(container)
        return container.message
    if isinstance(container, Shelf):
        return state.kept.take(container, task_id)
    index = container.index_of(task_id)
    message = container.messages[index]
    if isinstance(container, Segment):
        state.pending.remove(container, index)
    return message
