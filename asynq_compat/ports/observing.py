"""What do a broker and a server tell whoever measures them?

Contract: an `Observer` is told while the work goes on, by any thread; it is quick and never raises. A server without one asks nothing and
tells nothing. What stands for many tasks is told once for all of them, with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from asynq_compat.ports.consuming import Ended, Waiting


class Timing(Protocol):
    """Who hears of handlers."""

    def handled(self, queue: str, task_type: str, duration_s: float, count: int) -> None:
        """Hear how long a handler took for a task that stands for `count`."""


class Observer(Waiting, Timing, Protocol):
    """Who hears of a server's work."""

    def ended(self, ended: Sequence[Ended]) -> None:
        """Hear what became of tasks, once each, as it is handed to the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """How far this process is with one journal.

    Attributes:
        journal: Its name.
        behind: How many positions its end is ahead of what was read.
        lag_s: How old what was read last is, seconds; 0 where all was read.
        tail_bytes: What stands behind its last checkpoint, bytes.
        checkpoint_age_s: How old its last checkpoint is, seconds; None where none is known.
    """

    journal: str
    behind: int
    lag_s: float
    tail_bytes: int
    checkpoint_age_s: float | None


class Observing(Protocol):
    """What metrics ask of a broker. Thread-safe."""

    def journals(self) -> Sequence[JournalState]:
        """Return the journals that this process follows, by name; asks each for its end.

        Raises:
            BrokerUnavailableError: One does not answer.
        """
