"""In what does a test of a program that uses task queues run?

Contract: a broker in memory that no other test sees, a clock that stands still until the test moves it, and a record of what was enqueued.
While it is open, whatever the program under test connects to is this broker (`routing`). No service is needed.
Not obvious: nothing runs by itself. `run_all` runs what is due, on the test's thread, with a server's rules; time passes by
`clock.advance` alone. The clock begins at the present second, so that an instant made from ``datetime.now(UTC)`` lies where it should.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self, Unpack

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.client import Client
from asynq_compat.config import Config
from asynq_compat.errors import InvalidArgumentError, ServerStateError
from asynq_compat.inspector import Inspector
from asynq_compat.journals.memory import MemoryJournalStore, forget
from asynq_compat.options import Duration, duration_ns
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.servemux import Handler
from asynq_compat.testing import routing
from asynq_compat.testing.attempting import Attempt
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.testing.draining import Draining
from asynq_compat.testing.matching import Wish, check_wish, differences, listing, nearest_miss, wish_in_words
from asynq_compat.testing.recording import Enqueued, Recording, RecordingFirings, RecordingSets

ATTEMPTS_MAX = 10_000
# Threads that wait look at the clock this often, in seconds of real time: for a live server while a test moves the clock.
_LOOK_S = 0.05


def present_clock() -> VirtualClock:
    """Return a clock that begins at the present second."""
    return VirtualClock(time.time_ns() // NS_PER_S * NS_PER_S)


class Sandbox:
    """A broker of one's own. ``with Sandbox() as sandbox:`` routes the program's task queues to it and closes it.

    Args:
        clock: What time it is; a `VirtualClock` that begins now when left out.

    Attributes:
        clock: The clock: ``clock.advance(60)``.
        broker: The open broker, for whoever takes one.
        client: Enqueues into it.
        inspector: Looks at it.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = present_clock() if clock is None else clock
        self._name = f"sandbox-{uuid.uuid4()}"
        store = MemoryJournalStore(self._name, now_ms=self.clock.now_ms)
        opened = open_journal(store, clock=self.clock, idle_s=_LOOK_S, shares=True)
        self._recording = Recording(opened.producing, self.clock)
        sets = RecordingSets(opened.maintaining, self._recording)
        firings = RecordingFirings(opened.scheduling, self._recording)
        self.broker = replace(opened, producing=self._recording, maintaining=sets, scheduling=firings)
        self.client = Client(self.broker, clock=self.clock)
        self.inspector = Inspector(self.broker, clock=self.clock)
        self._destination = routing.Destination(self.broker, self.clock)
        self._is_running = False
        self._is_open = True
        routing.enter(self._destination)

    # --- what was enqueued --------------------------------------------------------------------------------------------------------

    def enqueued(self, type: str | None = None, **wish: Unpack[Wish]) -> list[Enqueued]:
        """Return what was enqueued in this test and is as wished, in order; also what has been run since.

        Args:
            type: The task's type; None for any.
            wish: What else is to be so; see `Wish`.
        """
        check_wish(type, wish)
        return [task for task in self._recording.taken() if not differences(task, type, wish)]

    def assert_enqueued(self, type: str | None = None, *, count: int | None = None, **wish: Unpack[Wish]) -> Enqueued:
        """Fail unless a task was enqueued that is as wished, or exactly `count` of them; return the first.

        Raises:
            AssertionError: There is none, or another number; the message shows what was enqueued, and what comes nearest.
            InvalidArgumentError: `count` is below 1: there would be nothing to return.
        """
        __tracebackhide__ = True
        if count is not None and count < 1:
            raise InvalidArgumentError(f"count must be at least 1, got {count}; assert_not_enqueued says that none was")
        found = self.enqueued(type, **wish)
        if found and count in {None, len(found)}:
            return found[0]
        wanted, tasks = wish_in_words(type, wish), self._recording.taken()
        if found:
            raise AssertionError(f"{len(found)} tasks, not {count}, were enqueued as {wanted}\n{listing(tasks)}")
        nearest = nearest_miss(tasks, type, wish)
        raise AssertionError("\n".join(filter(None, [f"no task was enqueued as {wanted}", nearest, listing(tasks)])))

    def assert_not_enqueued(self, type: str | None = None, **wish: Unpack[Wish]) -> None:
        """Fail if a task was enqueued that is as wished; with no arguments, if any was.

        Raises:
            AssertionError: There is one; the message shows all.
        """
        __tracebackhide__ = True
        found = self.enqueued(type, **wish)
        if found:
            raise AssertionError(listing(found, f"enqueued although none should be as {wish_in_words(type, wish)}"))

    def forget_enqueued(self) -> None:
        """Forget what was enqueued so far; the tasks stay."""
        self._recording.forget()

    # --- running ------------------------------------------------------------------------------------------------------------------

    def run_all(
        self, handler: Handler, config: Config | None = None, *, reraise: bool = False, attempts_max: int = ATTEMPTS_MAX
    ) -> list[Attempt]:
        """Run every task that is pending or due, and what those enqueue, until none is left; return the attempts in order.

        Args:
            handler: A ServeMux, a callable, an object with process_task.
            config: What the server would have: its queues, error handler, retry delays; None: every queue, Asynq's defaults. Tasks run one
                at a time whatever its concurrency.
            reraise: Raise what a handler raises, once the task is settled, instead of going on.
            attempts_max: How many attempts may be made before the test fails: a task that enqueues itself has no end.

        Raises:
            AssertionError: More than `attempts_max` attempts.
            ServerStateError: Called by a handler, or on an event loop, which it would block.
        """
        return self._drain(handler, config, self.clock.now_ns, reraise=reraise, attempts_max=attempts_max)

    def run_for(
        self,
        handler: Handler,
        duration: Duration,
        config: Config | None = None,
        *,
        reraise: bool = False,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> list[Attempt]:
        """Let a time pass and run every task at its time within it: what is scheduled, and what is tried again; as `run_all`."""
        end_ns = self.clock.now_ns() + duration_ns("duration", duration)
        attempts = self._drain(handler, config, lambda: end_ns, reraise=reraise, attempts_max=attempts_max)
        self.clock.advance_s(max(0, end_ns - self.clock.now_ns()) / NS_PER_S)
        return attempts

    def _drain(
        self,
        handler: Handler,
        config: Config | None,
        end_ns: Callable[[], int],
        *,
        reraise: bool,
        attempts_max: int,
    ) -> list[Attempt]:
        _check_thread()
        if self._is_running:
            raise ServerStateError("tasks of this sandbox are being run already; a handler cannot run others")
        self._is_running = True
        try:
            with Draining(
                self.broker, self.clock, handler, config, reraise=reraise, attempts_max=attempts_max
            ) as draining:
                return draining.until(end_ns)
        finally:
            self._is_running = False

    # --- end ----------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the sandbox and forget its tasks. Legal twice."""
        if self._is_open:
            self._is_open = False
            routing.leave(self._destination)
            self.broker.close()
            forget(self._name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _check_thread() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ServerStateError(
        "running tasks would block this event loop; write await asyncio.to_thread(sandbox.run_all, mux)"
    )
