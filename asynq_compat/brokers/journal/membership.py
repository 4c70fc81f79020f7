"""What is a server's place in its queues: its sessions, its free slots, and the credit it should have?

Contract: `lock` guards all of it. No frame is sent while it is held; what is to be sent is returned as tickets. Sessions are opened,
renewed and replaced by the caretaker; settling carries credit along by itself. Reseating adds and removes seats.
Not obvious: fates and assignments arrive in the order of the log, from the thread of each queue's replica.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from functools import partial

from asynq_compat.brokers.journal.attending.attendance import Attendance
from asynq_compat.brokers.journal.attending.seat import Seat, backlog, by_journal, is_asked, is_low, is_waited_for
from asynq_compat.brokers.journal.credit import CreditSharing
from asynq_compat.brokers.journal.pace import Pace
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.session import Session
from asynq_compat.brokers.journal.spreading import spread
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.machine.applied import Applied
from asynq_compat.ports.consuming import Lease, QueueOrder
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

# So long the queues wait for one whose turn it is; then they go on, and it is made up for when its tasks come.
_PATIENCE_S = 0.5
_LOG = logging.getLogger("asynq_compat.journal")


class Membership:
    """One server in all its queues."""

    def __init__(
        self, partitions: Partitions, order: QueueOrder, capacity: int, server_id: str, attendance: Attendance
    ) -> None:
        self.lock = threading.Lock()
        self.has_ready = threading.Condition(self.lock)
        self.wake = threading.Event()  # Set when the caretaker should look at once.
        self.clock = partitions.clock
        self.server_id = server_id
        self.capacity = capacity
        self.free = capacity
        self.is_stopped = False
        self.holds_back = False  # Slots are free and tasks at hand, but it is another queue's turn.
        self._dry_since_s: dict[str, float] = {}
        self._turn = 0  # The partition that comes first where there is not enough for all.
        # With one slot or strict priorities the order shows: what was fetched ahead would go before what came since.
        self.pace = Pace(capacity, self.clock.monotonic_s(), is_exact=order.strict or capacity == 1)
        self.is_strict = order.strict
        self._sharing = CreditSharing(order)
        partitions.prepare(self._sharing.names)
        # Both are replaced whole, under the lock: some look without it.
        self._by_queue = {
            name: [Seat(self, partition) for partition in attendance.first_of(partitions.queue(name))]
            for name in self._sharing.names
        }
        # By journal, those of the queues with the highest priority first.
        self.seats = by_journal(self._by_queue)

    # --- seats --------------------------------------------------------------------------------------------------------------------

    def add(self, seat: Seat) -> bool:
        """Take a seat; the caretaker opens its session. Return False after a stop."""
        with self.lock:
            if self.is_stopped:
                return False
            self._replace(seat.partition.queue, [*self._by_queue[seat.partition.queue], seat])
        self.wake.set()
        return True

    def remove(self, seat: Seat) -> None:
        """Give up a seat that holds nothing."""
        with self.lock:
            self._replace(
                seat.partition.queue, [one for one in self._by_queue[seat.partition.queue] if one is not seat]
            )

    def _replace(self, queue: str, seats: list[Seat]) -> None:
        in_order = sorted(seats, key=lambda seat: seat.partition.number)
        self._by_queue = {**self._by_queue, queue: in_order}
        self.seats = by_journal(self._by_queue)

    # --- tasks, with the lock held ------------------------------------------------------------------------------------------------

    def give(self) -> list[Lease]:
        """Take ready tasks for the free slots, of several queues in the server's order."""
        ready: dict[str, int] = {}
        by_queue: dict[str, list[Session]] = {}
        for seat in self.seats.values():
            session = seat.session
            if session.ready_count:
                if session.term.is_valid():
                    ready[session.queue] = ready.get(session.queue, 0) + session.ready_count
                    by_queue.setdefault(session.queue, []).append(session)
                else:
                    self.wake.set()
        leases: list[Lease] = []
        self.holds_back = False
        if ready and self.free > 0:
            now_s = self.clock.monotonic_s()
            turns = self._sharing.next_turns(self.free, ready, self._awaited(ready, now_s))
            self.holds_back = sum(turns.values()) < min(self.free, sum(ready.values()))
            for name, count in turns.items():
                sessions = by_queue[name]
                parts = spread(count, [one.ready_count for one in sessions], first=self._turn)
                for session, part in zip(sessions, parts, strict=True):
                    if part:
                        leases += session.give(part, now_s)
            self._turn += 1
            self.free -= len(leases)
        if leases and self.free <= 0 and len(self.seats) > 1:
            self.wake.set()
        return leases

    def _awaited(self, ready: Collection[str], now_s: float) -> list[str]:
        """Return the queues that have been asked for tasks, have some, and have not been waited for too long."""
        awaited = []
        for name, seats in self._by_queue.items() if len(self._by_queue) > 1 else ():
            asks = any(is_asked(seat) for seat in seats)
            if name in ready or not asks:
                self._dry_since_s[name] = now_s
            if asks and now_s - self._dry_since_s.setdefault(name, now_s) < _PATIENCE_S:
                awaited.append(name)
        return awaited

    def freed(self, count: int) -> None:
        """Note freed slots."""
        self.free += count
        self.pace.freed(count, self.capacity - self.free, self.clock.monotonic_s())
        if count:
            self.has_ready.notify_all()

    def is_starved(self) -> bool:
        """Return whether some queue could not fill free slots, or has tasks waiting and is at the end of what was fetched ahead of them.

        A hint, also without the lock.
        """
        return any(
            seat.session.is_open and is_low(seat) and (self.free > 0 or is_waited_for(seat.partition))
            for seat in self.seats.values()
        )

    def shares(self) -> dict[str, int]:
        """Return the credit that each seat should have now."""
        if self.is_stopped:
            return dict.fromkeys(self.seats, 0)
        ready = {name: sum(seat.session.ready_count for seat in seats) for name, seats in self._by_queue.items()}
        whole = self.free + self.pace.window
        budget = whole - sum(ready.values())
        if len(self.seats) == 1:
            return dict.fromkeys(self.seats, self._sharing.share(budget, {}).popitem()[1])
        if budget <= 0:
            return dict.fromkeys(self.seats, 0)
        waiting = {name: 0 if seat.is_leaving else backlog(seat.partition) for name, seat in self.seats.items()}
        shares = self._queue_shares(whole, budget, ready, waiting)
        parts = dict.fromkeys(self.seats, 0)
        for name, seats in self._by_queue.items():
            journals = [seat.session.journal for seat in seats if not seat.is_leaving]
            of_queue = spread(shares[name], [waiting[one] for one in journals], first=self._turn, parks=True)
            parts.update(zip(journals, of_queue, strict=True))
        return parts

    def _queue_shares(self, whole: int, budget: int, ready: dict[str, int], waiting: dict[str, int]) -> dict[str, int]:
        backlogs = {
            name: ready[name] + sum(waiting[seat.session.journal] for seat in seats)
            for name, seats in self._by_queue.items()
        }
        if len(backlogs) == 1:
            return self._sharing.share(budget, {})
        # What is at hand counts for its queue: so the next ones, too, are there in the server's order.
        shares = self._sharing.share(whole, backlogs)
        missing = {name: max(share - ready[name], 0) for name, share in shares.items()}
        return missing if not any(ready.values()) else self._sharing.share(budget, missing)

    def large_move(self, seat: Seat, share: int) -> int:
        """Return how much credit is worth a frame of its own, for a seat that should have `share`: a quarter of what it should hold."""
        seat.low_mark = (share + seat.session.ready_count) // 2
        return max(1, seat.low_mark // 2)

    def credit_delta(self, seat: Seat) -> int:
        """Return by how much the credit of a seat should change, for a frame that goes there anyway."""
        return self.shares()[seat.session.journal] - seat.session.parked

    # --- frames, made with the lock held ------------------------------------------------------------------------------------------

    def frame(
        self, seat: Seat, delta: int, commands: list[Command], *, size_bytes: int = 0, task_count: int = 1
    ) -> Ticket:
        """Return a ticket that renews the session, moves its credit and carries `commands`."""
        session = seat.session
        session.credit_under_way += delta
        session.frames_under_way += 1
        session.last_made_at_s = self.clock.monotonic_s()
        return Ticket(
            [session.renewal(delta), *commands],
            size_bytes=64 + size_bytes,
            task_count=task_count,
            needs_outcomes=True,
            on_fate=partial(self._frame_fate, seat, session, delta),
        )

    def opening(self, seat: Seat, credit: int) -> Ticket:
        """Return a ticket that opens a new session in place of one that has ended."""
        if seat.session.term.is_over:
            seat.session = Session(seat.partition.queue, seat.partition.journal.name, self.clock)
        session = seat.session
        seat.is_opening = True
        seat.opened_at_s = self.clock.monotonic_s()
        session.credit_under_way = credit
        session.frames_under_way = 1
        return Ticket(
            [command.open_session(self.server_id, self.capacity, credit, max(seat.partition.versions))],
            size_bytes=64 + len(self.server_id),
            needs_outcomes=True,
            is_alone=True,
            on_fate=partial(self._open_fate, seat, session, credit),
        )

    def leaving(self, seat: Seat) -> Ticket | None:
        """Return a ticket that closes the session; None when none is open."""
        session = seat.session
        if not session.is_open:
            return None
        commands = [session.renewal(), command.close_session(session.name)]
        return Ticket(commands, needs_outcomes=True)

    def lose(self, seat: Seat, session: Session, why: str) -> None:
        """Give a session up."""
        if not session.is_open:
            return
        if session.holds_tasks and not self.is_stopped:
            _LOG.warning(
                "the session of server %s in queue %s %s; %d tasks that it held will be recovered",
                self.server_id,
                session.queue,
                why,
                session.held_count,
            )
        session.lost()
        seat.partition.left(session.name)
        self.wake.set()

    # --- what the replicas' threads tell ------------------------------------------------------------------------------------------

    def applied(self, seat: Seat, applied: Applied, now_s: float) -> None:
        """Hear what an entry did in one queue."""
        session = seat.session
        with self.lock:
            if not session.is_open:
                return
            for assigned in applied.assignments:
                if assigned.session == session.name:
                    session.assigned(applied.position, assigned.ids, assigned.messages, now_s)
                    self.has_ready.notify_all()
                    if self.is_stopped:
                        self.wake.set()
            if session.name in applied.ended:
                self.lose(seat, session, "has ended in the journal")

    def _open_fate(self, seat: Seat, session: Session, credit: int, ticket: Ticket) -> None:
        with self.lock:
            seat.is_opening = False
            session.credit_under_way -= credit
            session.frames_under_way -= 1
            if ticket.outcomes is None or ticket.outcomes[0] != command.OK or ticket.position is None:
                self.wake.set()
                return
            session.opened(ticket.position, ticket.made_at_s, credit)
            seat.partition.joined(session.name)

    def _frame_fate(self, seat: Seat, session: Session, delta: int, ticket: Ticket) -> None:
        with self.lock:
            session.credit_under_way -= delta
            session.frames_under_way -= 1
            if ticket.outcomes is None:
                return
            if ticket.outcomes[0] == command.OK:
                session.credit = max(0, session.credit + delta)
                session.renewed(ticket.made_at_s)
            else:
                self.lose(seat, session, "has ended in the journal")
