"""What does a server do?

Contract: one process around the package's own code; what its threads would do is done here, one round after the other, in any order: `carrying.py`
for each journal, `seated.py` for all together, `working.py` for tasks. It may crash, or be stopped and resumed, at points that have names, die
inside of a call to a log, and one of its threads may sleep while the others go on. It may leave in good order and come back, also as the next
release.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from asynq_compat.brokers.journal.attending.seat import Seat
from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED, READ_BACK
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.errors import AsynqError, NewerReleaseError
from asynq_compat.machine.versions import Versions
from tests.simulator import carrying, electing, journals, seated, sender, working
from tests.simulator.aggregating import SET_ENDING, SET_MADE
from tests.simulator.carrying import Carried
from tests.simulator.inside import WorldClock
from tests.simulator.journals import SimulatedStore
from tests.simulator.keeper import KEEPING, MARKER_SENT, SNAPSHOT
from tests.simulator.promises import promise
from tests.simulator.release import NEWEST, PRESENT
from tests.simulator.seated import LETTING_GO, Seated
from tests.simulator.world import QUEUE, KilledError, World

IN_APPEND = (sender.SENT, sender.STORED, sender.ANSWERED)
# Where a server has to die and to be stopped in some history: behind each step of its writer, its session, its work and its keeper.
POINTS = (
    *(sender.MADE, *IN_APPEND, sender.FAILED, carrying.OWN_APPLIED),
    *(carrying.LOADED, carrying.BEGUN_ANEW, seated.OPENING, carrying.OPENED, carrying.LOST),
    *(seated.JOINED, seated.UNSEATED, LETTING_GO, seated.STOPPING, seated.LEAVING),
    *(working.TAKEN, working.STARTED, working.ENDED, working.SETTLING, working.SETTLED, working.RECOVERING),
    *(SET_MADE, SET_ENDING),
    *(SNAPSHOT, CHUNK, READ_BACK, MARKER_SENT, MARKED, CONFIRMED, JOURNAL_CUT, STATE_CUT),
)
# And where only to die: inside of a call.
INSIDES = (
    *(journals.IN_JOURNAL_READ, journals.IN_STATE_READ, journals.IN_STATE_APPEND),
    *(journals.IN_JOURNAL_CUT, journals.IN_STATE_CUT),
    *(electing.CLAIMED, electing.STORED),
)
# Some are come to at every step, some a few times in a hundred histories.
_WEIGHTS = {
    **dict.fromkeys((CHUNK, working.STARTED, working.ENDED, sender.MADE, sender.ANSWERED, carrying.OWN_APPLIED), 0.15),
    **dict.fromkeys((working.TAKEN, working.SETTLING, working.SETTLED), 0.3),
    **dict.fromkeys((seated.OPENING, carrying.OPENED, SNAPSHOT, sender.FAILED), 0.5),
    **dict.fromkeys((READ_BACK, MARKER_SENT), 1.0),
    **dict.fromkeys((MARKED, CONFIRMED, carrying.LOADED, seated.STOPPING, seated.LEAVING), 2.0),
    **dict.fromkeys((JOURNAL_CUT, STATE_CUT, carrying.LOST, working.RECOVERING), 5.0),
    **dict.fromkeys((journals.IN_JOURNAL_CUT, journals.IN_STATE_CUT), 4.0),
    **dict.fromkeys((seated.JOINED, seated.UNSEATED, LETTING_GO), 4.0),
    carrying.BEGUN_ANEW: 7.0,
    **dict.fromkeys((journals.IN_JOURNAL_READ, journals.IN_STATE_READ, journals.IN_STATE_APPEND), 0.05),
}
_RESEATING = "reseating"
# In every second history of several partitions, so that the others stay as rare in what they meet.
_ELECTING_EVERY = 2


@dataclass
class Server:
    """One process; `life` counts its restarts.

    Attributes:
        release: What it runs; `next_release` is what it comes back as.
        seated: Its places; None while it begins.
        points: Those that were come to, one of which may be its last.
    """

    world: World
    name: str
    release: Versions = field(default_factory=lambda: PRESENT)
    next_release: Versions | None = None
    life: int = 0
    stopped_until_ms: int = 0
    asleep_until_ms: dict[str, int] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    has_joined: bool = False
    is_reseating: bool = False
    seated: Seated | None = None

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        world = self.world
        self.release = self.next_release or self.release
        store = SimulatedStore(world, self._inside)
        self.partitions = Partitions(store, WorldClock(world), keeping=KEEPING, versions=self.release)
        self.seated = None
        self._carried: list[Carried] = []
        self.asleep_until_ms.clear()
        self.points.clear()
        self.has_joined = self.is_reseating = self._has_entered = False
        self._thread = ""

    def _enter(self) -> None:
        """Open the queue; where it is divided that waits for the control journal."""
        self.partitions.queue(QUEUE)
        self.seated = Seated(self)
        if self.world.is_divided:
            self._run_apart(_RESEATING, self._reseat, 1_000)
            if self.world.seed % _ELECTING_EVERY == 0:
                self._run_apart("elected", electing.Electing(self).run, 700)

    @property
    def server_id(self) -> str:
        """What this process is called in the journals."""
        return f"{self.name}.{self.life}"

    def seat_in(self, journal: str) -> Seat | None:
        """Return its place in one partition."""
        return None if self.seated is None else self.seated.membership.seats.get(journal)

    # --- life and death -----------------------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Die now; another process takes the place a while later."""
        self.world.tell(f"{self.name} crashes")
        for state in self._append_states():
            self.world.kills[state] += 1
        self.end(self.world.rng.randint(100, 20_000))

    def _append_states(self) -> list[str]:
        return [state for one in self._carried if (state := one.sender.state)]

    def end(self, for_ms: int) -> None:
        """Be another process, a while later."""
        self.life += 1
        self._begin()
        self.stopped_until_ms = self.world.now_ms + for_ms

    def leave(self) -> None:
        """Begin to end in good order."""
        if self.seated is not None:
            self.seated.stop()

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
        for state in self._append_states():
            self.world.hangs[state] += 1

    def _inside(self, name: str) -> None:
        """Die, maybe, inside of a call to a log."""
        if self.world.chance(self.world.faults.at_point * _WEIGHTS.get(name, 1.0)):
            self.world.kills[name] += 1
            raise KilledError

    def replace(self, failure: AsynqError | None) -> None:
        """An old release met a newer version, and stopped; somebody puts the new release in its place."""
        promise(isinstance(failure, NewerReleaseError), f"{self.name} ended: {failure}")
        promise(self.release is PRESENT, f"{self.name} knows the version and stopped all the same")
        self.world.met["old release stopped"] += 1
        self.next_release = NEWEST
        self.end(self.world.rng.randint(100, 20_000))

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
        world.after(world.rng.randint(100, 1_600 if world.is_divided else 1_000), self.loop)

    def _step(self) -> None:
        life, world = self.life, self.world
        if not self._has_entered:
            self._has_entered = True
            if world.is_divided:
                self._run_apart("entering", self._enter, 0)
            else:
                self._enter()
        threads = self._threads()
        # A process that was stopped may go on anywhere, also behind the check that would have told it that it is late.
        world.rng.shuffle(threads)
        for self._thread, run in threads:
            if self.asleep_until_ms.get(self._thread, 0) > world.now_ms:
                continue
            run()
            while self.points and life == self.life:
                if not self.point(self.points.pop(0)):
                    break
            if life != self.life or world.now_ms < self.stopped_until_ms:
                return

    def _threads(self) -> list[tuple[str, Callable[[], None]]]:
        """Return what would be its threads now, by name."""
        known = [one.one for one in self._carried]
        self._carried += [Carried(self, one) for one in self.partitions.followed() if one not in known]
        self._carried = [one for one in self._carried if not one.is_over]
        threads: list[tuple[str, Callable[[], None]]] = []
        for one in self._carried:
            name = one.place.name
            threads += [
                (f"replica {name}", one.follow),
                (f"writer {name}", one.send),
                (f"keeper {name}", one.keeper.run),
            ]
        if self.seated is not None:
            threads += [
                ("caretaker", self.seated.care),
                ("processor", self.seated.work.start),
                ("settler", self.seated.work.settle),
                ("recoverer", self._recover),
                ("aggregator", self._aggregate),
            ]
            if self.world.is_divided:
                threads.append(("teller", self.seated.tell))
        return threads

    def _recover(self) -> None:
        if self.has_joined and self.seated is not None:
            self.seated.work.recover()

    def _aggregate(self) -> None:
        if self.has_joined and self.seated is not None:
            self.seated.aggregating.run()

    def _reseat(self) -> None:
        if self.seated is None:
            return
        self.is_reseating = True
        try:
            self.seated.reseat()
        finally:
            self.is_reseating = False

    def _run_apart(self, name: str, run: Callable[[], None], every_ms: int) -> None:
        """Give something a thread of its own, which may wait; once if `every_ms` is 0, again if it fails."""
        life = self.life
        waiter = _Thread(self, name, life)

        def go() -> None:
            again = every_ms
            try:
                if not waiter.goes_on():
                    again = 500
                else:
                    with self.world.waiting(waiter):
                        run()
            except KilledError:
                if self.life == life:
                    self.crash()
                return
            except AsynqError as failure:
                self.world.tell(f"{self.name}: {name} failed: {failure}")
                again = 500
            if again:
                self.world.after(again, go)

        self.world.after(0, go)


@dataclass
class _Thread:
    """One that waits."""

    server: Server
    name: str
    life: int

    def begins(self) -> None:
        """It waits from now on; it may have been for the last time."""
        server = self.server
        if server.seated is not None and any(seat.is_leaving for seat in server.seated.seats):
            before, server._thread = server._thread, self.name
            server.point(LETTING_GO)
            server._thread = before

    def goes_on(self) -> bool:
        """Return whether it runs."""
        server = self.server
        if server.life != self.life:
            raise KilledError
        return server.world.now_ms >= max(server.stopped_until_ms, server.asleep_until_ms.get(self.name, 0))
