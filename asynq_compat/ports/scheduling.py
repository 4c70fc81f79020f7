"""How does a scheduler make its periodic tasks known, and fire as one of many?

Contract: entries vanish by themselves after their ttl; the scheduler writes them again before. What was enqueued is kept until it is
cleared, the newest 1 000 events of each entry. `fire` makes each firing once, whoever asks how often: of several schedulers, of one that
has slept, after an answer that was lost, also when the task has been done in the meantime.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest
from asynq_compat.wire.hot_record import hot_record
from asynq_compat.wire.schedule import SchedulerEnqueueEvent, SchedulerEntry

# Asynq's: so many events of an entry are kept.
HISTORY_COUNT_MAX = 1_000
# How long behind its instant a firing may be made; whoever comes later still is told `NotFired.TOO_LATE`.
FIRING_LATE_S_MAX = 30 * 60
# How long one that has taken a firing upon itself is waited for, where taking and making it are two steps.
FIRING_TERM_S = 5


@hot_record
class Firing:
    """One firing of a periodic task.

    Attributes:
        entry: What the periodic task is, the same text in every scheduler that has it.
        instant_s: When it is due, Unix seconds.
        holder: The scheduler that asks.
    """

    entry: str
    instant_s: int
    holder: str


class NotFired(Enum):
    """Why a firing was left alone."""

    ELSEWHERE = "another scheduler has made it"
    UNDER_WAY = "another scheduler has taken it upon itself; ask again after its term"
    TOO_LATE = "its instant is too long ago"


class Scheduling(Protocol):
    """What a scheduler and an inspector of schedulers ask of a broker. Thread-safe."""

    def write_entries(self, scheduler_id: str, entries: Sequence[SchedulerEntry], ttl_s: int) -> None:
        """Publish the entries of a scheduler in place of those before, for `ttl_s` seconds."""

    def clear_entries(self, scheduler_id: str) -> None:
        """Withdraw them."""

    def record_enqueue_event(self, entry_id: str, event: SchedulerEnqueueEvent) -> None:
        """Note that a periodic task was enqueued."""

    def clear_history(self, entry_id: str) -> None:
        """Forget what was noted of an entry."""

    def entries(self) -> Sequence[SchedulerEntry]:
        """Return the entries of all schedulers whose word still holds; what cannot be read is left out."""

    def enqueue_events(self, entry_id: str, *, start: int, count: int | None) -> Sequence[SchedulerEnqueueEvent]:
        """Return what was noted of an entry, the newest first, from place `start` on, `count` of them (None: all)."""

    def fire(self, request: EnqueueRequest, firing: Firing) -> EnqueueOutcome | NotFired:
        """Store the task of a firing if nobody has made the firing yet, and say what became of it.

        Whoever asks again for a firing of its own is told the same. A firing whose task was refused (DUPLICATE, ID_CONFLICT) is made.

        Raises:
            BrokerUnavailableError: No answer. Asking again is safe, whatever has happened.
        """
