"""What does a server do with the tasks that it is given?

Contract: what the engine does, with the package's own intake: it starts what it takes in order, asks the term of a lease before each start,
settles what has ended and passes again what could not be written. Orphans of its rank are recovered.
Not obvious: it does not ask the term before it settles, as one that was stopped just behind that question: the machine alone must keep a zombie out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.consuming import JournalIntake, _Sent
from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.maintaining import JournalMaintaining, OrphanTerm, _name
from asynq_compat.brokers.journal.producing import JournalProducing
from asynq_compat.brokers.journal.session import SessionTerm
from asynq_compat.brokers.journal.settling import delay_ms, new_retried, outcomes_of
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import AsynqError
from asynq_compat.ports.consuming import Ended, Lease, SettleKind, Settlement, SettleOutcome
from asynq_compat.wire import command as c
from asynq_compat.wire.message import decode_message
from tests.simulator.promises import promise
from tests.simulator.world import QUEUE

if TYPE_CHECKING:
    from tests.simulator.server import Server

RETRIES_MAX = 3
CALLER_WAITS_MS = 8_000
TAKEN, STARTED, ENDED = "tasks taken", "task started", "handler ended"
SETTLING, SETTLED, RECOVERING = "settling begun", "settled", "recovering begun"

# A partition's journal, position and index.
Place = tuple[str, int, int]


@dataclass(slots=True)
class _Settling:
    """A batch that is on its way, or a part of it."""

    sent: _Sent
    batch: list[Ended]
    until_ms: int


class Work:
    """The slots of one server, and what leaves them."""

    def __init__(self, server: Server, intake: JournalIntake) -> None:
        self._server = server
        self._intake = intake
        self._maintaining = JournalMaintaining(server.partitions, JournalProducing(server.partitions))
        self._taken: list[Lease] = []
        self._running: dict[Place, Lease] = {}
        self._ended: list[Ended] = []
        self._freed = 0
        self._settling: list[_Settling] = []
        self._recovering: list[Ticket] = []

    @property
    def is_idle(self) -> bool:
        """Whether no handler runs and nothing waits to be settled."""
        return not (self._taken or self._running or self._ended or self._settling or self._freed)

    def start(self) -> None:
        """Take tasks for free slots and start them, one by one."""
        server = self._server
        if not self._taken:
            try:
                self._taken += self._intake.take(0.0)
            except AsynqError:
                return
            if self._taken and not server.point(TAKEN):
                return
        while self._taken:
            lease = self._taken.pop(0)
            if not lease.term.is_valid():
                self._freed += 1
                continue
            self._run(lease)
            if not server.point(STARTED):
                return

    def _run(self, lease: Lease) -> None:
        world, rng = self._server.world, self._server.world.rng
        lease.has_started = True
        self._running[_place(lease)] = lease
        assert isinstance(lease.term, SessionTerm)
        observer = world.partition(lease.term.session.journal)
        observer.begins(lease.task_id, (lease.term.session.name, lease.position, lease.index))
        duration_ms = rng.choice([5, 50, 300, 2_000, 2_000, 40_000 if rng.random() < 0.05 else 10])
        world.after(duration_ms, partial(self._end, lease))

    def _end(self, lease: Lease) -> None:
        server = self._server
        if server.seated is None or server.seated.work is not self:
            return
        if server.world.now_ms < server.stopped_until_ms:
            server.world.after(1_000, partial(self._end, lease))
            return
        if self._running.pop(_place(lease), None) is not lease:
            return
        rng = server.world.rng
        if rng.random() < 0.1:
            self._write_result(lease)
        self._ended.append(_settlement(lease, rng.random(), rng.randint(0, 4_000)))
        self._freed += 1
        server.point(ENDED)

    def _write_result(self, lease: Lease) -> None:
        """As `JournalIntake.write_result`, without waiting."""
        membership = self._intake._membership
        assert isinstance(lease.term, SessionTerm)
        seat = membership.seats.get(lease.term.session.journal)
        if seat is not None and seat.session is lease.term.session and seat.session.is_open:
            write = c.write_result(lease.position, lease.index, b"result")
            with membership.lock:
                ticket = membership.frame(seat, 0, [write], size_bytes=22)
            seat.partition.writer.submit(ticket)

    def settle(self) -> None:
        """Settle what has ended, and hear of what was settled."""
        server = self._server
        self._hear()
        if not (self._ended or self._freed):
            return
        batch, self._ended = self._ended, []
        freed, self._freed = self._freed, 0
        membership = self._intake._membership
        with membership.lock:
            membership.freed(freed)
        results = [SettleOutcome.SETTLED] * len(batch)
        until_ms = server.world.now_ms + CALLER_WAITS_MS
        self._settling += [_Settling(sent, batch, until_ms) for sent in self._intake._send(batch, results)]
        if batch:
            server.point(SETTLING)

    def _hear(self) -> None:
        server = self._server
        for one in list(self._settling):
            ticket = one.sent.ticket
            if not ticket.is_settled and server.world.now_ms < one.until_ms:
                continue
            self._settling.remove(one)
            try:
                one.sent.seat.partition.writer.wait(ticket, timeout_s=0.0, sends=False)
            except AsynqError:
                self._ended += [one.batch[number] for number in one.sent.numbers]
                continue
            results = [SettleOutcome.SETTLED] * len(one.batch)
            assert ticket.outcomes is not None
            if ticket.outcomes[0] == c.OK:
                outcomes_of(one.sent.plan, ticket.outcomes[1:], results)
            promise(SettleOutcome.INCONSISTENT not in results, f"{server.name} settled what the machine rejects")
            self._intake._settled(one.sent)
            if not server.point(SETTLED):
                return

    def recover(self) -> None:
        """Settle orphans whose turn is ours."""
        if any(not ticket.is_settled for ticket in self._recovering):
            return
        self._recovering.clear()
        by_partition: dict[Partition, list[c.Command]] = {}
        for lease in self._maintaining.expired_leases([QUEUE]):
            assert isinstance(lease.term, OrphanTerm)
            commands = by_partition.setdefault(lease.term.partition, [])
            if decode_message(lease.message).retried >= RETRIES_MAX:
                commands.append(c.recover_archive([(*_name(Settlement(lease, SettleKind.ARCHIVE)), "lease expired")]))
            else:
                one = Settlement(lease, SettleKind.RETRY, delay_s=1.0, error_msg="lease expired")
                retry = (*_name(one), delay_ms(one), one.error_msg, new_retried(one))
                commands.append(c.recover_retry([retry]))
        for partition, commands in by_partition.items():
            ticket = Ticket(commands, needs_outcomes=True)
            self._recovering.append(ticket)
            partition.writer.submit(ticket)
        if by_partition:
            self._server.point(RECOVERING)

    def requeue(self) -> None:
        """Stop what is running and give it back, as a server does that ends."""
        for lease in [*self._running.values(), *self._taken]:
            self._ended.append(Settlement(lease, SettleKind.REQUEUE))
            self._freed += 1
        self._running.clear()
        self._taken.clear()


def _place(lease: Lease) -> Place:
    assert isinstance(lease.term, SessionTerm)
    return lease.term.session.journal, lease.position, lease.index


def _settlement(lease: Lease, kind: float, delay: int) -> Ended:
    if kind < 0.65:
        return lease
    if kind < 0.75:
        return Settlement(lease, SettleKind.COMPLETE)
    if kind < 0.8:
        return Settlement(lease, SettleKind.REQUEUE)
    if kind < 0.95:
        return Settlement(lease, SettleKind.RETRY, delay / 1000, "failed", is_failure=kind >= 0.83)
    return Settlement(lease, SettleKind.ARCHIVE, error_msg="failed for good")
