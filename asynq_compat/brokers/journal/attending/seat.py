"""What is a server's place in one partition of a queue?

Contract: owned by the lock of its membership, which does what concerns several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.following.listening import AnyApplied
from asynq_compat.brokers.journal.session import Session
from asynq_compat.machine.applied import Applied

if TYPE_CHECKING:
    from asynq_compat.brokers.journal.membership import Membership


class Seat:
    """A server's place in one partition of a queue, and the present session. Listens to the partition's replica."""

    def __init__(self, membership: Membership, partition: Partition) -> None:
        self.partition = partition
        self.session = Session(partition.queue, partition.journal.name, membership.clock)
        self.is_opening = False
        self.opened_at_s = 0.0
        self.low_mark = 0  # At so many tasks and as much credit it is time to ask for more.
        self.is_leaving = False  # Takes nothing more; what it has is finished or handed back.
        self._membership = membership

    def on_applied(self, applied: AnyApplied, now_s: float) -> None:
        """Hear of one entry."""
        if isinstance(applied, Applied) and (applied.assignments or applied.ended):
            self._membership.applied(self, applied, now_s)

    def on_rebuilt(self) -> None:
        """Hear that the log is another one."""
        with self._membership.lock:
            self._membership.lose(self, self.session, "is void")


def is_low(seat: Seat) -> bool:
    """Return whether it is time to ask for more here."""
    session = seat.session
    return not seat.is_leaving and session.ready_count + max(session.parked, 0) <= seat.low_mark


def is_asked(seat: Seat) -> bool:
    """Return whether tasks wait here for credit that is on offer."""
    session = seat.session
    return session.is_open and session.parked > 0 and is_waited_for(seat.partition)


def is_waited_for(partition: Partition) -> bool:
    """Return whether tasks wait in a partition; without its lock, so it may be late."""
    return bool(partition.replica.fold.pending_count())


def by_journal(by_queue: dict[str, list[Seat]]) -> dict[str, Seat]:
    """Return seats by the names of their journals, in their order."""
    return {seat.partition.journal.name: seat for seats in by_queue.values() for seat in seats}


def backlog(partition: Partition) -> int:
    """Return how many tasks wait that could be given; exact, under the replica's lock."""
    with partition.replica.lock:
        machine = partition.replica.fold
        return 0 if machine.is_paused() else machine.pending_count()
