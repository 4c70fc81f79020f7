"""What does a server do as a keeper?

Contract: the package's own steps (when one is due, the snapshot, `write`, `cut`), one at a time, so that the server may die or sleep behind each;
the marker goes out through its writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.following.followed import Control, Followed, Partition
from asynq_compat.brokers.journal.keeping import checkpointing, cutting
from asynq_compat.brokers.journal.keeping.checkpointing import CONFIRMED, MARKED, Marker, Steps
from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import BrokerUnavailableError, CorruptDataError
from asynq_compat.journals.journal import base_and_partition
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.wire import command as c
from tests.simulator.inside import WorldClock
from tests.simulator.journals import SimulatedStore
from tests.simulator.promises import promise
from tests.simulator.release import NEWEST
from tests.simulator.world import HEALED, QUEUE, AnyPlace, World

if TYPE_CHECKING:
    from tests.simulator.server import Server

# A checkpoint is due after some 20 entries, and of the newest some 8 stay.
KEEPING = Keeping(tail_bytes_min=800, stays_s=100_000.0, stays_bytes=600)
SNAPSHOT, MARKER_SENT = "snapshot", "marker sent"


def check_that_a_replica_can_begin(world: World, place: AnyPlace) -> None:
    """Begin as a new replica would, read everything, and compare."""
    partitions = Partitions(SimulatedStore(world), WorldClock(world), versions=NEWEST)
    one: Followed[Machine] | Followed[ControlMachine] = partitions.control
    faults, world.faults = world.faults, HEALED
    if place is not world.control:
        number = base_and_partition(place.name)[1]
        one = partitions._partition(QUEUE, number, len(world.partitions))
    replica = one.replica
    for _ in range(3):
        replica.run_once()
    world.faults = faults
    promise(replica.failure is None, f"a replica of {place.name} cannot begin: {replica.failure}")
    promise(replica.fold.digest() == place.machine.digest(), f"a replica of {place.name} that begins now differs")


class SimulatedKeeper:
    """The keeper in a server."""

    def __init__(self, server: Server, partition: Control | Partition) -> None:
        self._server = server
        self._partition = partition
        self._state = partition.checkpoints.open()
        self._package = server.partitions._keeper
        self._forget()

    def _forget(self) -> None:
        """Know of nothing under way."""
        self._steps: Steps | None = None
        self._cutting: Iterator[str] | None = None
        self._ticket: Ticket | None = None

    def run(self) -> None:
        """Take the next steps."""
        server = self._server
        for _ in range(server.world.rng.randint(2, 10)):
            try:
                name = self._next()
            except (BrokerUnavailableError, CorruptDataError):
                self._forget()  # Tried again when it is due again.
                return
            if name is None or not server.point(name):
                return

    def _next(self) -> str | None:
        if self._cutting is not None:
            name = next(self._cutting, None)
            if name is None:
                self._cutting = None
            return name
        if self._ticket is not None:
            return self._hear(self._ticket) if self._ticket.is_settled else None
        if self._steps is None:
            return self._snapshot() if self._package._is_due(self._partition) else None
        step = next(self._steps)
        if isinstance(step, Marker):
            self._ticket = Ticket([step.command], size_bytes=128, needs_outcomes=True)
            self._partition.writer.submit(self._ticket)
            return MARKER_SENT
        return step

    def _snapshot(self) -> str | None:
        taken = self._partition.snapshot()
        if taken is None:
            return None
        self._steps = checkpointing.write(taken, self._state)
        return SNAPSHOT

    def _hear(self, ticket: Ticket) -> str | None:
        """The marker's fate is known; it is confirmed next."""
        self._ticket = None
        steps, self._steps = self._steps, None
        assert steps is not None
        if ticket.outcomes is None:
            return None
        self._cutting = self._confirm(steps, is_accepted=list(ticket.outcomes) == [c.OK])
        return MARKED

    def _confirm(self, steps: Steps, *, is_accepted: bool) -> Iterator[str]:
        try:
            steps.send(is_accepted)
        except StopIteration as end:
            confirmed = end.value
        if confirmed is None:
            return
        replica, world = self._partition.replica, self._server.world
        replica.checkpoint = confirmed
        world.checkpoint_count += 1
        if world.chance(0.1):
            check_that_a_replica_can_begin(world, world.places[self._partition.journal.name])
        yield CONFIRMED
        before = replica.fold.marker_before
        yield from cutting.cut(self._partition.journal, self._state, confirmed, before, replica.tail.stays_from)
