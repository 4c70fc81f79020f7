"""How do semaphores stand on the control journal?

Contract: as `ports.limiting`. Who asks for a token is answered by the state behind its own entry: the token there, if any, names the entry
that gave it.
"""

from __future__ import annotations

from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Control
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.machine.control.tokens import Token
from asynq_compat.wire import token_command


class JournalLimiting:
    """The limiting port over journals."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    def acquire(self, scope: str, max_tokens: int, task_id: str, deadline_s: int) -> bool:
        """Let the task hold a token of the scope; False when `max_tokens` are held."""
        control = self._partitions.control
        command = token_command.take_token(scope, task_id, max_tokens, deadline_s)
        ticket = control.commit([command], size_bytes=_size_of(scope, task_id), needs_outcomes=True)
        assert ticket.position is not None, "a ticket that was applied has its place"
        token = _token(control, scope, task_id, ticket.position)
        return token is not None and token.position >= ticket.position

    def release(self, scope: str, task_id: str) -> bool:
        """Give the task's token back; False when it holds none."""
        control = self._partitions.control
        if _token(control, scope, task_id) is None:
            control.replica.sync(timeout_s=TIMEOUT_S)  # Another process may have taken it.
            if _token(control, scope, task_id) is None:
                return False
        command = token_command.return_token(scope, task_id)
        control.commit([command], size_bytes=_size_of(scope, task_id), needs_outcomes=True)
        return True


def _token(control: Control, scope: str, task_id: str, position: int = -1) -> Token | None:
    """Return the token that a task holds, behind the entry at `position` or a later one."""
    replica = control.replica
    with replica.lock:
        if replica.fold.position >= position:
            return replica.fold.token(scope, task_id)
    replica.sync(timeout_s=TIMEOUT_S)  # What was folded up to there is being folded anew.
    with replica.lock:
        return replica.fold.token(scope, task_id)


def _size_of(scope: str, task_id: str) -> int:
    return 32 + 4 * (len(scope) + len(task_id))
