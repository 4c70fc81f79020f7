"""What does the code of checkpoints see of a simulated log?

Contract: the journal port over a world's two logs. What is asked is answered at once; requests and answers may be lost. A journal that was
cut says so to who reads below the cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import READ_BYTES_MAX, READ_COUNT_MAX, Batch, Entry, NotInJournalError
from tests.simulator.log import Log
from tests.simulator.world import World


@dataclass
class SimulatedJournal:
    """One of a world's logs, as one process sees it."""

    world: World
    name: str
    find: Callable[[], Log]

    @property
    def log(self) -> Log:
        """The log as it is now."""
        return self.find()

    def append(self, frame: bytes) -> int:
        """Store an entry, or not, or twice, and answer or not."""
        world, faults = self.world, self.world.faults
        if world.chance(faults.lost_request):
            raise BrokerUnavailableError("lost on its way", may_have_happened=True)
        position = self.log.add(world.offset_ms + world.now_ms, frame, world.rng)
        if world.chance(faults.stored_twice):
            self.log.add(world.offset_ms + world.now_ms, frame, world.rng)
        if world.chance(faults.lost_answer):
            raise BrokerUnavailableError("the answer was lost", may_have_happened=True)
        return position

    def read(
        self, after: int, *, wait_s: float = 0.0, max_count: int = READ_COUNT_MAX, max_bytes: int = READ_BYTES_MAX
    ) -> Batch:
        """Return what stands behind a position."""
        del wait_s
        if after + 1 < self.log.first:
            raise NotInJournalError(self.name, after)
        found: list[Entry] = []
        size_bytes = 0
        for entry in self.log.behind(after)[:max_count]:
            found.append(Entry(*entry))
            size_bytes += len(entry[3])
            if size_bytes >= max_bytes:
                break
        return Batch(found, found[-1].position if found else after)

    def first(self) -> int:
        """Return from where on nothing was cut."""
        return self.log.first

    def end(self) -> int:
        """Return the last position."""
        return self.log.end

    def truncate(self, before: int) -> None:
        """Cut, whole or only a part of it."""
        if self.world.chance(self.world.faults.lost_request):
            before = self.world.rng.randint(min(self.log.first, before), before)
            self.log.cut(before)
            raise BrokerUnavailableError("cut in part", may_have_happened=True)
        self.log.cut(before)

    def interrupt(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""
