"""Would the simulator notice commands about all tasks of a state that do otherwise?

Contract: as `mutants`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

from asynq_compat.machine import bulk
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step
from asynq_compat.machine.versions import TRANSITIONS
from asynq_compat.wire import command as c

_take = bulk._take
_Taken = tuple[list[str], list[bytes]]


def _takes_one_more(state: State, kind: str, group: str, count: int) -> _Taken:
    return _take(state, kind, group, count + 1)


def _loses_the_last(state: State, kind: str, group: str, count: int) -> _Taken:
    ids, messages = _take(state, kind, group, count)
    return ids[:-1], messages[:-1]


def _takes_another_group(state: State, kind: str, group: str, count: int) -> _Taken:
    others = [name for name in state.groups.lines if name != group]
    return _take(state, kind, others[0] if group and others else group, count)


def _tells_all(change: Callable[[State, Step, c.Command], Outcome | None]) -> Callable[..., Outcome | None]:
    """As many were changed as were asked for."""

    def tells(state: State, step: Step, command: c.Command) -> Outcome | None:
        outcome = change(state, step, command)
        return outcome if outcome is None else [c.OK, int(str(command[3]))]

    return tells


def _keeps_locks(state: State, _: Step, command: c.Command) -> Outcome | None:
    forget = State.forget
    with patch.object(State, "forget", lambda self, ids, **_: forget(self, ids, frees_locks=False)):
        return bulk.delete_all(state, _, command)


SWEEPING_MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "a slice is one larger": lambda: patch.object(bulk, "_take", _takes_one_more),
    "of a slice the last is lost": lambda: patch.object(bulk, "_take", _loses_the_last),
    "another group is meant": lambda: patch.object(bulk, "_take", _takes_another_group),
    "run all tells of more": lambda: patch.dict(TRANSITIONS, {c.RUN_ALL: _tells_all(bulk.run_all)}),
    "archive all runs": lambda: patch.dict(TRANSITIONS, {c.ARCHIVE_ALL: bulk.run_all}),
    "delete all keeps locks": lambda: patch.dict(TRANSITIONS, {c.DELETE_ALL: _keeps_locks}),
}
