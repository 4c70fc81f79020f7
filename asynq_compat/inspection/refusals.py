"""With which words is an operator told that something cannot be done?

Contract: pure. Error texts are Go's, the classes are ours.
Source: asynq v0.26.0 `Inspector`; docs/semantics.md, "inspector".
"""

from __future__ import annotations

from typing import assert_never

from asynq_compat.errors import (
    InvalidArgumentError,
    QueueNotEmptyError,
    QueueNotFoundError,
    QueueStateError,
    TaskNotFoundError,
    TaskStateError,
)
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.limits import is_blank, is_utf8, shown

BLANK_QUEUE = "queue name must contain one or more characters"
REFUSED = "asynq: FAILED_PRECONDITION: "
_NAME_CHARACTERS_MAX = 200


def named(queue: str) -> str:
    """Return a queue's name as Go prints it, cut where it is no name but an accident."""
    return go_quoted(queue if len(queue) <= _NAME_CHARACTERS_MAX else f"{queue[:_NAME_CHARACTERS_MAX]}…")


def check_queue(queue: object, refusal: str) -> None:
    """Refuse a queue's name that is blank, with these words, or no text."""
    if is_blank(check_text("queue", queue)):
        raise InvalidArgumentError(refusal)


def check_text(name: str, value: object) -> str:
    """Return `value`, the argument called `name`, if it is text that can be written."""
    if not isinstance(value, str):
        raise InvalidArgumentError(
            f"{name} must be a str, got {shown(value)}; convert it first, for example str(value)"
        )
    if not is_utf8(value):
        raise InvalidArgumentError(
            f"{name} must be valid Unicode, got {shown(value)} with a lone surrogate; decode it properly first"
        )
    return value


def raise_for(outcome: AdminOutcome, queue: str, *, active: str = "", pending: str = "", archived: str = "") -> None:
    """Raise the error that tells an operator about an outcome; the texts say why a state forbids it."""
    match outcome:
        case AdminOutcome.OK:
            return
        case AdminOutcome.QUEUE_NOT_FOUND:
            raise QueueNotFoundError("asynq: queue not found")
        case AdminOutcome.TASK_NOT_FOUND:
            raise TaskNotFoundError("asynq: task not found")
        case AdminOutcome.TASK_IS_ACTIVE:
            raise TaskStateError(REFUSED + active)
        case AdminOutcome.TASK_IS_PENDING:
            raise TaskStateError(REFUSED + pending)
        case AdminOutcome.TASK_IS_ARCHIVED:
            raise TaskStateError(REFUSED + archived)
        case AdminOutcome.TASK_IS_NOT_SCHEDULED:
            raise TaskStateError(f"{REFUSED}cannot update task that is not in scheduled state.")
        case AdminOutcome.QUEUE_IS_NOT_EMPTY:
            raise QueueNotEmptyError(f"queue is not empty: queue={named(queue)}")
        case AdminOutcome.QUEUE_HAS_ACTIVE_TASKS:
            raise QueueStateError("FAILED_PRECONDITION: cannot remove queue with active tasks")
        case AdminOutcome.TASK_IS_IN_SET:
            raise TaskStateError(
                f"{REFUSED}task is being aggregated with others of its group; try again in two minutes"
            )
        case AdminOutcome.QUEUE_IS_PAUSED:
            raise QueueStateError(f"queue {named(queue)} is already paused")
        case AdminOutcome.QUEUE_IS_NOT_PAUSED:
            raise QueueStateError(f"queue {named(queue)} is not paused")
        case _:
            assert_never(outcome)
