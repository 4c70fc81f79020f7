"""What does a server do for one journal that it follows?

Contract: the package's own replica, writer and keeper, a step at a time; what the replica applies is compared with the observer of the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.following.followed import Control, Partition
from asynq_compat.brokers.journal.following.listening import AnyApplied
from asynq_compat.errors import CorruptDataError
from asynq_compat.machine.applied import Applied, Verdict
from asynq_compat.machine.machine import Machine
from tests.simulator import sender
from tests.simulator.keeper import SimulatedKeeper
from tests.simulator.promises import promise
from tests.simulator.sender import Sender

if TYPE_CHECKING:
    from tests.simulator.server import Server

OPENED, LOST = "session opened", "session lost"
LOADED, BEGUN_ANEW, OWN_APPLIED = "checkpoint loaded", "begun anew", "own frame applied"


class Carried:
    """One journal in one process."""

    def __init__(self, server: Server, one: Control | Partition) -> None:
        self._server = server
        self.one = one
        self.place = server.world.places[one.journal.name]
        self.sender = Sender(server.world, self.place, one.writer)
        self.keeper = SimulatedKeeper(server, one)
        self._session = -1
        one.replica.listen(self)

    @property
    def is_over(self) -> bool:
        """Whether its partition was let go, and all that was sent has gone out."""
        return self.one.writer._is_closed and not self.sender.is_sending

    def follow(self) -> None:
        """Read and apply once."""
        replica = self.one.replica
        if replica._progress.is_stopped:
            return
        had_begun = replica._has_begun
        if replica.run_once() is None:
            if not replica._progress.is_stopped:
                self._server.replace(replica.failure)
            return
        failure = replica.failure
        promise(not isinstance(failure, CorruptDataError), f"{self._server.name} cannot fold: {failure}")
        if not had_begun and replica._has_begun and replica.checkpoint is not None:
            self._server.points.append(LOADED)

    def send(self) -> None:
        """Carry the writer's frames."""
        heard = self.sender.hear()
        if heard and not self._server.point(heard):
            return
        frame = self.sender.claim()
        if frame is not None and self._server.point(sender.MADE):
            self.sender.send(frame)

    # --- what its replica tells -----------------------------------------------------------------------------------------------------

    def on_applied(self, applied: AnyApplied, now_s: float) -> None:
        """Hear of one entry: compare what the fold has become with the observer's, and note what happened to the session."""
        del now_s
        name, world, observer = self._server.name, self._server.world, self.place.observer
        fold = self.one.replica.fold
        if isinstance(fold, Machine) and fold.unsupported_version() is not None:
            return  # It is about to stop; what it made of this entry is of no account.
        trail = observer.trails.get(applied.position)
        promise(trail is None or trail == fold.trail, f"{name} came another way to {applied.position}")
        seen = observer.digests.get(applied.position)
        if seen is not None and world.chance(0.2):
            promise(fold.digest() == seen, f"{name} differs at {applied.position}")
        if applied.verdict is Verdict.APPLIED and applied.writer_id == self.one.writer._framing._writer_id:
            self._server.points.append(OWN_APPLIED)
        seat = self._server.seat_in(self.place.name) if isinstance(applied, Applied) else None
        if seat is not None:
            self._see_session(seat.session.name, is_open=seat.session.is_open)

    def _see_session(self, name: int, *, is_open: bool) -> None:
        server = self._server
        if is_open and name != self._session:
            self._session = name
            server.points.append(OPENED)
        elif not is_open and name == self._session and self._session >= 0:
            self._session = -1
            server.world.tell(f"{server.name} lost session {name} in {self.place.name}")
            server.points.append(LOST)

    def on_rebuilt(self) -> None:
        """Hear that all is read anew."""
        server = self._server
        server.world.tell(f"{server.name} begins {self.place.name} anew")
        server.has_joined = server.has_joined and server.world.is_divided
        server.points.append(BEGUN_ANEW)
