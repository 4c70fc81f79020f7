"""What does a thin client do, and an operator?

Contract: it folds nothing; its commands go through the package's own writer, a few of them under way at once. A caller waits so long for its own:
then the task may be queued, and the writer goes on under another name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.wire import command as c
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.simulator.inside import WorldClock
from tests.simulator.journals import QUEUE, SimulatedStore
from tests.simulator.sender import FAILED, Sender
from tests.simulator.world import World

CALLER_WAITS_MS = 8_000
CALLERS_MAX = 3
LOOK_EVERY_MS = 100
RETENTION_S = 5
# How often a foreign producer writes a record beside our frames.
BARE_RECORDS = 0.1


def message(task_id: str) -> bytes:
    """One task, encoded."""
    return encode_message(TaskMessage(type="t", id=task_id, queue=QUEUE, retry=3, timeout=60, retention=RETENTION_S))


@dataclass(slots=True)
class Call:
    """A caller that waits for its ticket."""

    ticket: Ticket
    ids: list[str]
    until_ms: int
    epoch: int


@dataclass
class Client:
    """A producer that now and then acts as an operator too; a crash makes it another process.

    Attributes:
        acknowledged: Ids of tasks that it was told are stored.
    """

    world: World
    name: str
    is_active: bool = True
    acknowledged: set[str] = field(default_factory=set)
    _made_count: int = 0

    def __post_init__(self) -> None:
        self.world.on_another_log.append(self._lose)
        self._begin()

    def _begin(self) -> None:
        world = self.world
        self._calls: list[Call] = []
        partition = Partitions(SimulatedStore(world), WorldClock(world)).queue(QUEUE).partitions[0]
        self._writer = partition.writer
        self._sender = Sender(world, partition.writer)
        self._last_position = -1
        self._lost_at: int | None = None
        self._lost_name = b""

    def _lose(self) -> None:
        """What was acknowledged went with the log."""
        self.acknowledged &= self.world.observer.books.keys()
        self._lost_at, self._lost_name = self._last_position, self._writer._framing._writer_id

    def _cannot_know(self, position: int | None) -> bool:
        """Whether its frames may be refused unseen: the log lost one of them, and others have written beyond the place that it knew."""
        is_same_name = self._writer._framing._writer_id == self._lost_name
        return self._lost_at is not None and is_same_name and (position is None or position > self._lost_at)

    @property
    def is_waiting(self) -> bool:
        """Whether some call has not come back."""
        return bool(self._calls)

    def loop(self) -> None:
        """Call, if not too many calls are under way; come back."""
        world = self.world
        if self.is_active and len(self._calls) < CALLERS_MAX and world.chance(0.15 if self._calls else 0.6):
            self._call(*self._next_command())
        if self.is_active and not self._calls and world.chance(BARE_RECORDS):
            self._made_count += 1
            self._put_bare(self._id(self._made_count))
        if world.chance(world.faults.crash):
            world.kills[f"client {self._sender.state or 'idle'}"] += 1
            self._begin()
        if self._calls:
            self._carry()
        world.after(LOOK_EVERY_MS if self._calls else world.rng.randint(300, 2_000), self.loop)

    def _carry(self) -> None:
        """Take the writer's next step, at one of which the process may die or sleep."""
        world = self.world
        point = self._sender.hear()
        frame = self._sender.claim()
        if frame is not None:
            self._sender.send(frame)
        for call in list(self._calls):
            if not call.ticket.is_settled and world.now_ms < call.until_ms:
                continue
            self._calls.remove(call)
            try:
                self._writer.wait(call.ticket, timeout_s=0.0, sends=False)
            except BrokerUnavailableError:
                world.met["caller told of failure"] += 1
            else:
                self._acknowledge(call)
        if point == FAILED and world.chance(world.faults.at_point):
            world.kills["client append failed"] += 1
            self._begin()

    def _acknowledge(self, call: Call) -> None:
        self._last_position = max(self._last_position, call.ticket.position or 0)
        # What stood in a log that is gone went with it, also when the answer came later.
        known = self.world.observer.books
        is_sure = call.epoch == self.world.epoch and not self._cannot_know(call.ticket.position)
        self.acknowledged.update(task_id for task_id in call.ids if is_sure or task_id in known)

    def _call(self, ids: list[str], command: c.Command) -> None:
        ticket = Ticket([command])
        self._writer.enqueue(ticket, timeout_s=0.0)
        self._calls.append(Call(ticket, ids, self.world.now_ms + CALLER_WAITS_MS, self.world.epoch))

    def _put_bare(self, task_id: str) -> None:
        epoch = self.world.epoch

        def heard(answer: int | BrokerUnavailableError) -> None:
            if epoch == self.world.epoch and isinstance(answer, int):
                self.acknowledged.add(task_id)

        self.world.append(message(task_id), heard)

    def _id(self, number: int) -> str:
        # As long as a UUID: what decodes messages has a quick way for those.
        return f"{self.name}-{number}".ljust(36, "-")

    def _next_command(self) -> tuple[list[str], c.Command]:
        """Return the ids that are certain to be stored once the frame is, and the command."""
        rng = self.world.rng
        ids = []
        for _ in range(rng.randint(1, 4)):
            self._made_count += 1
            ids.append(self._id(self._made_count))
        messages = [message(task_id) for task_id in ids]
        kind = rng.random()
        if kind < 0.6:
            return ids, c.enqueue(ids, messages)
        if kind < 0.75:
            # The log's clock may be an hour off ours: some of these are for long ago, some for later.
            now_s = (self.world.offset_ms + self.world.now_ms) // 1000
            return ids, c.enqueue_more(ids, messages, process_at=[now_s + rng.randint(-2, 8) for _ in ids])
        if kind < 0.85:
            keys = [f"key{rng.randint(1, 3)}" for _ in ids]
            return [], c.enqueue_more(ids, messages, unique_keys=keys, unique_ttls=[rng.randint(1, 20) for _ in ids])
        known = [self._id(rng.randint(1, self._made_count)) for _ in range(2)]
        if kind < 0.9:
            return [], c.enqueue(known, [message(task_id) for task_id in known])
        builder = rng.choice([c.run, c.archive, c.delete])
        return [], rng.choice([c.pause(), c.unpause(), c.unpause(), builder(known)])
