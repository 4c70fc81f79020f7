"""In which world do simulated processes live?

Contract: one thread, virtual time, every chance from one seed. A log orders what reaches it and tells nobody what happened to the rest.
It may lose its end, or be made anew; who works with it is told by nothing but what stands there.
Not obvious: `now_ms` is true time; the logs' timestamps come from a clock that is wrong and steps. What waits (`wait`) lets the others go on
meanwhile: while one of them waits, too, the first one goes on when the second does.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from random import Random
from typing import Protocol

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL, queue_journal_name, state_journal_name
from tests.simulator.control_observer import ControlObserver
from tests.simulator.log import Log
from tests.simulator.observer import Observer
from tests.simulator.place import Place

QUEUE = "q"
# There are few control journals.
OFTEN_IN_CONTROL = 5
START_MS = 1_700_000_000_000
CLOCK_FORWARD, CLOCK_BACK = "clock forward", "clock back"
LOG_BACK, LOG_ANEW = "log lost its end", "log made anew"
CONTROL_BACK, CONTROL_ANEW = "control lost its end", "control made anew"
# What has to happen to an entry or a log in some history.
FAULTS = (
    *("request lost", "append late", "frame twice", "answer lost"),
    *(CLOCK_FORWARD, CLOCK_BACK, LOG_BACK, LOG_ANEW, CONTROL_BACK, CONTROL_ANEW),
)

Answer = Callable[[int | BrokerUnavailableError], None]
AnyPlace = Place[Observer] | Place[ControlObserver]


@dataclass(slots=True)
class Faults:
    """How likely each fault is; all zero heals the world."""

    lost_request: float = 0.04
    lost_answer: float = 0.06
    stored_twice: float = 0.05
    slow: float = 0.1
    clock_step: float = 0.01
    crash: float = 0.004
    stop: float = 0.006
    leave: float = 0.01
    at_point: float = 0.06
    go_back: float = 0.0015
    made_anew: float = 0.0005
    short_read: float = 0.15


HEALED = Faults(*[0.0] * len(fields(Faults)))


class Waiter(Protocol):
    """A process of which one thread waits."""

    def begins(self) -> None:
        """Hear that it waits from now on."""

    def goes_on(self) -> bool:
        """Return whether it runs: it is not stopped.

        Raises:
            KilledError: It has died.
        """


class KilledError(BaseException):
    """The process is dead."""


@dataclass
class World:
    """Time, chance, the journals and what watches them.

    Attributes:
        kills, hangs: At which points somebody died, or was stopped, and how often.
        met: How often each fault was met.
    """

    seed: int
    now_ms: int = 0
    faults: Faults = field(default_factory=Faults)
    offset_ms: int = START_MS
    checkpoint_count: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    hangs: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.partitions: list[Place[Observer]] = []
        self.control = Place(CONTROL, ControlObserver(self.rng))
        # What says which journal this is may be lost, and come late.
        self.loses_genesis = False
        self._clock_steps: list[int] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._event_count = 0
        self._waiter: Waiter | None = None

    def begin(self, partition_count: int) -> None:
        """Make the journals."""
        self.partitions = [
            Place(queue_journal_name(QUEUE, number), Observer(self.rng, clock_steps=self._clock_steps))
            for number in range(partition_count)
        ]
        places: list[AnyPlace] = [*self.partitions, self.control]
        self.places = {place.name: place for place in places}
        self.states = {state_journal_name(place.name): place for place in places}

    def partition(self, name: str) -> Observer:
        """Return who sees a partition."""
        return next(place.observer for place in self.partitions if place.name == name)

    @property
    def is_divided(self) -> bool:
        """Whether the queue has several partitions."""
        return len(self.partitions) > 1

    # --- time -----------------------------------------------------------------------------------------------------------------------

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self._event_count += 1
        heapq.heappush(self._events, (self.now_ms + delay_ms, self._event_count, action))

    def run_until(self, end_ms: int) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= end_ms:
            self._next()
        self.now_ms = max(self.now_ms, end_ms)

    def _next(self) -> None:
        self.now_ms, _, action = heapq.heappop(self._events)
        waiter, self._waiter = self._waiter, None
        action()
        self._waiter = waiter

    @contextmanager
    def waiting(self, waiter: Waiter) -> Iterator[None]:
        """Let a process wait inside of the block; what is not in one goes on at once, as if its time were over."""
        self._waiter = waiter
        try:
            yield
        finally:
            self._waiter = None

    def wait(self, is_over: Callable[[], bool], timeout_ms: int) -> None:
        """Let the others go on until something is so, or the time is over, and the process that waits runs.

        Raises:
            KilledError: It has died meanwhile.
        """
        waiter = self._waiter
        if not timeout_ms or waiter is None:
            return
        until_ms = self.now_ms + timeout_ms
        waiter.begins()
        self.after(timeout_ms, lambda: None)
        while not waiter.goes_on() or (self.now_ms < until_ms and not is_over()):
            self._next()

    # --- chance ---------------------------------------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        """Decide by the seed."""
        return self.rng.random() < probability

    def tell(self, line: str) -> None:
        """Remember a line for whoever reads a failed history."""
        self.story.append(f"{self.now_ms:>8} {line}")

    # --- the logs -------------------------------------------------------------------------------------------------------------------

    def append(self, place: AnyPlace, data: bytes, answer: Answer) -> None:
        """Send an entry to a log; `answer` gets its position, or why it was not stored, or is never called."""
        if self.chance(self.faults.lost_request):
            self.met["request lost"] += 1
            if self.chance(0.3):
                self.after(self.rng.randint(1, 300), lambda: answer(BrokerUnavailableError("nobody is there")))
            return
        delay_ms = self.rng.randint(1, 20)
        if self.chance(self.faults.slow):
            self.met["append late"] += 1
            delay_ms = self.rng.randint(100, 12_000)
        self.after(delay_ms, lambda: self._store(place, data, answer))
        if self.chance(self.faults.stored_twice):
            self.met["frame twice"] += 1
            self.after(delay_ms + self.rng.randint(0, 3_000), lambda: self._store(place, data, lambda _: None))

    def _store(self, place: AnyPlace, data: bytes, answer: Answer) -> None:
        if self.chance(self.faults.clock_step):
            step_ms = self.rng.choice([-700_000, -5_000, -500, 3_000, 45_000, 3_600_000])
            self.met[CLOCK_FORWARD if step_ms > 0 else CLOCK_BACK] += 1
            self.offset_ms += step_ms
            self._clock_steps.append(self.now_ms)
            self.tell(f"the logs' clock steps by {step_ms} ms")
        position = place.log.add(self.offset_ms + self.now_ms, data, self.rng)
        place.saw(self.now_ms)
        is_control = place is self.control
        often = OFTEN_IN_CONTROL if is_control else 1
        if self.chance(often * self.faults.go_back):
            self._go_back(place, self.rng.randint(1, 6), CONTROL_BACK if is_control else LOG_BACK)
        elif self.chance(often * self.faults.made_anew):
            if self.chance(0.5):
                place.state = Log()
            self._go_back(place, len(place.log.entries), CONTROL_ANEW if is_control else LOG_ANEW)
        elif self.chance(self.faults.lost_answer):
            self.met["answer lost"] += 1
        else:
            self.after(self.rng.randint(1, 20), lambda: answer(position))

    def _go_back(self, place: AnyPlace, count: int, what: str) -> None:
        """Let a log be another one."""
        if place.go_back(count):
            self.met[what] += 1
            self.tell(f"{what}: {place.name} ends at {place.log.end}")
