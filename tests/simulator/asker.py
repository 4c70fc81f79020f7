"""What does a client do that folds nothing and wants to know what became of its tasks?

Contract: its frames ask for a reply. It reads the log behind the position that its append was answered with, for so long; then it folds,
from the beginning or from a state that already has its frame. What it is told must be the truth, however it comes to it.
Not obvious: an append whose answer does not come is sent again, and only the position that was answered is known: the reply to the first
may stand before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.reply import read_reply
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import Frame, decode_frame, encode_frame
from tests.simulator.client import message
from tests.simulator.keeper import load
from tests.simulator.observer import promise
from tests.simulator.world import World

RESEND_AFTER_MS = 1_500
TRIES_MAX = 12
# Longer than in the product, since simulated servers look at the log only every second or less.
FOLD_AFTER_MS = 5_000
LOOK_EVERY_MS = 100


@dataclass
class Asker:
    """One process; a crash makes it another writer.

    Attributes:
        acknowledged: Ids of tasks that it was told are stored.
        must_be_replied: Fold no more: a server lives and has nothing to stop it.
        loses_answers: Take no notice of a first answer.
    """

    world: World
    name: str
    is_active: bool = True
    must_be_replied: bool = False
    loses_answers: bool = False
    acknowledged: set[str] = field(default_factory=set)
    replied_count: int = 0
    folded_count: int = 0
    _life: int = 0
    _sequence: int = 0
    _made_count: int = 0
    _ids: list[str] = field(default_factory=list)
    _frame: bytes = b""
    _position: int | None = None
    _sent_count: int = 0
    _sent_ms: int = 0
    _answered_ms: int = 0

    def __post_init__(self) -> None:
        self.world.on_another_log.append(self._lose)

    def _lose(self) -> None:
        """What was acknowledged went with the log; a process that meets another log is another writer."""
        self._begin_anew()
        self.acknowledged &= self.world.observer.books.keys()

    @property
    def is_waiting(self) -> bool:
        """Whether it was told nothing yet of its last frame."""
        return bool(self._frame)

    def loop(self) -> None:
        """Ask, look, or send again; come back."""
        if self.world.chance(self.world.faults.crash):
            self._begin_anew()
        if self._frame:
            self._go_on()
        elif self.is_active:
            self.ask()
        self.world.after(LOOK_EVERY_MS if self._frame else self.world.rng.randint(200, 4_000), self.loop)

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
        self._sequence += 1
        self._frame = encode_frame(self._writer_id(), self._sequence, [enqueue, c.ask()])
        self._position, self._sent_count = None, 0
        self._send()

    def _id(self) -> str:
        # One in five was chosen before.
        if not self._made_count or self.world.rng.random() < 0.8:
            self._made_count += 1
        number = self._made_count if self.world.rng.random() < 0.9 else self.world.rng.randint(1, self._made_count)
        return f"{self.name}-{number}".ljust(36, "-")

    def _writer_id(self) -> bytes:
        return f"{self.name}{self._life}".encode().ljust(16, b".")

    def _begin_anew(self) -> None:
        self._life += 1
        self._sequence, self._frame = 0, b""

    def _send(self) -> None:
        life, sequence = self._life, self._sequence
        self._sent_count += 1
        self._sent_ms = self.world.now_ms
        is_lost = self.loses_answers and self._sent_count == 1
        self.world.append(self._frame, lambda position: None if is_lost else self._answered(life, sequence, position))

    def _answered(self, life: int, sequence: int, position: int) -> None:
        if (life, sequence) == (self._life, self._sequence) and self._frame and self._position is None:
            self._position, self._answered_ms = position, self.world.now_ms

    def _go_on(self) -> None:
        now_ms = self.world.now_ms
        if self._position is None:
            if now_ms - self._sent_ms > RESEND_AFTER_MS:
                if self._sent_count > TRIES_MAX:
                    self._begin_anew()
                else:
                    self._send()
            return
        outcomes = self._replied(self._position)
        if outcomes is not None:
            self.replied_count += 1
            self._hear(outcomes)
        elif now_ms - self._answered_ms > FOLD_AFTER_MS:
            promise(not self.must_be_replied, f"nobody replied to frame {self._sequence} of {self.name}")
            self.folded_count += 1
            self._hear(self._folded())

    def _replied(self, position: int) -> list[Outcome] | None:
        for entry in self.world.log.behind(position):
            frame = decode_frame(entry[3]) if self._writer_id() in entry[3] else ""
            for command in frame.commands if isinstance(frame, Frame) else []:
                reply = read_reply(command) if command[0] == c.REPLY else None
                if reply is not None and (reply.writer_id, reply.sequence) == (self._writer_id(), self._sequence):
                    return reply.outcomes
        return None

    def _folded(self) -> list[Outcome] | None:
        if self.world.rng.random() < 0.5:
            machine = restore("q", snapshot_sections(self.world.observer.machine, 2_000))
        else:
            machine, _ = load(self.world)
            for entry in self.world.log.behind(machine.position):
                machine.apply(*entry)
        return machine.answer(self._writer_id(), self._sequence)

    def _hear(self, outcomes: list[Outcome] | None) -> None:
        """Compare what it was told with what happened."""
        truth = self.world.observer.answers.get((self._writer_id(), self._sequence))
        promise(outcomes is not None, f"{self.name} cannot know what became of frame {self._sequence}")
        promise(outcomes == truth, f"{self.name} was told {outcomes}, it is {truth}")
        assert outcomes is not None
        codes = outcomes[0] if isinstance(outcomes[0], list) else [0] * len(self._ids)
        self.acknowledged.update(task_id for task_id, code in zip(self._ids, codes, strict=True) if code == c.OK)
        self._frame = b""
