"""What waits for the next frame, and what fits into it?

Contract: owned by the writer's lock. Order is kept; a ticket is never split.
"""

from __future__ import annotations

from collections import deque

from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.wire import command
from asynq_compat.wire.command import Command

# docs/journal.md: a frame of many tasks stays below 256 KiB; 1 000 tasks, as measured best. A larger ticket makes a frame of its own.
FRAME_BYTES_MAX = 240 * 1024
FRAME_TASKS_MAX = 1_000
# Commands that wait for their frame; who brings more waits (back-pressure).
PENDING_BYTES_MAX = 8 * 1024 * 1024


class Outbox:
    """The tickets of one writer that are in no frame yet."""

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._tickets)

    def has_room(self, ticket: Ticket) -> bool:
        """Return whether the ticket may be added; an empty outbox takes any."""
        return not self._tickets or self.size_bytes + ticket.size_bytes <= PENDING_BYTES_MAX

    def add(self, ticket: Ticket) -> None:
        """Put a ticket behind the others."""
        self._tickets.append(ticket)
        self.size_bytes += ticket.size_bytes

    def remove(self, ticket: Ticket) -> bool:
        """Take a ticket out; return whether it was here."""
        found = any(one is ticket for one in self._tickets)
        if found:
            self._tickets = deque(one for one in self._tickets if one is not ticket)
            self.size_bytes -= ticket.size_bytes
        return found

    def cut(self, *, has_replica: bool) -> tuple[list[Ticket], list[Command]]:
        """Take out what goes into the next frame; without a replica it asks for a reply if one of the tickets does."""
        tickets: list[Ticket] = []
        commands: list[Command] = []
        size_bytes = task_count = 0
        while self._tickets:
            ticket = self._tickets[0]
            size_bytes += ticket.size_bytes
            task_count += ticket.task_count
            is_full = size_bytes > FRAME_BYTES_MAX or task_count > FRAME_TASKS_MAX
            if tickets and (is_full or ticket.is_alone or tickets[0].is_alone):
                break
            tickets.append(self._tickets.popleft())
            commands.extend(ticket.commands)
            self.size_bytes -= ticket.size_bytes
        if not has_replica and any(ticket.asks for ticket in tickets):
            commands.append(command.ask())
        return tickets, commands

    def clear(self) -> list[Ticket]:
        """Take out everything."""
        tickets = list(self._tickets)
        self._tickets.clear()
        self.size_bytes = 0
        return tickets
