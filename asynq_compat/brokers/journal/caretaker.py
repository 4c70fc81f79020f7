"""Who keeps a server's sessions alive while nothing is settled, and its credit where it is wanted?

Contract: one thread a server. `run_once` looks at everything once and sends what is due; nothing here waits for a journal but joining
and leaving.
Not obvious: a session whose term was seen to be over is closed and replaced even if the journal would still honour it, because the
engine has dropped handlers by then and nobody would settle their tasks.
"""

from __future__ import annotations

import logging
import threading

from asynq_compat.brokers.journal.attending.seat import Seat
from asynq_compat.brokers.journal.following.followed import TIMEOUT_S
from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import AsynqError
from asynq_compat.wire import command

_LOG = logging.getLogger("asynq_compat.journal")

# journal.md 5: a silent session renews within 8 s, at the last look before (so that nobody has to tick), a dormant one every 5 min; a frame is owed within 1 s of an assignment; what was
# fetched ahead and is not started within 100 ms is handed back.
RENEW_S = 8.0
DORMANT_RENEW_S = 300.0
OWED_S = 0.5
AHEAD_S_MAX = 0.1
_REOPEN_S = 0.2
_LEAVE_S = 2.0
# How often the thread looks: while tasks are ready, and while none are.
_BUSY_LOOK_S, _IDLE_LOOK_S = 0.05, 1.0


