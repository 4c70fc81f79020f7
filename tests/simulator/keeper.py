"""What does a server do as a keeper, and what does it begin with?

Contract: the package's own steps (`write`, `cut`), one at a time, so that the server may die or sleep behind each; the marker goes out in
the server's next frame. `load` is what a replica does when it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.keeping import checkpointing, cutting, loading
from asynq_compat.brokers.journal.keeping.checkpointing import CONFIRMED, MARKED, Marker, Snapshot, Steps
from asynq_compat.errors import BrokerUnavailableError, CorruptDataError
from asynq_compat.journals.journal import Entry
from asynq_compat.machine import snapshot
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.machine import Machine
from asynq_compat.wire import command as c
from tests.simulator.journals import SimulatedJournal
from tests.simulator.observer import promise
from tests.simulator.world import World

if TYPE_CHECKING:
    from tests.simulator.server import Server

# A checkpoint is due after so many entries, and of the newest so many stay.
TAIL = 15
STAYS = 8
SECTION_BYTES = 4_000
SNAPSHOT, MARKER_SENT, BEGUN_ANEW = "snapshot", "marker sent", "begun anew"


def journals(world: World) -> tuple[SimulatedJournal, SimulatedJournal]:
    """Return the journal and that of its checkpoints."""
    journal = SimulatedJournal(world, "queue.q", lambda: world.log)
    return journal, SimulatedJournal(world, "state.q", lambda: world.state)


def load(world: World) -> tuple[Machine, Entry | None]:
    """Return the machine that a new replica begins with, and the last entry in it."""
    journal, state = journals(world)
    for found in loading.candidates(journal, state):
        try:
            machine = snapshot.restore("q", loading.sections(state, found.confirmed))
        except CorruptDataError:
            continue
        return machine, found.entry
    promise(not journal.first(), "the journal was cut, and there is no checkpoint to begin with")
    return Machine("q"), None


def check_that_a_replica_can_begin(world: World) -> None:
    """Begin as a new replica would, read everything, and compare."""
    machine, _ = load(world)
    for entry in world.log.behind(machine.position):
        machine.apply(*entry)
    promise(machine.digest() == world.observer.machine.digest(), "a replica that begins now differs")


class SimulatedKeeper:
    """The keeper in a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._journal, self._state = journals(server.world)
        self.begin()

    def begin(self) -> None:
        """Know of nothing under way."""
        self._steps: Steps | None = None
        self._cutting: Iterator[str] | None = None
        self._waits = False

    def run(self) -> None:
        """Take the next steps."""
        server = self._server
        for _ in range(server.world.rng.randint(1, 4)):
            try:
                name = self._next()
            except (BrokerUnavailableError, CorruptDataError):
                self.begin()  # Tried again when it is due again.
                return
            if name is None or not server.point(name):
                return

    def hear(self, commands: Sequence[c.Command], outcomes: Sequence[Outcome]) -> None:
        """Hear what became of a frame of this server."""
        for command, outcome in zip(commands, outcomes, strict=True):
            if command[0] == c.CHECKPOINTED and self._waits and self._steps is not None:
                self._waits = False
                self._answer(self._steps, is_accepted=outcome == c.OK)

    def _next(self) -> str | None:
        if self._cutting is not None:
            name = next(self._cutting, None)
            if name is None:
                self._cutting = None
            return name
        if self._steps is None:
            return self._snapshot() if self._is_due() else None
        if self._waits:
            return None
        step = next(self._steps)
        if isinstance(step, Marker):
            self._waits = True
            self._server.outbox.append(step.command)
            return MARKER_SENT
        return step

    def _is_due(self) -> bool:
        server = self._server
        machine = server.machine
        rank = machine.rank(server.session) if server.session is not None else None
        since = machine.marker.position if machine.marker is not None else -1
        return rank is not None and server.last is not None and machine.position - since > TAIL * (rank + 1)

    def _snapshot(self) -> str:
        server = self._server
        assert server.last is not None
        sections = list(snapshot.snapshot_sections(server.machine, SECTION_BYTES))
        writer_id = server.world.rng.randbytes(16)
        self._steps = checkpointing.write(Snapshot(writer_id, server.last, server.machine.trail, sections), self._state)
        return SNAPSHOT

    def _answer(self, steps: Steps, *, is_accepted: bool) -> None:
        server = self._server
        self._steps = None
        if not server.point(MARKED):
            return
        try:
            steps.send(is_accepted)
        except BrokerUnavailableError:
            return
        except StopIteration as end:
            confirmed = end.value
        if confirmed is None:
            return
        stays_from = server.machine.position - STAYS
        self._cutting = cutting.cut(self._journal, self._state, confirmed, server.machine.marker_before, stays_from)
        server.world.checkpoint_count += 1
        if server.world.chance(0.2):
            check_that_a_replica_can_begin(server.world)
        server.point(CONFIRMED)
