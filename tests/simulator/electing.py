"""What does a server do about periodic tasks and semaphores?

Contract: the package's own scheduling and limiting ports over the control journal, in a thread that waits; servers compete for the same firings
and tokens. Only the task of a firing is sent by hand (`fire_frame`), each time as another task, so that two would be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asynq_compat.brokers.journal.limiting import JournalLimiting
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.scheduling import JournalScheduling
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.ports.scheduling import Firing
from asynq_compat.wire import admin_command as admin
from asynq_compat.wire import command as c
from asynq_compat.wire import scheduling_command as scheduling
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.simulator.journals import SimulatedStore
from tests.simulator.promises import promise
from tests.simulator.world import HEALED, QUEUE, World

if TYPE_CHECKING:
    from tests.simulator.server import Server

# A firing every so many seconds, so that all claim the same ones, before a term is over and behind it.
_EVERY_S = 20
_TOKEN_COUNT = 2
_SENDS_MAX = 3
_ANSWER_WITHIN_MS = 1_500
_FIRING = "firing"
CLAIMED, STORED = "firing claimed", "firing stored"
# A queue that comes and goes.
_OTHER_QUEUE = "other"


def fire_frame(world: World) -> Callable[[Partitions, EnqueueRequest, bytes], EnqueueOutcome]:
    """Return what sends the task of a firing, under its name."""

    def fire(partitions: Partitions, request: EnqueueRequest, writer_id: bytes) -> EnqueueOutcome:
        assert isinstance(partitions.store, SimulatedStore)
        partitions.store.at(CLAIMED)
        frame = encode_frame(writer_id, 1, [c.enqueue([request.task_id], [request.message])])
        for _attempt in range(_SENDS_MAX):
            answers: list[int | BrokerUnavailableError] = []
            world.append(world.partitions[0], frame, answers.append)
            world.wait(lambda answers=answers: bool(answers), _ANSWER_WITHIN_MS)  # type: ignore[misc]
            if answers and isinstance(answers[0], int):
                partitions.store.at(STORED)
                return EnqueueStatus.ENQUEUED
        raise BrokerUnavailableError("no answer", may_have_happened=True)

    return fire


def check_firings(world: World) -> int:
    """Check that no firing was made twice, and none that was said to be made is missing; return how many were made."""
    place = world.partitions[0]
    made = ["|".join(task_id.split("|")[:3]) for task_id in place.observer.books if task_id.startswith(_FIRING)]
    twice = sorted({one for one in made if made.count(one) > 1})
    promise(not twice, f"made twice: {twice}")
    said = {f"{_FIRING}|{key[0]}|{key[1]}" for key, one in world.control.observer.books.claims.items() if one.is_made}
    promise(place.epoch or said <= set(made), f"said to be made, and never stored: {sorted(said - set(made))}")
    return len(made)


class Electing:
    """What one server does about both."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._scheduling = JournalScheduling(server.partitions)
        self._limiting = JournalLimiting(server.partitions)
        self._count = 0
        self._held: list[str] = []

    def run(self) -> None:
        """Do one thing."""
        world = self._server.world
        if world.faults is not HEALED:
            world.rng.choice([self._fire, self._fire, self._take, self._take, self._give_back, self._tell])()

    def _now_s(self) -> int:
        return (self._server.world.offset_ms + self._server.world.now_ms) // 1000

    def _name(self) -> str:
        self._count += 1
        return f"{self._server.server_id}|{self._count}"

    def _fire(self) -> None:
        entry = f"entry{self._server.world.rng.randint(1, 2)}"
        firing = Firing(entry, self._now_s() // _EVERY_S * _EVERY_S, self._server.server_id)
        task_id = f"{_FIRING}|{entry}|{firing.instant_s}|{self._name()}"
        message = encode_message(TaskMessage(type="t", id=task_id, queue=QUEUE, retry=3, timeout=60))
        self._scheduling.fire(EnqueueRequest(task_id=task_id, queue=QUEUE, message=message), firing)

    def _take(self) -> None:
        world, control = self._server.world, self._server.world.control
        is_again = bool(self._held) and world.chance(0.2)
        task_id = world.rng.choice(self._held) if is_again else self._name()
        epoch, deadline_s = control.epoch, self._now_s() + world.rng.randint(2, 30)
        is_given = self._limiting.acquire("scope", _TOKEN_COUNT, task_id, deadline_s)
        if is_given and not is_again:
            self._held.append(task_id)
        if epoch == control.epoch and not is_again:
            books, held = control.observer.books, ("scope", task_id)
            # A token may be over, by a step of the clock, before who asked for it has looked.
            is_true = held in books.given if is_given else held in books.refused or held not in books.tokens
            promise(is_true, f"{task_id} was told that it has a token: {is_given}")

    def _give_back(self) -> None:
        if self._held:
            self._limiting.release("scope", self._held.pop(0))

    def _tell(self) -> None:
        rng, name = self._server.world.rng, self._server.server_id
        instant_s = self._now_s() // _EVERY_S * _EVERY_S
        told = [
            # Whoever lags behind claims what he does not know to be made.
            scheduling.claim(f"entry{rng.randint(1, 2)}", instant_s, name, 5_000),
            scheduling.claim(f"entry{rng.randint(1, 2)}", instant_s - _EVERY_S, name, 5_000),
            scheduling.scheduler(name, [b"entry"], rng.randint(2, 30)),
            scheduling.scheduler_gone(name),
            scheduling.enqueued("entry1", self._name().encode()),
            scheduling.enqueued("entry2", self._name().encode()),
            scheduling.history_gone("entry1"),
            c.queue(_OTHER_QUEUE, 1),
            c.counts(_OTHER_QUEUE, 0, 1, 1, [0] * len(c.COUNTED), is_paused=False, oldest_pending_since_ms=None),
            admin.queue_gone(_OTHER_QUEUE),
        ]
        self._scheduling._say(rng.choice(told))
