"""What does a thin client do, and an operator?

Contract: it folds nothing; its commands go through the package's own writers, one a partition, a few of them under way at once. A caller waits so long for its own:
then the task may be queued, and the writer goes on under another name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.queue import Queue, partition_of
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.wire import command as c
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.simulator.inside import WorldClock
from tests.simulator.journals import SimulatedStore
from tests.simulator.observer import Observer
from tests.simulator.place import Place
from tests.simulator.sender import FAILED, Sender
from tests.simulator.sweeping import any_sweep
from tests.simulator.world import QUEUE, World

CALLER_WAITS_MS = 8_000
CALLERS_MAX = 3
LOOK_EVERY_MS = 100
RETENTION_S = 5
# How often a call is about a group.
GROUPED = 0.12
# How often an operator means all tasks of a state.
SWEPT = 0.25
# How often a foreign producer writes a record beside our frames.
BARE_RECORDS = 0.1

# The limit that docs/journal.md names: "A client that folds nothing".
TOLD_WRONGLY = "told of what was refused"

# A partition's number, and the id of a task there.
Known = tuple[int, str]


def message(task_id: str) -> bytes:
    """One task, encoded."""
    return encode_message(TaskMessage(type="t", id=task_id, queue=QUEUE, retry=3, timeout=60, retention=RETENTION_S))


def still_known(world: World, acknowledged: set[Known]) -> set[Known]:
    """Return those that did not go with a log."""
    return {(number, one) for number, one in acknowledged if one in world.partitions[number].observer.books}


@dataclass(slots=True)
class Call:
    """A caller that waits for its ticket."""

    ticket: Ticket
    ids: list[str]
    until_ms: int
    epoch: int


class Way:
    """A client's way into one partition."""

    def __init__(self, world: World, place: Place[Observer], partition: Partition) -> None:
        self._world = world
        self._partition = partition
        self.number = partition.number
        self.place = place
        self.writer = partition.writer
        self.sender = Sender(world, place, partition.writer)
        self.calls: list[Call] = []
        self._last_position = -1
        self._lost_at: int | None = None
        self._lost_name = b""
        self._renewed_at_ms: int | None = None  # When another name was first seen since.

    def introduce(self) -> None:
        """Say which journal this is, as at the first use; it may come late."""
        self.call([], self._partition.genesis())

    def lose(self) -> None:
        """Hear that the log is not what it was."""
        self._lost_at, self._lost_name = self._last_position, self.writer._framing._writer_id
        self._renewed_at_ms = None

    def _cannot_know(self, call: Call) -> bool:
        """Whether its frame may be refused unseen: the log lost one of that name, and others have written beyond the place that it knew."""
        if self._renewed_at_ms is None and self.writer._framing._writer_id != self._lost_name:
            self._renewed_at_ms = self._world.now_ms
        # What was asked for under the old name may stand in doubt, and is sent again under that.
        is_old_name = self._renewed_at_ms is None or call.until_ms - CALLER_WAITS_MS <= self._renewed_at_ms
        position = call.ticket.position
        return self._lost_at is not None and is_old_name and (position is None or position > self._lost_at)

    def call(self, ids: list[str], command: c.Command, *, is_alone: bool = False) -> None:
        """Begin to wait for a command."""
        ticket = Ticket([command], is_alone=is_alone)
        self.writer.enqueue(ticket, timeout_s=0.0)
        self.calls.append(Call(ticket, ids, self._world.now_ms + CALLER_WAITS_MS, self.place.epoch))

    def carry(self) -> tuple[str, list[str]]:
        """Take the writer's next step; return the point that was come to, and ids of what is stored now."""
        world = self._world
        point = self.sender.hear()
        frame = self.sender.claim()
        if frame is not None:
            self.sender.send(frame)
        stored: list[str] = []
        for call in list(self.calls):
            if not call.ticket.is_settled and world.now_ms < call.until_ms:
                continue
            self.calls.remove(call)
            try:
                self.writer.wait(call.ticket, timeout_s=0.0, sends=False)
            except BrokerUnavailableError:
                world.met["caller told of failure"] += 1
            else:
                stored += self._stored(call)
        return point, stored

    def _stored(self, call: Call) -> list[str]:
        self._last_position = max(self._last_position, call.ticket.position or 0)
        # What stood in a log that is gone went with it, also when the answer came later.
        known = self.place.observer.books
        is_sure = call.epoch == self.place.epoch and not self._cannot_know(call)
        stored = [task_id for task_id in call.ids if is_sure or task_id in known]
        self._world.met[TOLD_WRONGLY] += len(stored) < len(call.ids) and call.epoch == self.place.epoch
        return stored


