"""What does a process see of the simulated logs?

Contract: the ports of journals over a world's logs. What is asked is answered at once; requests and answers may be lost. A journal that was
cut says so to who reads below the cut. A log that is not what it was breaks every connection to it once.
Not obvious: a process may die inside of any call (`at` raises then).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import (
    READ_BYTES_MAX,
    READ_COUNT_MAX,
    Batch,
    Entry,
    Journal,
    JournalStore,
    NotInJournalError,
)
from tests.simulator.log import Log
from tests.simulator.world import World

SELDOM_IN_STATE = 0.15
IN_JOURNAL_READ, IN_STATE_READ, IN_STATE_APPEND = "in read", "in read of state", "in append of state"
IN_JOURNAL_CUT, IN_STATE_CUT = "in cut", "in cut of state"


def _goes_on(_point: str) -> None:
    """Nobody dies."""


@dataclass
class SimulatedJournal:
    """One of a world's logs, as one process sees it."""

    world: World
    name: str
    at: Callable[[str], None] = _goes_on
    _epochs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._is_state = self.name in self.world.states
        self._place = self.world.states[self.name] if self._is_state else self.world.places[self.name]
        self._epoch = self._place.epoch

    @property
    def log(self) -> Log:
        """The log as it is now."""
        return self._place.state if self._is_state else self._place.log

    def _connect(self, call: str) -> None:
        """Break the connection that is used for such calls, if the log is another one since its last use."""
        before = self._epochs.get(call, self._epoch)
        self._epochs[call] = self._place.epoch
        if before != self._place.epoch:
            raise BrokerUnavailableError("the connection broke", may_have_happened=True)

    def append(self, frame: bytes) -> int:
        """Store an entry, or not, or twice, and answer or not."""
        self._connect("append")
        world, faults = self.world, self.world.faults
        # A checkpoint has many chunks, and ends with the first that is lost.
        seldom = SELDOM_IN_STATE if self._is_state else 1.0
        if world.chance(seldom * faults.lost_request):
            raise BrokerUnavailableError("lost on its way", may_have_happened=True)
        position = self.log.add(world.offset_ms + world.now_ms, frame, world.rng)
        if world.chance(faults.stored_twice):
            self.log.add(world.offset_ms + world.now_ms, frame, world.rng)
        if world.chance(seldom * faults.lost_answer):
            raise BrokerUnavailableError("the answer was lost", may_have_happened=True)
        self.at(IN_STATE_APPEND)
        return position

    def read(
        self, after: int, *, wait_s: float = 0.0, max_count: int = READ_COUNT_MAX, max_bytes: int = READ_BYTES_MAX
    ) -> Batch:
        """Return what stands behind a position, or a part of it."""
        del wait_s
        self._connect("read")
        log = self.log
        if after + 1 < log.first or after > log.end:
            raise NotInJournalError(self.name, after)
        if self.world.chance(self.world.faults.short_read):
            max_count = min(max_count, self.world.rng.randint(1, 4))
        found: list[Entry] = []
        size_bytes = 0
        for entry in log.behind(after)[:max_count]:
            found.append(Entry(*entry))
            size_bytes += len(entry[3])
            if size_bytes >= max_bytes:
                break
        self.at(IN_STATE_READ if self._is_state else IN_JOURNAL_READ)
        return Batch(found, found[-1].position if found else after)

    def first(self) -> int:
        """Return from where on nothing was cut."""
        self._connect("first")
        return self.log.first

    def end(self) -> int:
        """Return the last position."""
        self._connect("end")
        return self.log.end

    def truncate(self, before: int) -> None:
        """Cut, whole or only a part of it."""
        self._connect("truncate")
        if self.world.chance(self.world.faults.lost_request):
            before = self.world.rng.randint(min(self.log.first, before), before)
            self.log.cut(before)
            raise BrokerUnavailableError("cut in part", may_have_happened=True)
        self.log.cut(before)
        self.at(IN_STATE_CUT if self._is_state else IN_JOURNAL_CUT)

    def interrupt(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class SimulatedStore:
    """The place where a world's logs stand, as one process sees it."""

    world: World
    at: Callable[[str], None] = _goes_on

    @property
    def address(self) -> str:
        """Where it is."""
        return "a simulated world"

    def prepare(self, bases: Sequence[str], wanted: int) -> None:
        """Do nothing: each is made in no time when it is asked for."""

    def partition_count(self, base: str, wanted: int) -> int:
        """Return how many there are."""
        return len(self.world.partitions)

    def open(self, name: str) -> Journal:
        """Open one of them."""
        return SimulatedJournal(self.world, name, self.at)

    def names(self) -> Sequence[str]:
        """Return all."""
        return [*self.world.places, *self.world.states]

    def opens_elsewhere(self) -> Callable[[], JournalStore] | None:
        """There is nothing but this world."""
        return None

    def ping(self) -> None:
        """Answers."""

    def close(self) -> None:
        """Nothing is open."""
