"""What does a client do that wants to know what became of its tasks?

Contract: its frames ask for a reply, which the package's own reader looks for behind the position that the append was answered with, for so long;
then it folds, and follows from then on, as the package does. What it is told must be the truth, however it comes to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.producing import _fold_for
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.machine.versions import Versions
from asynq_compat.wire import command as c
from tests.simulator.client import Known, message, still_known
from tests.simulator.inside import WorldClock
from tests.simulator.journals import SimulatedStore
from tests.simulator.promises import promise
from tests.simulator.release import NEWEST, PRESENT
from tests.simulator.sender import Sender
from tests.simulator.world import QUEUE, World

CALLER_WAITS_MS = 12_000
# Longer than in the product, since simulated servers look at the log only every second or less.
FOLD_AFTER_MS = 5_000
LOOK_EVERY_MS = 100
ASKED, REPLY_READ, FOLDED = "asker asked", "asker read a reply", "asker folded"


@dataclass
class Asker:
    """One process; a crash makes it another writer.

    Attributes:
        acknowledged: Tasks that it was told are stored.
        must_be_replied: Fold no more: a server lives and has nothing to stop it.
        loses_answers: Take no notice of a first answer.
    """

    world: World
    name: str
    is_active: bool = True
    must_be_replied: bool = False
    loses_answers: bool = False
    acknowledged: set[Known] = field(default_factory=set)
    replied_count: int = 0
    folded_count: int = 0
    _made_count: int = 0
    _release: Versions = field(default_factory=lambda: PRESENT)

    def __post_init__(self) -> None:
        for place in self.world.partitions:
            place.on_another_log.append(self._lose)
        self._begin()

    def _begin(self) -> None:
        world = self.world
        partitions = Partitions(SimulatedStore(world), WorldClock(world), versions=self._release)
        number = world.rng.randrange(len(world.partitions)) if world.is_divided else 0
        self._partition = partitions._partition(QUEUE, number, len(world.partitions))
        self._place = world.partitions[number]
        self._sender = Sender(world, self._place, self._partition.writer, self._loses_answer)
        self._ticket: Ticket | None = None
        self._ids: list[str] = []
        self._names: list[tuple[bytes, int]] = []
        self._send_count = 0
        self._asked_ms = 0
        self._appended_ms = 0
        self._epoch = self._born_epoch = self._place.epoch

    def _lose(self) -> None:
        """What was acknowledged went with the log."""
        self.acknowledged = still_known(self.world, self.acknowledged)

    def _loses_answer(self) -> bool:
        self._send_count += 1
        return self.loses_answers and self._send_count == 1

    @property
    def is_waiting(self) -> bool:
        """Whether it was told nothing yet of its last frame."""
        return self._ticket is not None

    @property
    def follows(self) -> bool:
        """Whether it has folded, and hears outcomes itself."""
        return self._partition.has_replica

    def begin_anew(self) -> None:
        """Be another process."""
        self._begin()

    def loop(self) -> None:
        """Ask, look, or send again; come back."""
        world = self.world
        if world.chance(2 * world.faults.crash):
            world.kills[f"asker {self._sender.state or 'idle'}"] += 1
            self._begin()
        if self.follows:
            self._follow()
        if self._ticket is not None:
            self._go_on(self._ticket)
        elif self.is_active:
            self.ask()
        world.after(LOOK_EVERY_MS if self._ticket is not None else world.rng.randint(200, 4_000), self.loop)

    def ask(self) -> None:
        """Enqueue a few tasks that may be refused."""
        rng = self.world.rng
        self._ids = [self._id() for _ in range(rng.randint(1, 3))]
        keys = [rng.choice([None, "key1", "key2"]) for _ in self._ids]
        enqueue = c.enqueue_more(
            self._ids,
            [message(task_id) for task_id in self._ids],
            unique_keys=keys,
            unique_ttls=[rng.randint(1, 20) if key else None for key in keys],
        )
        self._ticket = Ticket([enqueue], needs_outcomes=self.follows, asks=not self.follows)
        self._names.clear()
        self._send_count = 0
        self._asked_ms, self._appended_ms = self.world.now_ms, 0
        self._epoch = self._place.epoch
        self._partition.writer.enqueue(self._ticket, timeout_s=0.0)
        self._point(ASKED)

    def _id(self) -> str:
        # One in five was chosen before.
        if not self._made_count or self.world.rng.random() < 0.8:
            self._made_count += 1
        number = self._made_count if self.world.rng.random() < 0.9 else self.world.rng.randint(1, self._made_count)
        return f"{self.name}-{number}".ljust(36, "-")

    def _point(self, name: str) -> None:
        if self.world.chance(self.world.faults.at_point):
            self.world.kills[name] += 1
            self._begin()

    def _go_on(self, ticket: Ticket) -> None:
        world, partition = self.world, self._partition
        self._sender.hear()
        frame = self._sender.claim()
        if frame is not None:
            if any(one is ticket for one in frame.tickets):
                self._names = [(frame.writer_id, frame.sequence)]
            self._sender.send(frame)
        if ticket.asks and ticket.position is not None and ticket.outcomes is None and ticket.error is None:
            self._appended_ms = self._appended_ms or world.now_ms
            if not self.follows:
                partition.replies._read(partition.replies._place, 0.0)
            if world.now_ms - self._appended_ms > FOLD_AFTER_MS:
                self._fold(ticket)
        if self._ticket is ticket and (ticket.outcomes is not None or ticket.error is not None):
            self._hear(ticket)
        elif self._ticket is ticket and world.now_ms - self._asked_ms > CALLER_WAITS_MS:
            self._give_up(ticket)

    def _fold(self, ticket: Ticket) -> None:
        promise(not self.must_be_replied, f"nobody replied to {self.name}")
        replica = self._partition.replica
        if not self._follow():
            return
        try:
            is_there = replica.failure is None and replica._progress.upto >= self._partition.journal.end()
        except BrokerUnavailableError:
            return
        if is_there:
            _fold_for(self._partition, ticket)
            self.folded_count += 1
            gone = self._born_epoch != self._place.epoch
            promise(ticket.outcomes or ticket.error or gone, f"{self.name} folded and cannot know what became of it")
            self._point(FOLDED)

    def _follow(self) -> bool:
        """Read and apply; where a newer version is active, the next release takes the place of this process."""
        if self._partition.replica.run_once() is not None:
            return True
        promise(self._release is PRESENT, f"{self.name} knows the version and stopped all the same")
        self._release = NEWEST
        self._begin()
        return False

    def _give_up(self, ticket: Ticket) -> None:
        """Wait no longer, as a caller whose time is over."""
        self._ticket = None
        try:
            self._partition.writer.wait(ticket, timeout_s=0.0, sends=False)
        except BrokerUnavailableError:
            self.world.met["caller told of failure"] += 1
        self._partition.writer.awaited.disregard(ticket)

    def _hear(self, ticket: Ticket) -> None:
        """Compare what it was told with what happened."""
        self._ticket = None
        world = self.world
        if ticket.outcomes is None:
            world.met["caller told of failure"] += 1
            return
        if self._epoch == self._place.epoch:
            truth = self._place.observer.answers.get(self._names[0])
            told = list(ticket.outcomes)
            promise(truth is not None and told == truth[: len(told)], f"{self.name} was told {told}, it is {truth}")
            codes = told[0] if isinstance(told[0], list) else [0] * len(self._ids)
            number = self._partition.number
            stored = [task_id for task_id, code in zip(self._ids, codes, strict=True) if code == c.OK]
            self.acknowledged.update((number, task_id) for task_id in stored)
        if ticket.asks and not self.follows:
            self.replied_count += 1
            self._point(REPLY_READ)
        elif self.follows and world.chance(0.3):
            self._begin()  # Another thin client.
