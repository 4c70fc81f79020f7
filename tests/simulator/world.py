"""In which world do simulated processes live?

Contract: one thread, virtual time, every chance from one seed. The log orders what reaches it and tells nobody what happened to the rest.
It may lose its end, or be made anew; who works with it is told by nothing but what stands there.
Not obvious: `now_ms` is true time; the log's timestamps come from a clock that is wrong and steps.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from random import Random

from asynq_compat.errors import BrokerUnavailableError
from tests.simulator.log import Log
from tests.simulator.observer import Observer

START_MS = 1_700_000_000_000
CLOCK_FORWARD, CLOCK_BACK = "clock forward", "clock back"
LOG_BACK, LOG_ANEW = "log lost its end", "log made anew"
# What has to happen to an entry or a log in some history.
FAULTS = (
    *("request lost", "append late", "frame twice", "answer lost"),
    *(CLOCK_FORWARD, CLOCK_BACK, LOG_BACK, LOG_ANEW),
)

Answer = Callable[[int | BrokerUnavailableError], None]


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


@dataclass
class World:
    """Time, chance, the log, that of its checkpoints, and what watches them.

    Attributes:
        epoch: How often the log was not what it had been.
        kills, hangs: At which points somebody died, or was stopped, and how often.
        met: How often each fault was met.
    """

    seed: int
    now_ms: int = 0
    faults: Faults = field(default_factory=Faults)
    log: Log = field(default_factory=Log)
    state: Log = field(default_factory=Log)
    offset_ms: int = START_MS
    epoch: int = 0
    checkpoint_count: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    hangs: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.observer = Observer(self.rng)
        self.on_another_log: list[Callable[[], None]] = []
        self._seen_ms: list[int] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._event_count = 0

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self._event_count += 1
        heapq.heappush(self._events, (self.now_ms + delay_ms, self._event_count, action))

    def run_until(self, end_ms: int) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= end_ms:
            self.now_ms, _, action = heapq.heappop(self._events)
            action()
        self.now_ms = end_ms

    def chance(self, probability: float) -> bool:
        """Decide by the seed."""
        return self.rng.random() < probability

    def tell(self, line: str) -> None:
        """Remember a line for whoever reads a failed history."""
        self.story.append(f"{self.now_ms:>8} {line}")

    def append(self, data: bytes, answer: Answer) -> None:
        """Send an entry to the log; `answer` gets its position, or why it was not stored, or is never called."""
        if self.chance(self.faults.lost_request):
            self.met["request lost"] += 1
            if self.chance(0.3):
                self.after(self.rng.randint(1, 300), lambda: answer(BrokerUnavailableError("nobody is there")))
            return
        delay_ms = self.rng.randint(1, 20)
        if self.chance(self.faults.slow):
            self.met["append late"] += 1
            delay_ms = self.rng.randint(100, 12_000)
        self.after(delay_ms, lambda: self._store(data, answer))
        if self.chance(self.faults.stored_twice):
            self.met["frame twice"] += 1
            self.after(delay_ms + self.rng.randint(0, 3_000), lambda: self._store(data, lambda _: None))

    def _store(self, data: bytes, answer: Answer) -> None:
        if self.chance(self.faults.clock_step):
            step_ms = self.rng.choice([-700_000, -5_000, -500, 3_000, 45_000, 3_600_000])
            self.met[CLOCK_FORWARD if step_ms > 0 else CLOCK_BACK] += 1
            self.offset_ms += step_ms
            self.observer.clock_steps.append(self.now_ms)
            self.tell(f"the log's clock steps by {step_ms} ms")
        position = self.log.add(self.offset_ms + self.now_ms, data, self.rng)
        self._seen_ms.append(self.now_ms)
        self.observer.see(self.now_ms, self.log.entries[-1])
        if self.chance(self.faults.go_back):
            self._go_back(self.rng.randint(1, 6), LOG_BACK)
        elif self.chance(self.faults.made_anew):
            if self.chance(0.5):
                self.state = Log()
            self._go_back(len(self.log.entries), LOG_ANEW)
        elif self.chance(self.faults.lost_answer):
            self.met["answer lost"] += 1
        else:
            self.after(self.rng.randint(1, 20), lambda: answer(position))

    def _go_back(self, count: int, what: str) -> None:
        """Let the log be another one; what the observer knew of what is gone is void."""
        count = min(count, len(self.log.entries))
        kept = len(self.log.entries) - count
        if kept and self.log.positions[kept - 1] < self.log.first:
            return  # Of what was cut nothing can be lost.
        self.log.go_back(count)
        del self._seen_ms[kept:]
        self.epoch += 1
        self.met[what] += 1
        self.tell(f"{what}: it ends at {self.log.end}")
        self.observer = self.observer.of_what_is_left(list(zip(self._seen_ms, self.log.entries, strict=True)))
        for tell in self.on_another_log:
            tell()
