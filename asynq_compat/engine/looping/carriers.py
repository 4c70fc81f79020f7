"""Which asyncio task does the next `async def` handler run in?

Contract: all of it belongs to the event loop's thread. A carrier is a real asyncio task that runs handlers one after another. Behind its
step a look sees whether its handler waits: then the carrier is that handler's alone, and new ones take the rest, several at once where
one after another waits.
Not obvious: so handlers that share a carrier have all run to their end within one step of it. After each the carrier must be as it was
(context variables, cancellations, callbacks, whoever refers to it), else it takes no other: what a handler leaves behind reaches nobody.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Container, Sequence
from contextvars import copy_context
from sys import getrefcount
from time import monotonic
from typing import Any, Self, cast
from weakref import getweakrefcount

from asynq_compat.engine.run import Run

# Handlers that never wait let the others go on after this time.
_STEP_S = 0.001
_WIDTH_MAX = 128
_ABSENT = object()


class Carrier(asyncio.Task[None]):
    """Runs handlers.

    Attributes:
        run: The attempt that it is inside.
        is_spent: It takes no other: its handler has waited, has cancelled it, or listens for its end.
    """

    run: Run | None = None
    is_spent = False

    def cancel(self, msg: Any | None = None) -> bool:
        """As `asyncio.Task.cancel`."""
        self.is_spent = True
        return super().cancel(msg)

    def add_done_callback(self, fn: Callable[[Self], object], /, *, context: contextvars.Context | None = None) -> None:
        """As `asyncio.Task.add_done_callback`."""
        self.is_spent = True
        super().add_done_callback(fn, context=context)


class Carriers:
    """Runs attempts on the event loop, in the order in which they come.

    Args:
        loop: The loop.
        context: What the handlers' context variables are.
        running: Attempts that nobody has ended.
        succeeded: Called when a handler has returned.
        failed: Called with what a handler has raised.
        run_out: Called when there is nothing more to do; it may bring more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        running: Container[Run],
        succeeded: Callable[[Run], object],
        failed: Callable[[Run, BaseException], object],
        run_out: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._context = context
        self._running = running
        self._succeeded = succeeded
        self._failed = failed
        self._run_out = run_out
        self._is_asking = False
        self._todo: deque[Run] = deque()
        self._active: list[Carrier] = []  # They take what is to do; empty while nothing is.
        self._width = 1

    @property
    def has_more(self) -> bool:
        """Attempts wait for a carrier; behind the last of them `run_out` is called. Any thread may ask."""
        return bool(self._todo)

    def submit(self, runs: Sequence[Run]) -> None:
        """Start the attempts, in this order."""
        self._todo.extend(runs)
        if not self._active:
            self._begin()

    def look(self) -> None:
        """Leave carriers to their handlers where those wait, and have others take the rest."""
        unbegun = []
        width = 2 * self._width
        for carrier in self._active:
            run = carrier.run
            if run is not None:
                run.coroutine = carrier
                carrier.is_spent = True
                carrier.set_name(run.lease.task_id)
            elif carrier.done():
                width = 1
            else:
                unbegun.append(carrier)
        self._active = unbegun
        if self._todo and not unbegun:
            self._width = min(width, _WIDTH_MAX)
            self._begin()

    def _begin(self) -> None:
        for _ in range(min(self._width, len(self._todo))):
            carrier = Carrier(self._carry(), loop=self._loop, name="asynq-carrier", context=self._context.copy())
            self._active.append(carrier)
        self._loop.call_soon(self.look)

    async def _carry(self) -> None:
        todo, running, succeeded = self._todo, self._running, self._succeeded
        carrier = cast("Carrier", asyncio.current_task())
        references, weak_references, variables = getrefcount(carrier), getweakrefcount(carrier), copy_context()
        variable_count = len(variables)
        until_s = monotonic() + _STEP_S
        while todo or self._has_found_more():
            run = todo.popleft()
            # Before the look at `running`: who ends the attempt from now on knows that it may have begun, and takes its task away.
            task = run.task
            run.lease.has_started = True
            if run not in running:
                continue
            carrier.run = run
            try:
                await run.function(run, task)
            except BaseException as error:  # noqa: BLE001 - the user's code
                self._failed(run, error)
            else:
                succeeded(run)
            if (
                carrier.is_spent
                or getrefcount(carrier) != references
                or getweakrefcount(carrier) != weak_references
                or len(now := copy_context()) != variable_count
                or (variable_count and not _are_same(variables, now))
                or monotonic() >= until_s
            ):
                break
        carrier.run = None
        if not todo and not self._is_asking:  # Once for all handlers that end in this turn of the loop.
            self._is_asking = True
            self._loop.call_soon(self._ask)

    def _has_found_more(self) -> bool:
        self._context.copy().run(self._run_out)  # What a middleware sets while it builds a chain stays there.
        return bool(self._todo)

    def _ask(self) -> None:
        self._is_asking = False
        if not self._todo:
            self._has_found_more()


def _are_same(before: contextvars.Context, now: contextvars.Context) -> bool:
    """Return whether each of as many context variables has the very value that it had."""
    return all(before.get(variable, _ABSENT) is value for variable, value in now.items())
