"""How does the package's own code run inside a simulated world?

Contract: for the time of a `with` block no thread starts, `time.monotonic` tells the world's time, `os.urandom` draws from the world's seed and
what is logged as an error becomes a line of the story. What a thread would do is called by whoever stands in for it, one round after the other; nothing may wait.
Not obvious: these are the only ways in which journal code reaches clock, chance and threads; everything else it is given.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from asynq_compat.brokers.journal.following.progress import Progress
from tests.simulator.world import World

# Monotonic clocks begin somewhere.
_MONOTONIC_S = 1_000.0


class WorldClock:
    """The clock of a process: true time, as no clock of a process decides anything but how long it waits."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now_ns(self) -> int:
        """Return the wall clock."""
        return (self._world.offset_ms + self._world.now_ms) * 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds that go on while the process is stopped."""
        return _MONOTONIC_S + self._world.now_ms / 1000


class _Teller(logging.Handler):
    """Tells errors to a world's story."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line, and where it broke."""
        self._world.tell(self.format(record))


@contextmanager
def inside(world: World) -> Iterator[None]:
    """Let the package run in this world."""
    clock = WorldClock(world)
    log = logging.getLogger("asynq_compat.journal")
    before = log.handlers, log.propagate, log.level
    with ExitStack() as patches:
        patches.enter_context(patch.object(threading.Thread, "start", lambda _: None))
        patches.enter_context(patch.object(Progress, "pause", lambda *_: None))
        patches.enter_context(patch.object(threading.Thread, "join", lambda *_: None))
        patches.enter_context(patch("time.monotonic", clock.monotonic_s))
        patches.enter_context(patch("os.urandom", world.rng.randbytes))
        log.handlers, log.propagate = [_Teller(world)], False
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.handlers, log.propagate = before[:2]
            log.setLevel(before[2])
