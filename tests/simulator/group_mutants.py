"""Would the simulator notice sets that are made or ended wrongly?

Contract: as `mutants`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

from asynq_compat.machine import admin, due, group
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.containers.groups import GroupedTask, Groups
from asynq_compat.machine.enqueue import enqueue_more
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step
from asynq_compat.machine.versions import TRANSITIONS
from asynq_compat.rules.patience import Patience
from asynq_compat.wire import command as c

_take, _expired, _forget = Groups.take, Groups.expired, State.forget


def _take_all(self: Groups, name: str, count: int) -> list[GroupedTask]:
    del count
    return _take(self, name, len(self.lines[name]))


def _take_one_less(self: Groups, name: str, count: int) -> list[GroupedTask]:
    taken = _take(self, name, count)
    return taken[:-1] if len(taken) > 1 else taken


def _ended_twice(state: State, step: Step, command: c.Command) -> Outcome | None:
    """Who comes too late enqueues all the same."""
    found = group.delete_set(state, step, command)
    enqueueing = command[3]
    if found == [c.NO_SUCH_SET] and isinstance(enqueueing, list):
        return enqueue_more(state, step, enqueueing)
    return found


def _set_stays(state: State, step: Step, command: c.Command) -> Outcome | None:
    """The task that stands for the others enters, and they return when the time of the set is over."""
    name, enqueueing = (command[1], command[2]), command[3]
    if name not in state.groups.sets or not isinstance(enqueueing, list):
        return [c.NO_SUCH_SET]
    return enqueue_more(state, step, enqueueing)


def _half_returns(state: State) -> None:
    for name in state.groups.expired(state.clock_s()):
        for task in state.groups.sets.pop(name).tasks[1:]:
            state.groups.add(task)


def _lifetime(seconds: int) -> AbstractContextManager[object]:
    return patch.object(group, "SET_LIFETIME_S", seconds)


GROUP_MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "a set is larger than the largest": lambda: patch.object(Groups, "take", _take_all),
    "of a set's tasks the last is lost": lambda: patch.object(Groups, "take", _take_one_less),
    "a group is due at once": lambda: patch.object(Patience, "is_over", lambda *_: True),
    "sets last a minute": lambda: _lifetime(60),
    "sets last four minutes": lambda: _lifetime(240),
    "sets never return": lambda: patch.object(due, "reclaim_sets", lambda _state: None),
    "of a set that returns the first is lost": lambda: patch.object(due, "reclaim_sets", _half_returns),
    "a set is ended twice": lambda: patch.dict(TRANSITIONS, {c.DELETE_SET: _ended_twice}),
    "a set that was ended returns": lambda: patch.dict(TRANSITIONS, {c.DELETE_SET: _set_stays}),
    "what stands in a set can be run": lambda: patch.object(admin, "_is_in_set", lambda _container: False),
}
