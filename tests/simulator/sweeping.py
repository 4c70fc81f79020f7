"""Does a command about all tasks of a state change those, and no others?

Contract: the observer's books of bulk commands, each of which is alone in its frame: what stood where before the entry is compared with what does
behind it. Time passes in an entry too, so that what became due may be among what runs.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from asynq_compat.machine.machine import Machine
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import admin_command as bulk
from asynq_compat.wire import command as c
from tests.simulator.promises import promise

if TYPE_CHECKING:
    from tests.simulator.observer import Observer

SWEEPS = frozenset({c.RUN_ALL, c.ARCHIVE_ALL, c.DELETE_ALL})
# Small ones, so that many leave something behind.
_SLICES = (1, 3, 1_000)
_RUNS = (TaskState.SCHEDULED, TaskState.RETRY, TaskState.ARCHIVED)
_ARCHIVES = (TaskState.PENDING, TaskState.SCHEDULED, TaskState.RETRY)
_DELETES = (*_RUNS, TaskState.COMPLETED, TaskState.PENDING)


def any_sweep(rng: Random) -> c.Command:
    """Return a bulk command."""
    builder, states = rng.choice([(bulk.run_all, _RUNS), (bulk.archive_all, _ARCHIVES), (bulk.delete_all, _DELETES)])
    state = rng.choice([*states, TaskState.AGGREGATING])
    group = f"group{rng.randint(1, 2)}" if state is TaskState.AGGREGATING else ""
    return builder(str(state), group, rng.choice(_SLICES))


def where_all_are(machine: Machine) -> dict[str, TaskState]:
    """Return the states of all tasks that are listed."""
    return {view.task_id: state for state in TaskState for view in machine.list_tasks(state)}


def see_sweep(observer: Observer, before: dict[str, TaskState], command: c.Command, outcome: object) -> None:
    """Check a bulk command, and note what it did."""
    code, (word, group, count_max) = command[0], command[1:]
    state = TaskState.parse(str(word))
    assert isinstance(outcome, list)
    assert isinstance(count_max, int)
    assert isinstance(code, int)
    promise(outcome[0] == c.OK, f"a command about all that is {state} gave {outcome}")
    count = outcome[1]
    now = where_all_are(observer.machine)
    is_moved: Callable[[str], bool] = {
        c.RUN_ALL: lambda one: before[one] == state and now.get(one) in (TaskState.PENDING, TaskState.ACTIVE),
        c.ARCHIVE_ALL: lambda one: before[one] is not TaskState.ARCHIVED and now.get(one) is TaskState.ARCHIVED,
        c.DELETE_ALL: lambda one: one not in now and (one in observer.kept or not observer.books[one].ended_by),
    }[code]
    moved = [one for one in before if is_moved(one)]
    is_exact = code != c.RUN_ALL or state == TaskState.ARCHIVED
    promise(
        count == len(moved) or (count < len(moved) and not is_exact),
        f"{command[:3]}: {count} were told of, {len(moved)} changed",
    )
    # Completed ones go a whole second at a time.
    promise(count <= count_max or state is TaskState.COMPLETED, f"{count} changed, {count_max} at most were meant")
    left = [one for one in now if now[one] == state and (not group or observer.books[one].group == group)]
    promise(count >= count_max or not left, f"{count} of {count_max} changed, and some are left that were {state}")
    for one in moved:
        book = observer.books[one]
        promise(
            not observer.grouping.in_live_set(book), f"{one} stands in a set, and was changed with all that is {state}"
        )
        promise(not group or book.group == group, f"{one} is not of {group}, and was changed with it")
        book.is_out_of_line = True
        if code == c.RUN_ALL:
            book.process_at = 0
        if code == c.DELETE_ALL and observer.kept.pop(one, None) is None:
            observer.end(one, "deleted", frees_lock=True)
        elif code != c.DELETE_ALL and observer.kept.pop(one, None) is not None:
            book.ended_by = ""
