"""What does a server do for all journals together?

Contract: the package's own membership, caretaker, reseating, intake and publisher. Where the queue has several partitions it also says that it
lives, and reseating has a thread of its own, which waits for journals as in the product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.attending.attendance import Attendance
from asynq_compat.brokers.journal.attending.reseating import Reseating
from asynq_compat.brokers.journal.attending.seat import Seat
from asynq_compat.brokers.journal.caretaker import Caretaker
from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.publishing import PUBLISH_S
from asynq_compat.brokers.journal.registering import _key
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.engine.duties.heartbeater import INTERVAL_S, TTL_S
from asynq_compat.errors import AsynqError
from asynq_compat.ports.consuming import QueueOrder
from asynq_compat.wire import command as c
from asynq_compat.wire.server_info import ServerInfo, encode_server_info
from tests.simulator.aggregating import Aggregating
from tests.simulator.working import Work
from tests.simulator.world import QUEUE

if TYPE_CHECKING:
    from tests.simulator.server import Server

# Where the queue is divided a few tasks are a backlog.
SLOTS, SLOTS_DIVIDED = 4, 2
OPENING, STOPPING, LEAVING, LEFT = "session opening", "stop begun", "leaving", "left"
JOINED, UNSEATED, LETTING_GO = "partition joined", "partition left", "leave under way"


class Seated:
    """One server's places in its queue."""

    def __init__(self, server: Server) -> None:
        self._server = server
        partitions = self._partitions = server.partitions
        attendance = Attendance(partitions, server.server_id)
        slots = SLOTS_DIVIDED if server.world.is_divided else SLOTS
        self.membership = Membership(partitions, QueueOrder(weights={QUEUE: 1}), slots, server.server_id, attendance)
        self.caretaker = Caretaker(self.membership, partitions, idle_s=1.0)
        self.caretaker._unannounced.clear()  # An operator has announced it.
        self.reseating = Reseating(self.membership, attendance, partitions, idle_s=1.0)
        self.work = Work(server, JournalIntake(self.membership, self.caretaker, self.reseating))
        self.aggregating = Aggregating(server)
        for seat in self.membership.seats.values():
            seat.partition.replica.listen(seat)
        self.is_leaving = False
        self._leaving: list[Ticket] = []
        self._opening: set[str] = set()
        self._beats_at_ms = self._tells_at_ms = 0
        self._info = ServerInfo(host="h", pid=1, server_id=server.server_id, queues={QUEUE: 1}, status="active")

    @property
    def seats(self) -> list[Seat]:
        """Its places now."""
        return list(self.membership.seats.values())

    @property
    def has_session(self) -> bool:
        """Whether it takes tasks wherever it wants to."""
        return all(seat.session.is_open or seat.is_leaving for seat in self.seats)

    # --- what its threads do ----------------------------------------------------------------------------------------------------------

    def care(self) -> None:
        """Join, look after the sessions, and leave when all is given back."""
        server = self._server
        try:
            if not server.has_joined:
                server.has_joined = all(_is_synced(seat) for seat in self.seats)
                says = server.has_joined and not server.world.loses_genesis
                for partition in [seat.partition for seat in self.seats] if says else []:
                    for first in self._partitions.begin_serving(partition):
                        partition.writer.submit(Ticket([first], is_alone=True))
            elif not self.is_leaving:
                self.caretaker.run_once(is_urgent=self.membership.wake.is_set())
                self.membership.wake.clear()
                self._leave_when_idle()
            elif all(ticket.is_settled for ticket in self._leaving):
                server.world.kills[LEFT] += 1
                server.end(server.world.rng.randint(100, 3_000))
                return
        except AsynqError:
            return
        opening = {seat.partition.journal.name for seat in self.seats if seat.is_opening}
        server.points += [OPENING] * len(opening - self._opening)
        self._opening = opening

    def reseat(self) -> None:
        """Move to where it should be; waits for journals."""
        if not self._server.has_joined or self.is_leaving:
            return
        before = set(self.membership.seats)
        try:
            self.reseating.run_once()
        finally:
            after = set(self.membership.seats)
            self._server.points += [JOINED] * len(after - before) + [UNSEATED] * len(before - after)

    def tell(self) -> None:
        """Say that it lives, and how long its queues are."""
        now_ms = self._server.world.now_ms
        control = self._partitions.control
        if now_ms >= self._beats_at_ms and not self.is_leaving:
            self._beats_at_ms = now_ms + round(1_000 * INTERVAL_S)
            beat = c.server(_key(self._info), encode_server_info(self._info), [], TTL_S)
            control.writer.submit(Ticket([beat]))
            control.published(_key(self._info))
        if now_ms >= self._tells_at_ms:
            self._tells_at_ms = now_ms + round(1_000 * PUBLISH_S)
            self._partitions._publisher.run_once()

    # --- its end ----------------------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Take no more and give back what is not done: the process ends in good order."""
        if not self.membership.is_stopped and any(seat.session.is_open for seat in self.seats):
            self._server.world.tell(f"{self._server.name} stops")
            self.membership.is_stopped = True
            self.work.requeue()
            self._server.points.append(STOPPING)

    def _leave_when_idle(self) -> None:
        server = self._server
        if not (self.membership.is_stopped and self.work.is_idle) or server.is_reseating:
            return
        self.is_leaving = True
        for seat in self.seats:
            ticket = self.membership.leaving(seat)
            if ticket is not None:
                seat.partition.writer.submit(ticket)
                self._leaving.append(ticket)
        if server.world.is_divided:
            control = self._partitions.control
            control.withdrawn(_key(self._info))
            gone = Ticket([c.server_gone(_key(self._info))])
            control.writer.submit(gone)
            self._leaving.append(gone)
        server.points.append(LEAVING)


def _is_synced(seat: Seat) -> bool:
    """As `Caretaker.join`: it has read what was there."""
    replica = seat.partition.replica
    return replica.failure is None and replica._progress.upto >= seat.partition.journal.end()
