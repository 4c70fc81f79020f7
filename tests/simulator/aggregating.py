"""How does a server make one task of many?

Contract: as the product's aggregator, without waiting: a check for the groups that are due in its own replica, then for each set that was made
one command that ends it and enqueues the task that stands for it. It may die or be stopped in between.
Not obvious: no server leaves a group to another, so that several often come at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.machine.containers.groups import SetName
from asynq_compat.wire import command as c
from tests.simulator.client import message
from tests.simulator.grouping import PATIENCE

if TYPE_CHECKING:
    from tests.simulator.server import Server

SET_MADE, SET_ENDING = "set made", "set ending"
# A partition that was left answers nobody.
_WAITS_MS = 20_000
# How often the function that makes one task of many takes longer than a set lasts.
_TOO_LONG, _TOO_LONG_MS = 0.05, 130_000


class Aggregating:
    """What one server does about groups."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._checks: list[tuple[Partition, Ticket]] = []
        self._made: list[tuple[int, Partition, SetName]] = []  # When the user's function returns, and of which set.
        self._endings: list[Ticket] = []
        self._since_ms = 0
        self._made_count = 0

    def run(self) -> None:
        """Hear of what was asked for, go on with it, or look for groups that are due."""
        server = self._server
        tickets = [*self._endings, *(ticket for _, ticket in self._checks)]
        if any(not ticket.is_settled for ticket in tickets) and server.world.now_ms < self._since_ms + _WAITS_MS:
            return
        self._endings.clear()
        self._hear()
        self._end()
        if not self._made and server.seated is not None:
            for seat in server.seated.seats:
                self._check(seat.partition)

    def _check(self, partition: Partition) -> None:
        fold = partition.replica.fold
        due = [group for group, _ in fold.due_groups(PATIENCE, fold.clock_ms // 1000 + 1)]
        if due:
            check = c.aggregate(due, PATIENCE.size_max, PATIENCE.delay_s, PATIENCE.grace_s)
            self._checks.append((partition, self._send(partition, check)))

    def _hear(self) -> None:
        world = self._server.world
        checks, self._checks = self._checks, []
        for partition, ticket in checks:
            outcome = ticket.outcomes[0] if ticket.outcomes else []
            for name in outcome if isinstance(outcome, list) else []:
                if isinstance(name, list):
                    takes_ms = _TOO_LONG_MS if world.chance(_TOO_LONG) else 0
                    self._made.append((world.now_ms + takes_ms, partition, (name[0], name[1])))
                    self._server.points.append(SET_MADE)

    def _end(self) -> None:
        """End what is made; who was stopped behind the look whether there is time does so too late."""
        now_ms = self._server.world.now_ms
        ready = [one for one in self._made if one[0] <= now_ms]
        self._made = [one for one in self._made if one[0] > now_ms]
        for _, partition, name in ready:
            self._made_count += 1
            task_id = f"{self._server.server_id}-set{self._made_count}".ljust(36, "-")
            ending = c.delete_set(*name, c.enqueue_more([task_id], [message(task_id)]))
            self._endings.append(self._send(partition, ending))
            self._server.points.append(SET_ENDING)

    def _send(self, partition: Partition, command: c.Command) -> Ticket:
        ticket = Ticket([command], needs_outcomes=True)
        self._since_ms = self._server.world.now_ms
        partition.writer.submit(ticket)
        return ticket
