"""When do the tasks of a group become one?

Contract: a set is made of a group that is full or has waited long enough; whoever made it reads its tasks, makes one of them and deletes the
set, with the enqueueing of that one in the same command. Where that does not come within `SET_LIFETIME_S`, they return to their group.
Not obvious: the tasks of a deleted set have ended well, so their locks are free; in Asynq these last until their time is over.
"""

from __future__ import annotations

from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.containers.groups import AggregationSet, SetName
from asynq_compat.machine.enqueue import enqueue_more
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step, is_int, is_text_column, summary
from asynq_compat.rules.patience import Patience
from asynq_compat.wire.command import ENQUEUE_MORE, IS_NOT_DUE, NO_SUCH_SET, Command

SET_LIFETIME_S = 120
# Asynq's durations are up to 292 years.
PATIENCE_S_MAX = 2**40


def aggregate(state: State, step: Step, command: Command) -> Outcome | None:
    """Sets are made of groups whose time has come."""
    if len(command) != 5:
        return None
    _, groups, size_max, delay_s, grace_s = command
    if not is_text_column(groups) or not (is_int(size_max) and is_int(delay_s) and is_int(grace_s)):
        return None
    if size_max < 0 or not (0 <= delay_s <= PATIENCE_S_MAX and 0 <= grace_s <= PATIENCE_S_MAX):
        return None
    patience = Patience(size_max, delay_s, grace_s)
    return summary([_aggregate_one(state, step.position, group, patience) for group in groups])


def delete_set(state: State, step: Step, command: Command) -> Outcome | None:
    """The tasks of a set are gone; one that stands for them enters."""
    if len(command) != 4 or not (is_int(command[1]) and is_int(command[2])):
        return None
    name, enqueueing = (command[1], command[2]), command[3]
    if enqueueing is not None and not _is_of_one(enqueueing):
        return None
    if name not in state.groups.sets:
        return [NO_SUCH_SET]
    if isinstance(enqueueing, list):
        outcome = enqueue_more(state, step, enqueueing)
        if outcome != 0:
            return outcome
    gone = state.groups.sets.pop(name)
    state.forget([task.task_id for task in gone.tasks], frees_locks=True)
    return 0


def reclaim_sets(state: State) -> None:
    """Let the tasks of sets whose time is over wait in their groups again, each since its second."""
    now_s = state.clock_s()
    groups = state.groups
    for name in groups.expired(now_s):
        for task in groups.sets.pop(name).tasks:
            groups.add(task)


def _aggregate_one(state: State, position: int, group: str, patience: Patience) -> int | list[int]:
    groups, now_s = state.groups, state.clock_s()
    line = groups.lines.get(group)
    if line is None or not patience.is_over(line, now_s):
        return IS_NOT_DUE
    tasks = groups.take(group, min(patience.size_max or len(line), len(line)))
    name: SetName = (position, 0)
    while name in groups.sets:
        name = (position, name[1] + 1)
    groups.sets[name] = AggregationSet(group, now_s + SET_LIFETIME_S, tasks)
    for task in tasks:
        task.in_set = name
    return list(name)


def _is_of_one(command: object) -> bool:
    if type(command) is not list or len(command) != 7 or command[0] != ENQUEUE_MORE:
        return False
    return is_text_column(command[1]) and len(command[1]) == 1