@dataclass
class Client:
    """A producer that now and then acts as an operator too; a crash makes it another process.

    Attributes:
        acknowledged: Tasks that it was told are stored.
    """

    world: World
    name: str
    is_active: bool = True
    acknowledged: set[Known] = field(default_factory=set)
    _made_count: int = 0

    def __post_init__(self) -> None:
        for number, place in enumerate(self.world.partitions):
            place.on_another_log.append(partial(self._lose, number))
        self._begin()

    def _begin(self) -> None:
        world, places = self.world, self.world.partitions
        partitions = Partitions(SimulatedStore(world), WorldClock(world))
        opened = [partitions._partition(QUEUE, number, len(places)) for number in range(len(places))]
        self._queue = Queue(QUEUE, opened)
        self._ways = [Way(world, place, partition) for place, partition in zip(places, opened, strict=True)]

    def _lose(self, number: int) -> None:
        """What was acknowledged went with the log."""
        self.acknowledged = still_known(self.world, self.acknowledged)
        self._ways[number].lose()

    @property
    def is_waiting(self) -> bool:
        """Whether some call has not come back."""
        return any(way.calls for way in self._ways)

    def loop(self) -> None:
        """Call, if not too many calls are under way; come back."""
        world = self.world
        call_count = sum(len(way.calls) for way in self._ways)
        if self.is_active and call_count < CALLERS_MAX and world.chance(0.15 if call_count else 0.6):
            self._call()
        if self.is_active and not self.is_waiting and world.chance(BARE_RECORDS):
            self._made_count += 1
            self._put_bare(self._id(self._made_count))
        if world.chance(world.faults.crash):
            states = [state for way in self._ways if (state := way.sender.state)]
            for state in states or ["idle"]:
                world.kills[f"client {state}"] += 1
            self._begin()
        for way in self._ways:
            if way.calls and not self._carry(way):
                break
        world.after(LOOK_EVERY_MS if self.is_waiting else world.rng.randint(300, 2_000), self.loop)

    def _carry(self, way: Way) -> bool:
        """Take the writer's next step, at one of which the process may die; return whether it lives."""
        world = self.world
        point, stored = way.carry()
        self.acknowledged.update((way.number, task_id) for task_id in stored)
        if point == FAILED and world.chance(world.faults.at_point):
            world.kills["client append failed"] += 1
            self._begin()
            return False
        return True

    def _put_bare(self, task_id: str) -> None:
        number = partition_of(task_id, len(self.world.partitions))
        place = self.world.partitions[number]
        epoch = place.epoch

        def heard(answer: int | BrokerUnavailableError) -> None:
            if epoch == place.epoch and isinstance(answer, int):
                self.acknowledged.add((number, task_id))

        self.world.append(place, message(task_id), heard)

    def _id(self, number: int) -> str:
        # As long as a UUID: what decodes messages has a quick way for those.
        return f"{self.name}-{number}".ljust(36, "-")

    def _call(self) -> None:
        """Call once: for each partition that is concerned, with the ids that are certain to be stored once the frame is."""
        rng = self.world.rng
        ids = []
        for _ in range(rng.randint(1, 4)):
            self._made_count += 1
            ids.append(self._id(self._made_count))
        kind = rng.random()
        if rng.random() < GROUPED:
            groups = {task_id: f"group{rng.randint(1, 2)}" for task_id in ids}
            for way, of_way in self._by_way(ids, groups):
                named: list[str | None] = [groups[one] for one in of_way]
                way.call(of_way, c.enqueue_more(of_way, [message(one) for one in of_way], groups=named))
        elif kind < 0.6:
            for way, of_way in self._by_way(ids):
                way.call(of_way, c.enqueue(of_way, [message(one) for one in of_way]))
        elif kind < 0.75:
            # The log's clock may be an hour off ours: some of these are for long ago, some for later.
            now_s = (self.world.offset_ms + self.world.now_ms) // 1000
            for way, of_way in self._by_way(ids):
                at = [now_s + rng.randint(-2, 8) for _ in of_way]
                way.call(of_way, c.enqueue_more(of_way, [message(one) for one in of_way], process_at=at))
        elif kind < 0.85:
            keys = {task_id: f"key{rng.randint(1, 3)}" for task_id in ids}
            for way, of_way in self._by_way(ids, keys):
                ttls: list[int | None] = [rng.randint(1, 20) for _ in of_way]
                messages = [message(one) for one in of_way]
                locks = [keys[one] for one in of_way]
                way.call([], c.enqueue_more(of_way, messages, unique_keys=locks, unique_ttls=ttls))
        else:
            self._act([self._id(rng.randint(1, self._made_count)) for _ in range(2)], kind)

    def _act(self, known: list[str], kind: float) -> None:
        """Do something about tasks that were made before, or about the queue."""
        rng = self.world.rng
        if kind < 0.9:
            for way, ids in self._by_way(known):
                way.call([], c.enqueue(ids, [message(task_id) for task_id in ids]))
            return
        if rng.random() < 0.1:
            rng.choice(self._ways).introduce()
        if rng.random() < SWEPT:
            sweep = any_sweep(rng)
            for way in self._ways:
                way.call([], sweep, is_alone=True)
            return
        builder = rng.choice([c.run, c.archive, c.delete])
        of_all = rng.choice([c.pause(), c.unpause(), c.unpause(), None])
        if of_all is not None:
            for way in self._ways:
                way.call([], of_all)
            return
        for way, ids in self._by_way(known):
            way.call([], builder(ids))

    def _by_way(self, ids: list[str], keys: dict[str, str] | None = None) -> list[tuple[Way, list[str]]]:
        """Return where tasks go, as in the product."""
        found: dict[int, list[str]] = {}
        for task_id in ids:
            number = self._queue.of(task_id if keys is None else keys[task_id]).number
            found.setdefault(number, []).append(task_id)
        return [(self._ways[number], of_way) for number, of_way in found.items()]
