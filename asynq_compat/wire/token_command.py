"""Which commands of the control journal do semaphores write, and how is each laid out?

Contract: pure. As in `command`, which has their codes: each function builds one command of the control journal. docs/journal.md is the
specification.
"""

from __future__ import annotations

from asynq_compat.wire.command import RETURN_TOKEN, TAKE_TOKEN, Command


def take_token(scope: str, task_id: str, max_tokens: int, deadline_s: int) -> Command:
    """Control: let the task hold a token of the scope up to its deadline, Unix seconds, if fewer than `max_tokens` are held."""
    return [TAKE_TOKEN, scope, task_id, max_tokens, deadline_s]


def return_token(scope: str, task_id: str) -> Command:
    """Control: the task's token of the scope is free."""
    return [RETURN_TOKEN, scope, task_id]
