"""How does a writer that folds nothing learn what became of its frame?

Contract: a frame with ASK in it asks for an answer; the answer, the outcomes of its commands, stays with its writer until that one's next
frame, so that whoever looks after the journal can reply, also when the frame comes again or the state was loaded. REPLY changes nothing.
Not obvious: one answer a writer is enough, since a writer has one frame under way.
"""

from __future__ import annotations

from typing import TypeGuard

from asynq_compat.machine.applied import Outcome, Reply
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step, is_int
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import COMMAND_COUNT_MAX, ITEM_COUNT_MAX, WRITER_ID_BYTES


def ask(_: State, step: Step, command: Command) -> Outcome | None:
    """Keep the outcomes of this frame."""
    if len(command) != 1:
        return None
    step.asks = True
    return 0


def reply(_: State, step: Step, command: Command) -> Outcome | None:
    """Tell a writer what became of its frame."""
    read = read_reply(command)
    if read is None:
        return None
    step.replies.append(read)
    return 0


def read_reply(command: Command) -> Reply | None:
    """Return what a REPLY says; None when it is malformed."""
    if len(command) != 4:
        return None
    _code, writer_id, sequence, outcomes = command
    if type(writer_id) is not bytes or len(writer_id) != WRITER_ID_BYTES or not is_int(sequence):
        return None
    return Reply(writer_id, sequence, outcomes) if are_outcomes(outcomes) else None


def are_outcomes(items: object) -> TypeGuard[list[Outcome]]:
    """Return whether `items` are the outcomes of commands."""
    if type(items) is not list or len(items) > COMMAND_COUNT_MAX:
        return False
    return all(
        is_int(item) or (_is_column(item) and all(is_int(code) or _is_codes(code) for code in item)) for item in items
    )


def _is_column(item: object) -> TypeGuard[list[object]]:
    return type(item) is list and len(item) <= ITEM_COUNT_MAX


def _is_codes(item: object) -> bool:
    return _is_column(item) and set(map(type, item)) <= {int}
