"""What does a server do?

Contract: a replica that follows the log, one frame in flight, handlers that take a while. It starts assignments in their order, puts what
it has started into the mark of its frames, and sends a frame again, same bytes, until the log shows what became of it. It may be
stopped and resumed, or crash between any two of its steps, at points that have names. It takes its turn as keeper (keeper.py), begins
with the newest checkpoint, and begins anew when its place in the log is gone or the log is another one.
Not obvious: what it loads, verifies, writes and cuts by is the package's own code. It does not look at its own lease before settling: the machine alone must keep a zombie out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from asynq_compat.brokers.journal.following.same_log import is_same_log
from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.brokers.journal.reply import Replier
from asynq_compat.journals.journal import NotInJournalError
from asynq_compat.machine.applied import Applied, Verdict
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.message import decode_message
from tests.simulator.journals import SimulatedJournal
from tests.simulator.keeper import BEGUN_ANEW, SNAPSHOT, SimulatedKeeper, load
from tests.simulator.observer import promise
from tests.simulator.world import World

SLOTS = 4
RETENTION_S = 5
RESEND_AFTER_MS = 1_500
RENEW_AFTER_MS = 8_000
NEW_WRITER_AFTER_MS = 600_000
RETRIES_MAX = 3

_WEIGHTS = {CHUNK: 0.1, SNAPSHOT: 0.5, MARKED: 2.0, CONFIRMED: 2.0, JOURNAL_CUT: 3.0, STATE_CUT: 4.0, BEGUN_ANEW: 4.0}

Place = tuple[int, int]


@dataclass
class Server:
    """One process; `life` counts its restarts."""

    world: World
    name: str
    life: int = 0
    stopped_until_ms: int = 0

    def __post_init__(self) -> None:
        self.journal = SimulatedJournal(self.world, "queue.q", lambda: self.world.log)
        self.keeper = SimulatedKeeper(self)
        self._begin()

    def _begin(self) -> None:
        self.machine, self.last = load(self.world)
        self.epoch = self.world.epoch
        self.keeper.begin()
        self.sent: list[c.Command] = []
        self.is_answered = False
        self.session: int | None = None
        self.is_opening = False
        self.offered = 0
        self.waiting: list[tuple[Place, str]] = []
        self.running: dict[Place, str] = {}
        self.mark: Place = (0, 0)
        self.outbox: list[c.Command] = []
        self.replies: list[c.Command] = []
        self.replier = Replier(self._reply_rank, self.replies.extend)
        self.sequence = 0
        self.in_flight: bytes | None = None
        self.sent_ms = 0
        self.made_ms = 0
        self.loops_ms = self.world.now_ms
        self.marked: Place = (0, 0)

    def crash(self) -> None:
        """Die now; another process takes the place a while later."""
        self.world.tell(f"{self.name} crashes")
        if self.in_flight is not None:
            self.world.kills[f"append {self._state_of_append()}"] += 1
        self.life += 1
        self._begin()
        self.stopped_until_ms = self.world.now_ms + self.world.rng.randint(100, 20_000)

    def _state_of_append(self) -> str:
        if self.is_answered:
            return "answered"
        return "stored" if any(entry[3] == self.in_flight for entry in self.world.log.entries[-30:]) else "sent"

    def point(self, name: str) -> bool:
        """Come to a point where it may die or be stopped; return whether it goes on."""
        world = self.world
        # A checkpoint has many chunks; few come as far as the cut.
        probability = world.faults.at_point * _WEIGHTS.get(name, 1.0)
        if world.chance(probability):
            world.kills[name] += 1
            self.crash()
            return False
        if world.chance(probability):
            world.hangs[name] += 1
            self.stopped_until_ms = world.now_ms + world.rng.choice([2_000, 25_000, 60_000])
            world.tell(f"{self.name} is stopped behind {name!r} until {self.stopped_until_ms}")
            return False
        return True

    def anew(self, why: str) -> None:
        """Give up all that was known of the log, and begin at a checkpoint."""
        self.world.tell(f"{self.name} begins anew: {why}")
        self.life += 1
        self._begin()
        self.point(BEGUN_ANEW)

    def loop(self) -> None:
        """Do the next step and come back."""
        world = self.world
        life = self.life
        if world.now_ms >= self.stopped_until_ms:
            if world.now_ms - self.loops_ms > NEW_WRITER_AFTER_MS:
                self.crash()
            self.loops_ms = world.now_ms
            self._step()
        if life == self.life and world.chance(world.faults.crash):
            self.crash()
        elif world.chance(world.faults.stop):
            self.stopped_until_ms = world.now_ms + world.rng.choice([2_000, 25_000, 31_000, 60_000])
            world.tell(f"{self.name} is stopped until {self.stopped_until_ms}")
        world.after(world.rng.randint(100, 1_000), self.loop)

    def _step(self) -> None:
        life = self.life
        actions = [self._read, self._start, self._send, self.keeper.run]
        # A process that was stopped may go on anywhere, also behind the check that would have told it that it is late.
        self.world.rng.shuffle(actions)
        for action in actions:
            action()
            if self.world.chance(self.world.faults.crash):
                self.crash()
            if self.world.now_ms < self.stopped_until_ms:
                return
            if life != self.life:
                return

    def _read(self) -> None:
        if self.epoch != self.world.epoch and not self._is_same_log():
            return
        try:
            entries = self.journal.read(self.machine.position).entries
        except NotInJournalError:
            self.anew("its place was cut away")
            return
        if self.world.chance(0.2):
            entries = entries[: self.world.rng.randint(0, len(entries))]
        life = self.life
        for entry in entries:
            applied = self.machine.apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data)
            self.last = entry
            promise(self.machine.divergence() is None, f"{self.name}: a marker contradicts it")
            seen = self.world.observer.digests.get(applied.position)
            if seen is not None and self.world.chance(0.1):
                assert self.machine.digest() == seen, f"{self.name} differs at {applied.position}"
            self._hear(applied)
            if life != self.life:
                return

    def _is_same_log(self) -> bool:
        """Look, after an outage, whether it is the log that it was."""
        self.epoch = self.world.epoch
        try:
            is_same = self.last is None or is_same_log(self.journal, self.last)
        except NotInJournalError:
            is_same = False
        if not is_same:
            self.anew("it is another log")
        return is_same

    def _hear(self, applied: Applied) -> None:
        self.replier.on_applied(applied, self.world.now_ms / 1000)
        if applied.writer_id == self._writer_id() and applied.sequence == self.sequence:
            if applied.verdict is Verdict.APPLIED and self.is_opening:
                self.session = applied.position
                self.is_opening = False
            if applied.verdict is Verdict.APPLIED:
                self.keeper.hear(self.sent, applied.outcomes)
            if applied.verdict in (Verdict.APPLIED, Verdict.DUPLICATE):
                self.in_flight = None
        if self.session in applied.ended:
            self.world.tell(f"{self.name} lost session {self.session}")
            self.session = None
            self.waiting.clear()
            self.running.clear()
            self.outbox.clear()
            self.keeper.begin()
        for given in applied.assignments:
            if given.session == self.session:
                self.offered -= len(given.ids)
                self.waiting += [((applied.position, i), task_id) for i, task_id in enumerate(given.ids)]

    def _start(self) -> None:
        rng = self.world.rng
        if self.waiting and rng.random() < 0.05:
            count = rng.randint(1, len(self.waiting))
            handed = self.waiting[-count:]
            del self.waiting[-count:]
            self.outbox.append(c.hand_back(_ranges([place for place, _ in handed])))
        while self.waiting and len(self.running) < SLOTS:
            place, task_id = self.waiting.pop(0)
            self.running[place] = task_id
            self.mark = (place[0], place[1] + 1)
            self.world.observer.started[task_id] += 1
            duration_ms = rng.choice([5, 50, 300, 2_000, 2_000, 40_000 if rng.random() < 0.05 else 10])
            self.world.after(duration_ms, partial(self._finish, place, self.life))

    def _finish(self, place: Place, life: int) -> None:
        if life != self.life or self.world.now_ms < self.stopped_until_ms:
            if life == self.life:
                self.world.after(1_000, lambda: self._finish(place, life))
            return
        if self.running.pop(place, None) is None:
            return
        rng, (position, index) = self.world.rng, place
        if rng.random() < 0.1:
            self.outbox.append(c.write_result(position, index, b"result"))
        self.outbox.append(self._outcome(position, index, rng.random()))

    def _outcome(self, position: int, index: int, kind: float) -> c.Command:
        if kind < 0.65:
            return c.settle_done([(position, index, index + 1)])
        if kind < 0.75:
            return c.settle_complete([(position, index, index + 1, RETENTION_S)])
        if kind < 0.8:
            return c.settle_requeue([(position, index, index + 1)])
        if kind < 0.95:
            delay_ms = self.world.rng.randint(0, 4_000)
            return c.settle_retry([(position, index, delay_ms, "failed", None if kind < 0.83 else 1)])
        return c.settle_archive([(position, index, "failed for good")])

    def _writer_id(self) -> bytes:
        return f"{self.name}.{self.life}".encode().ljust(16, b".")

    def _send(self) -> None:
        now_ms = self.world.now_ms
        if self.in_flight is not None:
            if now_ms - self.made_ms > NEW_WRITER_AFTER_MS:
                self.crash()
            elif now_ms - self.sent_ms > RESEND_AFTER_MS:
                self._append(self.in_flight)
            return
        commands = self._commands()
        if commands:
            self.sequence += 1
            self.in_flight = encode_frame(self._writer_id(), self.sequence, commands)
            self.made_ms = now_ms
            self.sent = commands
            self._append(self.in_flight)

    def _append(self, data: bytes) -> None:
        self.sent_ms = self.world.now_ms
        self.is_answered = False
        self.world.append(data, lambda _: self._answered(data))

    def _answered(self, data: bytes) -> None:
        if self.in_flight == data:
            self.is_answered = True

    def _commands(self) -> list[c.Command]:
        if self.session is None:
            self.is_opening = True
            self.offered = self.world.rng.randint(0, SLOTS)
            return [c.open_session(self.name, SLOTS, self.offered)]
        free = SLOTS - len(self.running) - len(self.waiting) - self.offered
        delta = free if self.world.chance(0.9) else -self.world.rng.randint(0, 2)
        delta = max(delta, -self.offered)
        recovery = self._recovery()
        self.replier.run(self.world.now_ms / 1000)
        is_silent = self.world.now_ms - self.sent_ms >= RENEW_AFTER_MS
        if not (
            self.outbox
            or self.replies
            or delta > 0
            or recovery
            or is_silent
            or self.mark != self.marked
            or self._must_tick()
        ):
            return []
        self.offered += delta
        self.marked = self.mark
        commands = [c.session(self.session, *self.mark, delta), *self.outbox, *recovery, *self.replies]
        self.outbox.clear()
        self.replies.clear()
        if self.world.chance(self.world.faults.leave):
            commands.append(c.close_session(self.session))
        return commands

    def _reply_rank(self) -> int | None:
        return None if self.session is None else self.machine.reply_rank(self.session)

    def _must_tick(self) -> bool:
        due_ms = self.machine.next_due_ms()
        rank = self.machine.rank(self.session) if self.session is not None else None
        if due_ms is None or rank is None or not self.world.log.entries:
            return False
        broker_ms = self.world.offset_ms + self.world.now_ms
        return broker_ms >= due_ms + rank * 200

    def _recovery(self) -> list[c.Command]:
        rank = self.machine.rank(self.session) if self.session is not None else None
        commands = []
        for orphan in self.machine.orphans(rank) if rank is not None else []:
            retried = decode_message(orphan.message).retried
            place = (orphan.session, orphan.position, orphan.index)
            if retried >= RETRIES_MAX:
                commands.append(c.recover_archive([(*place, "lease expired")]))
            else:
                commands.append(c.recover_retry([(*place, 1_000, "lease expired", retried + 1)]))
        return commands


def _ranges(places: list[Place]) -> list[c.Range]:
    ranges: list[c.Range] = []
    for position, index in places:
        if ranges and ranges[-1][0] == position and ranges[-1][2] == index:
            ranges[-1] = (position, ranges[-1][1], index + 1)
        else:
            ranges.append((position, index, index + 1))
    return ranges
