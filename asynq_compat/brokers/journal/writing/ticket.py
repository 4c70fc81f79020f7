"""What becomes of commands on their way into a journal?

Contract: plain records, owned by the lock of the writer that has them; a ticket's fate is told once, outside all locks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asynq_compat.errors import AsynqError, BrokerUnavailableError
from asynq_compat.journals.journal import MissingRightError
from asynq_compat.machine.applied import Outcome
from asynq_compat.wire.command import Command

Outcomes = Sequence[Outcome]

_BACKOFF_S_MIN, _BACKOFF_S_MAX = 0.02, 1.0
# So many tries, a second and a quarter, has a right that was given just now to reach the brokers.
_DENIALS = 5


@dataclass(slots=True)
class Ticket:
    """What becomes of commands that go out together, in one frame. Owned by the writer's lock until it is settled.

    Attributes:
        commands: The commands, atomic: all in one frame, in this order.
        size_bytes: Roughly, encoded.
        task_count: Tasks they name.
        needs_outcomes: True: settled when applied; False: settled when appended.
        asks: Without `needs_outcomes`: its frame asks for a reply, which brings the outcomes later.
        position: Where their frame stands in the journal, once known.
        made_at_s: Monotonic time just before the frame was made.
        outcomes: One a command, once applied.
        error: Why they were given up.
        is_alone: No other ticket may share its frame.
        on_fate: Called once, outside all locks, when its fate is known: applied (or appended, without `needs_outcomes`), or given up
            (`outcomes` is None). Later than `is_settled` when the caller stopped waiting.
    """

    commands: Sequence[Command]
    size_bytes: int = 64
    task_count: int = 1
    needs_outcomes: bool = False
    asks: bool = False
    is_alone: bool = False
    on_fate: Callable[[Ticket], None] | None = None
    position: int | None = None
    made_at_s: float = 0.0
    outcomes: Outcomes | None = None
    error: AsynqError | None = None
    is_settled: bool = False
    is_abandoned: bool = False


@dataclass(slots=True)
class Frame:
    """A frame made, and the tickets in it."""

    writer_id: bytes
    sequence: int
    data: bytes
    tickets: list[Ticket]
    made_at_s: float
    command_count: int
    is_appended: bool = False
    may_be_stored: bool = False
    failure_count: int = 0
    retry_at_s: float = 0.0
    error: BrokerUnavailableError | None = field(default=None)

    def doubted(self, failure: BrokerUnavailableError, now_s: float) -> None:
        """Note an append that failed, and when the next one is due."""
        self.failure_count += 1
        self.error = failure
        self.may_be_stored |= failure.may_have_happened
        self.retry_at_s = now_s + min(_BACKOFF_S_MIN * 2**self.failure_count, _BACKOFF_S_MAX)

    def is_denied(self, failure: AsynqError) -> bool:
        """Return whether an append that failed again will fail until a right is given, and no one before it may have been stored."""
        return isinstance(failure, MissingRightError) and self.failure_count >= _DENIALS and not self.may_be_stored

    @property
    def asks(self) -> bool:
        """Whether somebody waits for a reply to it."""
        return any(ticket.asks for ticket in self.tickets)

    def stands_upto(self, upto: int) -> bool:
        """Return whether it is known to stand in the journal at this position or before."""
        position = self.tickets[0].position
        return position is not None and position <= upto

    def mark_appended(self, position: int | None) -> list[Ticket]:
        """Note the position, if it is known; return the tickets whose fate this is."""
        if self.is_appended:
            return []
        self.is_appended = True
        told = []
        for ticket in self.tickets:
            ticket.position = position
            if not ticket.needs_outcomes:
                ticket.is_settled = True
                told.append(ticket)
        return told

    def hand_out(self, position: int | None, outcomes: Outcomes) -> list[Ticket]:
        """Give each ticket the outcomes of its commands; return those whose fate this is."""
        told = []
        first = 0
        for ticket in self.tickets:
            if position is not None:
                ticket.position = position  # The first of several, if the frame was appended again.
            ticket.outcomes = outcomes[first : first + len(ticket.commands)]
            first += len(ticket.commands)
            if ticket.needs_outcomes:
                ticket.is_settled = True
                told.append(ticket)
        return told

    def fail(self, error: AsynqError) -> list[Ticket]:
        """Give up every ticket whose fate is not known; return them."""
        told = [ticket for ticket in self.tickets if ticket.needs_outcomes or ticket.asks or not self.is_appended]
        self.is_appended = True  # Whatever its append answers now is nobody's affair.
        return fail(told, error)


def fail(tickets: list[Ticket], error: AsynqError) -> list[Ticket]:
    """Give up these tickets; return them."""
    for ticket in tickets:
        ticket.error = ticket.error or error
        ticket.is_settled = True
    return tickets


def tell(tickets: Sequence[Ticket]) -> None:
    """Tell each ticket's owner. Called without any lock."""
    for ticket in tickets:
        if ticket.on_fate is not None:
            ticket.on_fate(ticket)
