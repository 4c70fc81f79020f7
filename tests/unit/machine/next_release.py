"""What might a later release know that this one does not?

Contract: machine version 2 exists here alone: it knows one command more, and one that means something else. It is given to a machine as
its table, as a later release would give its own.
"""

from __future__ import annotations

from asynq_compat.machine import admin
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.wire import command as c

BURY = 100


def bury(state: State, step: Step, command: c.Command) -> Outcome | None:
    """What waits goes to the archive."""
    return admin.archive_task(state, step, command)


def tick_and_unpause(state: State, step: Step, command: c.Command) -> Outcome | None:
    """A tick lets a paused queue go on."""
    state.is_paused = False
    return admin.tick(state, step, command)


NEXT_RELEASE: Versions = {**VERSIONS, 2: {**VERSIONS[1], BURY: bury, c.TICK: tick_and_unpause}}