class Caretaker:
    """Looks after one membership."""

    def __init__(self, membership: Membership, partitions: Partitions, *, idle_s: float) -> None:
        self._membership = membership
        self._partitions = partitions
        self._idle_s = min(idle_s, _IDLE_LOOK_S)
        self._unannounced = {seat.partition.queue for seat in membership.seats.values()}
        self._closed = threading.Event()
        name = f"asynq-intake-{membership.server_id[:8]}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def join(self) -> None:
        """Open a session in each queue, wait until all stand in their logs, and begin to look after them.

        Raises:
            BrokerUnavailableError: A journal does not answer.
        """
        membership = self._membership
        for seat in membership.seats.values():
            assert seat.partition.replica is not None  # Started on demand: all connect and load side by side.
        for seat in membership.seats.values():
            seat.partition.replica.sync(timeout_s=TIMEOUT_S)
            seat.partition.replica.listen(seat)
        with membership.lock:
            shares = membership.shares()
            tickets = [(seat, membership.opening(seat, shares[name])) for name, seat in membership.seats.items()]
        for seat, ticket in tickets:
            for first in self._partitions.begin_serving(seat.partition):
                seat.partition.writer.submit(Ticket([first], is_alone=True))
            seat.partition.writer.submit(ticket)
        for seat, ticket in tickets:
            seat.partition.writer.wait(ticket, timeout_s=TIMEOUT_S)
        self._partitions.look_after()
        self._thread.start()

    def leave(self, *, is_crash: bool = False) -> None:
        """Close all sessions and end the thread; a crash only ends the thread. Legal twice."""
        self._closed.set()
        self._membership.wake.set()
        if self._thread.ident is not None:
            self._thread.join(10.0)
        for seat in self._membership.seats.values():
            seat.partition.replica.unlisten(seat)
        if not is_crash:
            self._close_sessions()
        with self._membership.lock:
            for seat in self._membership.seats.values():
                seat.partition.left(seat.session.name)
                seat.session.lost()

    def _close_sessions(self) -> None:
        membership = self._membership
        with membership.lock:
            made = [(seat, membership.leaving(seat)) for seat in membership.seats.values()]
        leaving = [(seat, ticket) for seat, ticket in made if ticket is not None]
        for seat, ticket in leaving:
            seat.partition.writer.submit(ticket)
        for seat, ticket in leaving:
            try:
                seat.partition.writer.wait(ticket, timeout_s=_LEAVE_S, sends=False)
            except AsynqError as failure:
                _LOG.warning(
                    "could not leave queue %s: %s; what was held here is recovered when its lease ends",
                    seat.partition.queue,
                    failure,
                )

    # --- the thread -------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        membership = self._membership
        while not self._closed.is_set():
            with membership.lock:
                is_busy = any(seat.session.ready_count for seat in membership.seats.values()) or (
                    membership.free <= 0 and any(seat.session.parked for seat in membership.seats.values())
                )
            is_woken = membership.wake.wait(min(self._idle_s, _BUSY_LOOK_S) if is_busy else self._idle_s)
            membership.wake.clear()
            if self._closed.is_set():
                return
            try:
                self.run_once(is_urgent=is_woken)
            except AsynqError as failure:
                _LOG.warning("looking after the sessions of server %s failed: %s", membership.server_id, failure)
            except Exception:  # noqa: BLE001 - the top of a thread
                _LOG.exception("looking after the sessions of server %s failed", membership.server_id)

    def withdraw(self, *, timeout_s: float) -> None:
        """Bring all credit back and give back what was not given out; wait for it, for at most `timeout_s` each."""
        membership = self._membership
        for _ in range(2):  # What was assigned while the credit was on its way back is given back by the second.
            with membership.lock:
                frames = self._moves(large_only=False)
            for seat, ticket in frames:
                seat.partition.writer.submit(ticket)
            for seat, ticket in frames:
                try:
                    seat.partition.writer.wait(ticket, timeout_s=timeout_s, sends=False)
                except AsynqError as failure:
                    _LOG.warning("could not withdraw from queue %s: %s", seat.partition.queue, failure)

    def run_once(self, *, is_urgent: bool = False) -> None:
        """Look at everything once; when `is_urgent`, small moves of credit are left to the next look or the next settling."""
        membership = self._membership
        with membership.lock:
            frames = self._replacements() + self._moves(large_only=is_urgent)
        for seat, ticket in frames:
            seat.partition.writer.submit(ticket)
        self._announce()

    def _replacements(self) -> list[tuple[Seat, Ticket]]:
        """Close what was not renewed in time, open what has ended. Called with the lock held."""
        membership = self._membership
        now_s = membership.clock.monotonic_s()
        frames: list[tuple[Seat, Ticket]] = []
        if membership.is_stopped:
            return frames
        shares = membership.shares()
        for name, seat in membership.seats.items():
            session = seat.session
            if session.is_open and session.needs_lease and not session.term.is_valid():
                closing = membership.leaving(seat)
                assert closing is not None
                frames.append((seat, closing))
                membership.lose(seat, session, "was not renewed in time")
            may_open = not (session.is_open or seat.is_opening or seat.is_leaving)
            if may_open and now_s - seat.opened_at_s >= _REOPEN_S:
                frames.append((seat, membership.opening(seat, shares[name])))
        return frames

    def _moves(self, *, large_only: bool) -> list[tuple[Seat, Ticket]]:
        """Bring credit where it is wanted and give back what cannot be started; renew. Called with the lock held.

        Args:
            large_only: Little credit is worth no frame of its own, unless a queue has none.
        """
        membership = self._membership
        now_s = membership.clock.monotonic_s()
        surplus = whole_surplus = self._surplus(now_s)
        total = sum(seat.session.ready_count for seat in membership.seats.values())
        shares_surplus = not membership.is_strict
        shares = membership.shares()
        frames = []
        for name, seat in reversed(membership.seats.items()):
            session = seat.session
            if not session.is_open:
                continue
            # What a paused queue gave ahead goes back whole, and what a partition gave that is let go.
            is_paused = session.ready_count > 0 and (seat.is_leaving or seat.partition.is_paused())
            part = -(-whole_surplus * session.ready_count // total) if shares_surplus and total else session.ready_count
            surplus_here = session.ready_count if is_paused else min(surplus, part)
            back = session.take_back(surplus_here) if surplus_here > 0 else []
            surplus -= sum(high - low for _, low, high in back)
            delta = shares[name] - session.parked
            is_small = abs(delta) < membership.large_move(seat, shares[name]) and not seat.is_leaving
            if large_only and is_small and (session.parked > 0 or session.ready_count):
                delta = 0
            silent_s = now_s - session.last_made_at_s
            is_owed = silent_s >= OWED_S and (
                session.has_started_more or session.last_assigned_at_s >= session.last_made_at_s
            )
            is_silent = silent_s >= (DORMANT_RENEW_S if session.is_idle else RENEW_S - self._idle_s)
            if delta or back or is_owed or is_silent:
                commands = [command.hand_back(back)] if back else []
                frames.append((seat, membership.frame(seat, delta, commands, size_bytes=16 * len(back))))
        return frames

    def _surplus(self, now_s: float) -> int:
        """Return how many ready tasks cannot be started soon."""
        membership = self._membership
        ready = [seat.session for seat in membership.seats.values() if seat.session.ready_count]
        total = sum(session.ready_count for session in ready)
        if membership.is_stopped:
            return total
        if membership.free <= 0 and any(now_s - session.ready_since_s > AHEAD_S_MAX for session in ready):
            membership.pace.slow_down(now_s)
        return total - max(membership.free, 0) - membership.pace.window

    def _announce(self) -> None:
        """A queue whose tasks came from bare records only is announced by whoever serves it."""
        for seat in self._membership.seats.values() if self._unannounced else ():
            queue = seat.partition.queue
            if queue in self._unannounced and seat.session.last_assigned_at_s:
                if not self._partitions.control.knows(queue):
                    self._partitions.control.announce(queue, seat.partition.count)
                self._unannounced.discard(queue)
