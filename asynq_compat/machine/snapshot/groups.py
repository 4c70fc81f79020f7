"""How do groups and sets stand in sections?

Contract: pure. Tasks of a group or a set are columns, in order; the group of a task that waits elsewhere is told by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asynq_compat.machine.containers.groups import AggregationSet, GroupedTask, Groups
from asynq_compat.machine.snapshot import fields as f
from asynq_compat.machine.snapshot.columns import COLUMN_LENGTH_MAX, Sized, size_of
from asynq_compat.machine.snapshot.common import ROW_BYTES
from asynq_compat.machine.state import State
from asynq_compat.wire import snapshot as s


def set_rows(groups: Groups) -> Iterator[Sized]:
    """Give the row of each set, the oldest first; their tasks follow in rows of their own."""
    for (position, number), one in groups.sets.items():
        yield [position, number, one.group, one.expires_s], ROW_BYTES + size_of([one.group], [])


def grouped_rows(groups: Groups, size_bytes_max: int) -> Iterator[Sized]:
    """Give the tasks of each group, by its name, then those of each set."""
    for group in sorted(groups.lines):
        yield from _columns(group, None, groups.waiting(group), size_bytes_max)
    for name, one in groups.sets.items():
        yield from _columns(one.group, list(name), one.tasks, size_bytes_max)


def _columns(group: str, name: list[int] | None, tasks: Iterable[GroupedTask], size_bytes_max: int) -> Iterator[Sized]:
    head = ROW_BYTES + size_of([group], [])
    scores: list[int] = []
    ids: list[str] = []
    messages: list[bytes] = []
    size = head
    for task in tasks:
        task_size = size_of([task.task_id], [task.message])
        if ids and (len(ids) == COLUMN_LENGTH_MAX or size + task_size > size_bytes_max):
            yield [group, name, scores, ids, messages], size
            scores, ids, messages, size = [], [], [], head
        scores.append(task.score)
        ids.append(task.task_id)
        messages.append(task.message)
        size += task_size
    if ids:
        yield [group, name, scores, ids, messages], size


def name_rows(groups: Groups) -> Iterator[Sized]:
    """Give id and group of each task that belongs to one and does not wait in it."""
    in_sets = {task.task_id for one in groups.sets.values() for task in one.tasks}
    for task_id, group in sorted(groups.name_of.items()):
        if task_id not in groups.tasks and task_id not in in_sets:
            yield [task_id, group], size_of([task_id, group], [])


def read_sets(state: State, body: s.Body) -> None:
    """Add the sets of a section, without their tasks."""
    for position, number, group, expires_s in f.rows(body, 4):
        name = f.integer(position), f.integer(number)
        state.groups.sets[name] = AggregationSet(_name(group), f.integer(expires_s), [])


def read_grouped(state: State, body: s.Body) -> int:
    """Add tasks to their groups and sets; return how many."""
    task_count = 0
    for group, name, scores, ids, messages in f.rows(body, 5):
        task_ids = f.task_ids(ids)
        columns = f.integers(scores, len(task_ids)), task_ids, f.messages(messages, len(task_ids))
        for score, task_id, message in zip(*columns, strict=True):
            _read_one(state, GroupedTask(task_id, message, _name(group), score), name)
        task_count += len(task_ids)
    return task_count


def _read_one(state: State, task: GroupedTask, name: object) -> None:
    groups = state.groups
    if task.task_id in state.tasks:
        raise f.corrupt("a task is there twice")
    if name is None:
        groups.add(task)
    else:
        position, number = f.integers(name, 2)
        found = groups.sets.get((position, number))
        if found is None or found.group != task.group:
            raise f.corrupt(f"tasks of set {position}.{number}, which is not there")
        task.in_set = position, number
        found.tasks.append(task)
    state.tasks[task.task_id] = task
    groups.name_of[task.task_id] = task.group


def read_names(state: State, body: s.Body) -> None:
    """Note to which groups tasks belong that do not wait there."""
    for task_id, group in f.rows(body, 2):
        state.groups.name_of[f.text(task_id)] = _name(group)


def _name(item: object) -> str:
    """Return the name of a group."""
    name = f.text(item)
    if not name:
        raise f.corrupt("a group without a name")
    return name
