"""Who is told what an entry of a journal did?

Contract: called by the replica's thread, outside its lock, in the order of the log.
"""

from __future__ import annotations

from typing import Protocol

from asynq_compat.machine.applied import Applied
from asynq_compat.machine.control import ControlApplied

AnyApplied = Applied | ControlApplied


class Listener(Protocol):
    """Follows what a replica applies."""

    def on_applied(self, applied: AnyApplied, now_s: float) -> None:
        """Hear of one entry."""

    def on_rebuilt(self) -> None:
        """Hear that the log is another one: whatever was known is void."""
