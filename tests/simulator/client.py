"""What does a thin client do, and an operator?

Contract: it folds nothing. A frame whose answer does not come is sent again, the same bytes, until it gives up: then the task may be
queued, and the client goes on as a new writer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.simulator.world import World

RESEND_AFTER_MS = 1_500
TRIES_MAX = 12
# How often a foreign producer writes a record beside our frames.
BARE_RECORDS = 0.1


def message(task_id: str) -> bytes:
    """One task, encoded."""
    return encode_message(TaskMessage(type="t", id=task_id, queue="q", retry=3, timeout=60))


@dataclass
class Client:
    """A producer that now and then acts as an operator too.

    Attributes:
        acknowledged: Ids of tasks that it was told are stored.
    """

    world: World
    name: str
    is_active: bool = True
    acknowledged: set[str] = field(default_factory=set)
    _made_count: int = 0
    _sequence: int = 0
    _generation: int = 0
    _in_flight: int = 0

    def __post_init__(self) -> None:
        self.world.on_another_log.append(self._lose)

    def _lose(self) -> None:
        """What was acknowledged went with the log; a process that meets another log is another writer."""
        self._begin_anew()
        self.acknowledged &= self.world.observer.books.keys()

    def _begin_anew(self) -> None:
        self._generation += 1
        self._sequence = self._in_flight = 0

    def loop(self) -> None:
        """Send something, if nothing is on its way; come back."""
        if self.is_active and not self._in_flight:
            ids, command = self._next_command()
            self._sequence += 1
            self._in_flight = self._sequence
            data = encode_frame(self._writer_id(), self._sequence, [command])
            self._send(self._generation, data, ids, 1)
        if self.is_active and self.world.chance(BARE_RECORDS):
            self._made_count += 1
            task_id = self._id(self._made_count)
            epoch = self.world.epoch
            self.world.append(message(task_id), lambda _: self._heard(epoch, task_id))
        self.world.after(self.world.rng.randint(200, 2_500), self.loop)

    def _heard(self, epoch: int, task_id: str) -> None:
        if epoch == self.world.epoch:
            self.acknowledged.add(task_id)

    def _writer_id(self) -> bytes:
        return f"{self.name}{self._generation}".encode().ljust(16, b".")

    def _send(self, generation: int, data: bytes, ids: list[str], tries: int) -> None:
        if generation != self._generation or not self._in_flight:
            return
        if tries > TRIES_MAX:
            self._begin_anew()
            return
        sequence = self._in_flight
        self.world.append(data, lambda _: self._answered(generation, sequence, ids))
        self.world.after(RESEND_AFTER_MS, lambda: self._again(generation, sequence, data, ids, tries))

    def _again(self, generation: int, sequence: int, data: bytes, ids: list[str], tries: int) -> None:
        if generation == self._generation and self._in_flight == sequence:
            self._send(generation, data, ids, tries + 1)

    def _answered(self, generation: int, sequence: int, ids: list[str]) -> None:
        if generation == self._generation and self._in_flight == sequence:
            self._in_flight = 0
            self.acknowledged.update(ids)

    def _id(self, number: int) -> str:
        # As long as a UUID: what decodes messages has a quick way for those.
        return f"{self.name}-{number}".ljust(36, "-")

    def _next_command(self) -> tuple[list[str], c.Command]:
        """Return the ids that are certain to be stored once the frame is, and the command."""
        rng = self.world.rng
        ids = []
        for _ in range(rng.randint(1, 5)):
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
