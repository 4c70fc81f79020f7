"""What does a server do?

Contract: one process around the package's own replica, writer, membership, caretaker, intake and keeper; what their threads would do is done
here, one round after the other, in any order. It may crash, or be stopped and resumed, at points that have names, die inside of a call to a log,
and one of its threads may sleep while the others go on. It may leave in good order and come back, also as the next release.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from asynq_compat.brokers.journal.attending.attendance import Attendance
from asynq_compat.brokers.journal.attending.reseating import Reseating
from asynq_compat.brokers.journal.attending.seat import Seat
from asynq_compat.brokers.journal.caretaker import Caretaker
from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED, READ_BACK
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import AsynqError, CorruptDataError, NewerReleaseError
from asynq_compat.machine.applied import Applied, Verdict
from asynq_compat.machine.control import ControlApplied
from asynq_compat.machine.versions import Versions
from asynq_compat.ports.consuming import QueueOrder
from tests.simulator import journals, sender, working
from tests.simulator.inside import WorldClock
from tests.simulator.journals import JOURNAL, QUEUE, SimulatedStore
from tests.simulator.keeper import KEEPING, MARKER_SENT, SNAPSHOT, SimulatedKeeper
from tests.simulator.observer import promise
from tests.simulator.release import NEWEST, PRESENT
from tests.simulator.sender import Sender
from tests.simulator.working import Work
from tests.simulator.world import World

SLOTS = 4
OPENING, OPENED, LOST = "session opening", "session opened", "session lost"
LOADED, BEGUN_ANEW, OWN_APPLIED = "checkpoint loaded", "begun anew", "own frame applied"
STOPPING, LEAVING, LEFT = "stop begun", "leaving", "left"
IN_APPEND = (sender.SENT, sender.STORED, sender.ANSWERED)
# Where a server has to die and to be stopped in some history: behind each step of its writer, its session, its work and its keeper.
POINTS = (
    *(sender.MADE, *IN_APPEND, sender.FAILED, OWN_APPLIED),
    *(LOADED, BEGUN_ANEW, OPENING, OPENED, LOST, STOPPING, LEAVING),
    *(working.TAKEN, working.STARTED, working.ENDED, working.SETTLING, working.SETTLED, working.RECOVERING),
    *(SNAPSHOT, CHUNK, READ_BACK, MARKER_SENT, MARKED, CONFIRMED, JOURNAL_CUT, STATE_CUT),
)
# And where only to die: inside of a call.
INSIDES = (
    *(journals.IN_JOURNAL_READ, journals.IN_STATE_READ, journals.IN_STATE_APPEND),
    *(journals.IN_JOURNAL_CUT, journals.IN_STATE_CUT),
)
# Some are come to at every step, some a few times in a hundred histories.
_WEIGHTS = {
    **dict.fromkeys((CHUNK, working.STARTED, working.ENDED, sender.MADE, sender.ANSWERED, OWN_APPLIED), 0.15),
    **dict.fromkeys((working.TAKEN, working.SETTLING, working.SETTLED), 0.3),
    **dict.fromkeys((OPENING, OPENED, SNAPSHOT, sender.FAILED), 0.5),
    **dict.fromkeys((READ_BACK, MARKER_SENT), 1.0),
    **dict.fromkeys((MARKED, CONFIRMED, LOADED, STOPPING, LEAVING), 2.0),
    **dict.fromkeys((JOURNAL_CUT, STATE_CUT, LOST, working.RECOVERING), 5.0),
    **dict.fromkeys((journals.IN_JOURNAL_CUT, journals.IN_STATE_CUT), 4.0),
    BEGUN_ANEW: 7.0,
    **dict.fromkeys((journals.IN_JOURNAL_READ, journals.IN_STATE_READ, journals.IN_STATE_APPEND), 0.05),
}


class KilledError(BaseException):
    """The process is dead."""


@dataclass
class Server:
    """One process; `life` counts its restarts.

    Attributes:
        release: What it runs; `next_release` is what it comes back as.
    """

    world: World
    name: str
    release: Versions = field(default_factory=lambda: PRESENT)
    next_release: Versions | None = None
    life: int = 0
    stopped_until_ms: int = 0
    asleep_until_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        world = self.world
        self.release = self.next_release or self.release
        store = SimulatedStore(world, self._inside)
        self.partitions = Partitions(store, WorldClock(world), keeping=KEEPING, versions=self.release)
        self.partition = self.partitions.queue(QUEUE).partitions[0]
        self.replica = self.partition.replica
        attendance = Attendance(self.partitions, self.name)
        self.membership = Membership(self.partitions, QueueOrder(weights={QUEUE: 1}), SLOTS, self.name, attendance)
        self.seat: Seat = self.membership.seats[JOURNAL]
        self.caretaker = Caretaker(self.membership, self.partitions, idle_s=1.0)
        self.caretaker._unannounced.clear()  # No control journal here.
        self.sender = Sender(world, self.partition.writer)
        reseating = Reseating(
            self.membership, attendance, self.partitions, idle_s=1.0
        )  # Has nothing to do: one partition.
        self.work = Work(self, JournalIntake(self.membership, self.caretaker, reseating))
        self.keeper = SimulatedKeeper(self, self.partition)
        self.replica.listen(self.seat)
        self.replica.listen(self)
        self.asleep_until_ms.clear()
        self._threads: dict[str, Callable[[], None]] = {
            "replica": self._follow,
            "caretaker": self._care,
            "processor": self.work.start,
            "settler": self.work.settle,
            "writer": self._send,
            "keeper": self.keeper.run,
            "recoverer": self._recover,
        }
        self._thread = ""
        self._has_joined = False
        self._leaving: Ticket | None = None
        self._points: list[str] = []
        self._session = -1
        self._was_opening = False

    # --- life and death -----------------------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Die now; another process takes the place a while later."""
        self.world.tell(f"{self.name} crashes")
        if self.sender.state:
            self.world.kills[self.sender.state] += 1
        self._end(self.world.rng.randint(100, 20_000))

    def _end(self, for_ms: int) -> None:
        self.life += 1
        self._begin()
        self.stopped_until_ms = self.world.now_ms + for_ms

    def point(self, name: str) -> bool:
        """Come to a point where it may die or be stopped, whole or in part; return whether it goes on."""
        world = self.world
        probability = world.faults.at_point * _WEIGHTS.get(name, 1.0)
        if not world.chance(2 * probability):
            return True
        if world.chance(0.5):
            world.kills[name] += 1
            self.crash()
            return False
        world.hangs[name] += 1
        until_ms = world.now_ms + world.rng.choice([2_000, 25_000, 60_000])
        if world.chance(0.3):
            self.asleep_until_ms[self._thread] = until_ms
        else:
            self._stop(until_ms)
        world.tell(f"{self.name} is stopped behind {name!r} until {until_ms}")
        return False

    def _stop(self, until_ms: int) -> None:
        self.stopped_until_ms = until_ms
        if self.sender.state:
            self.world.hangs[self.sender.state] += 1

    def _inside(self, name: str) -> None:
        """Die, maybe, inside of a call to a log."""
        if self.world.chance(self.world.faults.at_point * _WEIGHTS.get(name, 1.0)):
            self.world.kills[name] += 1
            raise KilledError

    # --- its threads --------------------------------------------------------------------------------------------------------------

    def loop(self) -> None:
        """Do the next steps and come back."""
        world, faults = self.world, self.world.faults
        life = self.life
        if world.now_ms >= self.stopped_until_ms:
            try:
                self._step()
            except KilledError:
                self.crash()
        if life == self.life and world.chance(faults.crash):
            self.crash()
        elif world.chance(faults.stop):
            self._stop(world.now_ms + world.rng.choice([2_000, 25_000, 31_000, 60_000]))
            world.tell(f"{self.name} is stopped until {self.stopped_until_ms}")
        elif world.chance(faults.leave):
            self.leave()
        world.after(world.rng.randint(100, 1_000), self.loop)

    def _step(self) -> None:
        life, world = self.life, self.world
        threads = list(self._threads.items())
        # A process that was stopped may go on anywhere, also behind the check that would have told it that it is late.
        world.rng.shuffle(threads)
        for self._thread, run in threads:
            if self.asleep_until_ms.get(self._thread, 0) > world.now_ms:
                continue
            run()
            while self._points and life == self.life:
                if not self.point(self._points.pop(0)):
                    break
            if life != self.life or world.now_ms < self.stopped_until_ms:
                return

    def _follow(self) -> None:
        replica = self.replica
        had_begun = replica._has_begun
        if replica.run_once() is None:
            self._replace(replica.failure)
            return
        failure = replica.failure
        promise(not isinstance(failure, CorruptDataError), f"{self.name} cannot fold: {failure}")
        if not had_begun and replica._has_begun and replica.checkpoint is not None:
            self._points.append(LOADED)

    def _replace(self, failure: AsynqError | None) -> None:
        """An old release met a newer version, and stopped; somebody puts the new release in its place."""
        promise(isinstance(failure, NewerReleaseError), f"{self.name} ended: {failure}")
        promise(self.release is PRESENT, f"{self.name} knows the version and stopped all the same")
        self.world.met["old release stopped"] += 1
        self.next_release = NEWEST
        self._end(self.world.rng.randint(100, 20_000))

    def _care(self) -> None:
        try:
            if not self._has_joined:
                self._has_joined = self._is_synced()
            elif self._leaving is None:
                self.caretaker.run_once(is_urgent=self.membership.wake.is_set())
                self.membership.wake.clear()
                self._leave_when_idle()
            elif self._leaving.is_settled:
                self.world.kills[LEFT] += 1
                self._end(self.world.rng.randint(100, 3_000))
                return
        except AsynqError:
            return
        is_opening, self._was_opening = self._was_opening, self.seat.is_opening
        if self.seat.is_opening and not is_opening:
            self._points.append(OPENING)

    def _is_synced(self) -> bool:
        """As `Caretaker.join`: it has read what was there."""
        replica = self.replica
        return replica.failure is None and replica._progress.upto >= self.partition.journal.end()

    def leave(self) -> None:
        """Take no more and give back what is not done: the process ends in good order."""
        if not self.membership.is_stopped and self.seat.session.is_open:
            self.world.tell(f"{self.name} stops")
            self.membership.is_stopped = True
            self.work.requeue()
            self._points.append(STOPPING)

    def _leave_when_idle(self) -> None:
        if self.membership.is_stopped and self.work.is_idle:
            if not self.seat.session.is_open:
                self._end(100)
                return
            self._leaving = self.membership.leaving(self.seat)
            assert self._leaving is not None
            self.partition.writer.submit(self._leaving)
            self._points.append(LEAVING)

    def _send(self) -> None:
        heard = self.sender.hear()
        if heard and not self.point(heard):
            return
        frame = self.sender.claim()
        if frame is not None and self.point(sender.MADE):
            self.sender.send(frame)

    def _recover(self) -> None:
        if self._has_joined and self.replica.failure is None:
            self.work.recover()

    # --- what its replica tells -----------------------------------------------------------------------------------------------------

    def on_applied(self, applied: Applied | ControlApplied, now_s: float) -> None:
        """Hear of one entry: compare what the fold has become with the observer's, and note what happened to the session."""
        assert isinstance(applied, Applied)
        world = self.world
        fold = self.replica.fold
        if fold.unsupported_version() is not None:
            return  # It is about to stop; what it made of this entry is of no account.
        trail = world.observer.trails.get(applied.position)
        promise(trail is None or trail == fold.trail, f"{self.name} came another way to {applied.position}")
        seen = world.observer.digests.get(applied.position)
        if seen is not None and world.chance(0.2):
            promise(fold.digest() == seen, f"{self.name} differs at {applied.position}")
        if applied.verdict is Verdict.APPLIED and applied.writer_id == self.partition.writer._framing._writer_id:
            self._points.append(OWN_APPLIED)
        session = self.seat.session
        if session.is_open and session.name != self._session:
            self._session = session.name
            self._points.append(OPENED)
        elif not session.is_open and session.name == self._session and self._session >= 0:
            self._session = -1
            world.tell(f"{self.name} lost session {session.name}")
            self._points.append(LOST)

    def on_rebuilt(self) -> None:
        """Hear that all is read anew."""
        self.world.tell(f"{self.name} begins anew")
        self._has_joined = False
        self._points.append(BEGUN_ANEW)
