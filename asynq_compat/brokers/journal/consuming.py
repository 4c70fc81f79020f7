"""How does a server take tasks from journals and settle them?

Contract: as `ports.consuming`. What settles a batch goes out in one frame per queue, together with the credit of the slots it freed;
the outcomes are those of the machine, read back from the log.
Not obvious: `take` never asks a journal. Tasks are assigned to sessions that offered credit, the replica brings them, and `take` hands
them out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from operator import attrgetter

from asynq_compat.brokers.journal.attending.attendance import Attendance
from asynq_compat.brokers.journal.attending.reseating import Reseating
from asynq_compat.brokers.journal.attending.seat import Seat
from asynq_compat.brokers.journal.caretaker import RENEW_S, Caretaker
from asynq_compat.brokers.journal.following.followed import TIMEOUT_S
from asynq_compat.brokers.journal.following.replica import IDLE_S
from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.session import Session, SessionTerm
from asynq_compat.brokers.journal.settling import SettlePlan, outcomes_of, plan
from asynq_compat.brokers.journal.sizes import check_size
from asynq_compat.brokers.journal.waits import tell_waits
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import (
    AsynqError,
    BrokerUnavailableError,
    LeaseExpiredError,
    NewerReleaseError,
    ServerStateError,
)
from asynq_compat.ports.consuming import Ended, Intake, Lease, QueueOrder, SettleOutcome, Waiting, lease_of
from asynq_compat.wire import command
from asynq_compat.wire.hot_record import hot_record

_RENEWED_LATELY_S = 1.0
_WITHDRAW_S = 2.0
# How often it is asked whether a queue has been waited for long enough.
_HOLD_LOOK_S = 0.02
_term_of = attrgetter("term")


class JournalConsuming:
    """The consuming port over journals."""

    def __init__(self, partitions: Partitions, *, idle_s: float = IDLE_S) -> None:
        self._partitions = partitions
        self._idle_s = idle_s
        self._intakes: list[JournalIntake] = []

    def open_intake(self, order: QueueOrder, capacity: int, server_id: str, observer: Waiting | None = None) -> Intake:
        """Join as a worker with `capacity` slots."""
        attendance = Attendance(self._partitions, server_id)
        membership = Membership(self._partitions, order, capacity, server_id, attendance)
        caretaker = Caretaker(membership, self._partitions, idle_s=self._idle_s)
        reseating = Reseating(membership, attendance, self._partitions, idle_s=self._idle_s)
        try:
            caretaker.join()
        except AsynqError:
            caretaker.leave()
            raise
        reseating.start()
        intake = JournalIntake(membership, caretaker, reseating, observer)
        self._intakes.append(intake)
        return intake

    def close(self) -> None:
        """Close the intakes that were opened here."""
        while self._intakes:
            self._intakes.pop().close()


class JournalIntake:
    """One server's way to tasks."""

    def __init__(
        self,
        membership: Membership,
        caretaker: Caretaker,
        reseating: Reseating,
        observer: Waiting | None = None,
    ) -> None:
        self._membership = membership
        self._observer = observer
        self._caretaker = caretaker
        self._reseating = reseating
        self._pid = os.getpid()

    def take(self, wait_s: float) -> Sequence[Lease]:
        """Return tasks for free slots, in the order in which they are to be started."""
        leases = self._take(wait_s)
        if leases and self._observer is not None:
            tell_waits(self._membership, leases, self._observer)
        return leases

    def _take(self, wait_s: float) -> Sequence[Lease]:
        self._check_process()
        membership = self._membership
        deadline = time.monotonic() + wait_s
        with membership.lock:
            while not membership.is_stopped:
                if membership.free > 0 and (leases := membership.give()):
                    return leases
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                membership.has_ready.wait(min(left_s, _HOLD_LOOK_S) if membership.holds_back else left_s)
            is_stopped = membership.is_stopped
        if not is_stopped:
            self._check_journals()
        return []

    def settle(self, settlements: Sequence[Ended], slots_freed: int) -> Sequence[SettleOutcome]:
        """Carry out the settlements and take note of freed slots."""
        self._check_process()
        with self._membership.lock:
            self._membership.freed(slots_freed)
        results = [SettleOutcome.SETTLED] * len(settlements)
        sent = self._send(settlements, results)
        if self._membership.is_starved():
            self._membership.wake.set()
        for one in sent:
            one.seat.partition.writer.wait(one.ticket, timeout_s=TIMEOUT_S)
            assert one.ticket.outcomes is not None
            if one.ticket.outcomes[0] == command.OK:
                outcomes_of(one.plan, one.ticket.outcomes[1:], results)
            else:
                _answer_all(results, one.numbers)
            self._settled(one)
        return results

    def turn_over(self, slots_freed: int) -> Sequence[Lease]:
        """Give out slots again before their settling has come back from the log."""
        membership = self._membership
        with membership.lock:
            membership.freed(slots_freed)
            leases = [] if membership.is_stopped else membership.give()
        if leases and self._observer is not None:
            tell_waits(membership, leases, self._observer)
        return leases

    def extend(self, leases: Sequence[Lease]) -> None:  # noqa: ARG002 - the port's
        """Renew the sessions that hold tasks, and with them all leases, unless that happened just now; others only if the caretaker is late."""
        self._check_process()
        membership = self._membership
        tickets = []
        with membership.lock:
            now_s = membership.clock.monotonic_s()
            for seat in membership.seats.values():
                session = seat.session
                is_needed = session.is_open and session.needs_lease and session.term.is_valid()
                lately_s = _RENEWED_LATELY_S if session.holds_tasks or session.ready_count else RENEW_S
                is_news = session.has_started_more or now_s - session.renewed_at_s > lately_s
                if is_needed and is_news:
                    tickets.append((seat, membership.frame(seat, 0, [])))
        for seat, ticket in tickets:
            seat.partition.writer.submit(ticket)
        for seat, ticket in tickets:
            seat.partition.writer.wait(ticket, timeout_s=TIMEOUT_S, sends=False)

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store `result` with the task; return its length."""
        self._check_process()
        check_size("result", len(result))
        membership = self._membership
        assert isinstance(lease.term, SessionTerm)
        with membership.lock:
            seat = membership.seats.get(lease.term.session.journal)
            if seat is None or seat.session is not lease.term.session or not seat.session.is_open:
                raise LeaseExpiredError
            commands = [command.write_result(lease.position, lease.index, result)]
            ticket = membership.frame(seat, 0, commands, size_bytes=len(result) + 16)
        seat.partition.writer.commit(ticket, timeout_s=TIMEOUT_S)
        assert ticket.outcomes is not None
        if ticket.outcomes[0] != command.OK or ticket.outcomes[1] != command.OK:
            raise LeaseExpiredError
        return len(result)

    def stop(self) -> None:
        """Take no more: credit is withdrawn, what was not given out goes back."""
        if os.getpid() != self._pid:
            return
        with self._membership.lock:
            is_first = not self._membership.is_stopped
            self._membership.is_stopped = True
            self._membership.has_ready.notify_all()
        if is_first:
            self._caretaker.withdraw(timeout_s=_WITHDRAW_S)

    def close(self) -> None:
        """Leave the queues; what was not started goes back."""
        if os.getpid() != self._pid:
            return
        with self._membership.lock:
            self._membership.is_stopped = True  # Closing a session gives back what was not started.
            self._membership.has_ready.notify_all()
        self._reseating.stop()
        self._caretaker.leave()

    def abandon(self) -> None:
        """Fall silent as a crashed process does: nothing is renewed, settled or given back. For tests of recovery."""
        with self._membership.lock:
            self._membership.is_stopped = True
            self._membership.has_ready.notify_all()
        self._reseating.stop()
        self._caretaker.leave(is_crash=True)

    # --- settling -----------------------------------------------------------------------------------------------------------------

    def _send(self, settlements: Sequence[Ended], results: list[SettleOutcome]) -> list[_Sent]:
        """Send one frame a queue; what is not held any more is answered at once."""
        membership = self._membership
        sent: list[_Sent] = []
        groups = _by_session(settlements)
        for session, numbers in groups.items():
            settle_plan = plan(settlements, numbers)
            with membership.lock:
                seat = membership.seats.get(session.journal)
                if seat is None or seat.session is not session or not session.is_open:
                    _answer_all(results, numbers)
                    continue
                ticket = membership.frame(
                    seat,
                    membership.credit_delta(seat),
                    settle_plan.commands,
                    size_bytes=settle_plan.size_bytes,
                    task_count=len(numbers),
                )
            sent.append(_Sent(seat, session, settle_plan, ticket, numbers))
            if len(groups) == 1:
                seat.partition.writer.enqueue(ticket, timeout_s=TIMEOUT_S)
            else:  # All journals' frames go out together.
                seat.partition.writer.submit(ticket)
        return sent

    def _settled(self, one: _Sent) -> None:
        with self._membership.lock:
            one.session.settled(one.plan.ranges)
        for lease in one.plan.told:
            lease.has_started = True  # What was handed back must not hold up the start mark.

    # --- checks -------------------------------------------------------------------------------------------------------------------

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ServerStateError("this intake was opened in another process; a forked child must open its own")

    def _check_journals(self) -> None:
        for seat in self._membership.seats.values():
            failure = seat.partition.replica.failure
            if isinstance(failure, NewerReleaseError):
                raise failure
            if failure is not None:
                raise BrokerUnavailableError(f"queue {seat.partition.queue} cannot be read at the moment: {failure}")


@hot_record
class _Sent:
    """Settlements on their way to one queue."""

    seat: Seat
    session: Session
    plan: SettlePlan
    ticket: Ticket
    numbers: Sequence[int]


def _answer_all(results: list[SettleOutcome], numbers: Sequence[int]) -> None:
    for number in numbers:
        results[number] = SettleOutcome.NOT_HELD


def _by_session(settlements: Sequence[Ended]) -> dict[Session, Sequence[int]]:
    """Return the settlement numbers of each session."""
    terms = set(map(_term_of, settlements))
    if len(terms) == 1:
        (only,) = terms
        assert isinstance(only, SessionTerm)
        return {only.session: range(len(settlements))}
    groups: dict[Session, list[int]] = {}
    for number, one in enumerate(settlements):
        term = lease_of(one).term
        assert isinstance(term, SessionTerm)
        groups.setdefault(term.session, []).append(number)
    return dict(groups)
