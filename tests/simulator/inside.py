"""How does the package's own code run inside a simulated world?

Contract: for the time of a `with` block no thread starts, `time.monotonic` tells the world's time, `os.urandom` draws from the world's seed and
what is logged as an error becomes a line of the story. What a thread would do is called by whoever stands in for it, one round after the other. What waits for
a journal lets the world go on meanwhile (`World.wait`).
Not obvious: these are the only ways in which journal code reaches clock, chance and threads; everything else it is given. Another thread of
this process, which some earlier test has left running, goes on in the real world.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar
from unittest.mock import patch

from asynq_compat.brokers.journal import scheduling
from asynq_compat.brokers.journal.following import spill
from asynq_compat.brokers.journal.following.progress import Progress
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.errors import AsynqError, CorruptDataError
from asynq_compat.machine.containers import indexes
from tests.simulator.electing import fire_frame
from tests.simulator.world import World

_T = TypeVar("_T")

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


_really_wait_for, _really_close = Progress.wait_for, Writer.close


def _wait_for(world: World) -> Callable[[Progress, int, float], None]:
    def wait_for(self: Progress, position: int, timeout_s: float) -> None:
        world.wait(
            lambda: self.upto >= position or isinstance(self.failure, CorruptDataError), round(1_000 * timeout_s)
        )
        _really_wait_for(self, position, 0.0)

    return wait_for


def _commit(world: World) -> Callable[..., None]:
    def commit(self: Writer, ticket: Ticket, *, timeout_s: float) -> None:
        self.enqueue(ticket, timeout_s=0.0)
        world.wait(lambda: ticket.is_settled, round(1_000 * timeout_s))
        self.wait(ticket, timeout_s=0.0, sends=False)

    return commit


def _close(world: World) -> Callable[..., None]:
    def close(self: Writer, *, timeout_s: float = 5.0, why: AsynqError | None = None) -> None:
        world.wait(lambda: not (self._outbox or self._in_doubt or self._is_sending), round(1_000 * timeout_s))
        _really_close(self, timeout_s=0.0, why=why)

    return close


def _here(simulated: Callable[..., _T], real: Callable[..., _T]) -> Callable[..., _T]:
    """Return what is simulated for this thread alone."""
    thread = threading.get_ident()

    def either(*args: object, **options: object) -> _T:
        return (simulated if threading.get_ident() == thread else real)(*args, **options)

    return either


@contextmanager
def inside(world: World) -> Iterator[None]:
    """Let the package run in this world."""
    clock = WorldClock(world)
    log = logging.getLogger("asynq_compat.journal")
    before = log.handlers, log.propagate, log.level
    with ExitStack() as patches:
        patches.enter_context(patch.object(threading.Thread, "start", _here(lambda _: None, threading.Thread.start)))
        patches.enter_context(patch.object(Progress, "pause", lambda *_: None))
        patches.enter_context(
            patch.object(threading.Thread, "join", _here(lambda *_, **__: None, threading.Thread.join))
        )
        patches.enter_context(patch.object(Progress, "wait_for", _wait_for(world)))
        patches.enter_context(patch.object(Writer, "commit", _commit(world)))
        patches.enter_context(patch.object(Writer, "close", _close(world)))
        patches.enter_context(patch.object(scheduling, "fire_frame", fire_frame(world)))
        # So that a few tasks are a long backlog, whose messages go to a file.
        patches.enter_context(patch.object(indexes, "RESIDENT_TASKS", 2))
        patches.enter_context(patch.object(indexes, "SEGMENT_LENGTH_AIM", 3))
        patches.enter_context(patch.object(spill, "_BYTES_MIN", 1))
        patches.enter_context(patch("time.monotonic", _here(clock.monotonic_s, time.monotonic)))
        patches.enter_context(patch("os.urandom", _here(world.rng.randbytes, os.urandom)))
        log.handlers, log.propagate = [_Teller(world)], False
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.handlers, log.propagate = before[:2]
            log.setLevel(before[2])
