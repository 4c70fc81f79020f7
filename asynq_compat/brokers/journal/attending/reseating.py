"""How does a server come to follow other partitions than those it began with?

Contract: one thread a server, if one of its queues has several partitions. What it should follow is joined first: the replica catches up,
then the membership gets a seat, whose session the caretaker opens. What it should not, it leaves: no credit, what has not started goes
back, what has is finished, then the session leaves if the journal says that another one takes the tasks.
Not obvious: nothing waits for this thread, so that no cold replica holds up a renewal.
"""

from __future__ import annotations

import logging
import threading

from asynq_compat.brokers.journal.attending.attendance import Attendance
from asynq_compat.brokers.journal.attending.seat import Seat
from asynq_compat.brokers.journal.following.followed import TIMEOUT_S, Partition
from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.queue import Queue
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import AsynqError
from asynq_compat.wire import command

_LOG = logging.getLogger("asynq_compat.journal")

_LOOK_S = 1.0
# How long a refusal to leave holds.
_AGAIN_S = 10.0


class Reseating:
    """Moves one membership to where it should be."""

    def __init__(
        self, membership: Membership, attendance: Attendance, partitions: Partitions, *, idle_s: float
    ) -> None:
        self._membership = membership
        self._attendance = attendance
        self._partitions = partitions
        self._look_s = min(idle_s, _LOOK_S)
        self._queues = {seat.partition.queue for seat in membership.seats.values() if seat.partition.count > 1}
        self._refused_at_s: dict[str, float] = {}  # By journal.
        self._closed = threading.Event()
        name = f"asynq-seats-{membership.server_id[:8]}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to look, if there is anything to look after."""
        if self._queues:
            self._thread.start()

    def stop(self) -> None:
        """Move no more; returns when the thread has ended, or soon. Legal twice."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(TIMEOUT_S)

    def run_once(self) -> None:
        """Look at each queue once."""
        membership = self._membership
        with membership.lock:
            seats = dict(membership.seats)
            is_idle = membership.free > 0 and not any(seat.session.ready_count for seat in seats.values())
        for name in self._queues:
            queue = self._partitions.queue(name)
            wanted = self._attendance.wanted(queue, is_idle=is_idle)
            self._join(queue, wanted, seats)
            for seat in seats.values():
                if seat.partition.queue == name:
                    self._settle(seat, is_wanted=seat.partition.number in wanted)

    def _run(self) -> None:
        while not self._closed.wait(self._look_s):
            try:
                self.run_once()
            except AsynqError as failure:
                if not self._closed.is_set():
                    _LOG.warning("server %s cannot change partitions: %s", self._membership.server_id, failure)
            except Exception:  # noqa: BLE001 - the top of a thread
                _LOG.exception("server %s failed to change partitions", self._membership.server_id)

    # --- joining ------------------------------------------------------------------------------------------------------------------

    def _join(self, queue: Queue, wanted: set[int], seats: dict[str, Seat]) -> None:
        """Take a seat in what is wanted; all replicas load side by side."""
        new = [one for one in queue.partitions if one.number in wanted and one.journal.name not in seats]
        for partition in new:
            assert partition.replica is not None  # Started on demand.
        for partition in new:
            if self._closed.is_set():
                return
            self._sit_down(partition)

    def _sit_down(self, partition: Partition) -> None:
        partition.replica.sync(timeout_s=TIMEOUT_S)
        seat = Seat(self._membership, partition)
        partition.replica.listen(seat)
        for first in self._partitions.begin_serving(partition):
            partition.writer.submit(Ticket([first], is_alone=True))
        if not self._membership.add(seat):
            partition.replica.unlisten(seat)

    # --- leaving ------------------------------------------------------------------------------------------------------------------

    def _settle(self, seat: Seat, *, is_wanted: bool) -> None:
        """Bring a seat one step nearer to what is wanted."""
        membership = self._membership
        now_s = membership.clock.monotonic_s()
        refused_at_s = self._refused_at_s.get(seat.partition.journal.name)
        may_leave = refused_at_s is None or now_s - refused_at_s >= _AGAIN_S
        leaves = not is_wanted and may_leave and seat.partition.has_others()
        with membership.lock:
            if leaves and not seat.is_leaving and len(membership.seats) > 1:
                membership.wake.set()
            seat.is_leaving = leaves and len(membership.seats) > 1 and not membership.is_stopped
            if not seat.is_leaving:
                return
            session = seat.session
            if seat.is_opening or (session.is_open and not session.is_idle):
                return
            ticket = None
            if session.is_open:
                ticket = Ticket([session.renewal(), command.leave(session.name)], needs_outcomes=True)
        if ticket is not None:
            seat.partition.writer.commit(ticket, timeout_s=TIMEOUT_S)
        if ticket is None or ticket.outcomes == [command.OK, command.OK]:
            self._stand_up(seat)
        else:
            self._refused_at_s[seat.partition.journal.name] = now_s

    def _stand_up(self, seat: Seat) -> None:
        membership = self._membership
        membership.remove(seat)
        seat.partition.replica.unlisten(seat)
        with membership.lock:
            seat.session.lost()
        seat.partition.left(seat.session.name)
        self._partitions.let_go(seat.partition)
        _LOG.info(
            "server %s has left partition %d of queue %s",
            membership.server_id,
            seat.partition.number,
            seat.partition.queue,
        )
