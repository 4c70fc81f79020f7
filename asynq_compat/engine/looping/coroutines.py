"""Where do `async def` handlers run?

Contract: on one event loop on one thread, each inside a real asyncio task from its first line (carriers.py), so that `asyncio.timeout`,
`TaskGroup`, `current_task` and context variables work. Callers are other threads; a batch of attempts costs one wake-up of the loop.
Not obvious: context variables that were set where the server was started are seen by every handler; what a handler sets ends with it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import TypeVar

from asynq_compat.engine.looping.carriers import Carriers
from asynq_compat.engine.looping.selecting import new_loop
from asynq_compat.engine.run import Run

_R = TypeVar("_R")
# A stopped loop waits this long for cancelled handlers to clean up; what is left is left behind, with its daemon thread.
_CLEAN_UP_S = 1.0
# And this much longer for a loop that a handler blocks.
_LOOP_END_S = 1.0


class Coroutines:
    """The event loop of a server. `running`, `succeeded`, `failed` and `run_out` are those of `Carriers`."""

    def __init__(
        self,
        running: Container[Run],
        succeeded: Callable[[Run], object],
        failed: Callable[[Run, BaseException], object],
        run_out: Callable[[], object],
        log: logging.Logger,
    ) -> None:
        self._ends = running, succeeded, failed, run_out
        self._log = log
        self.loop = new_loop()
        self._thread = threading.Thread(target=self._run, name="asynq-loop", daemon=True)
        self._base = contextvars.Context()
        self._carriers = Carriers(self.loop, self._base, *self._ends)
        self._given_up: set[asyncio.Task[None]] = set()  # Owned by the loop; keeps them alive until they end.

    def start(self) -> None:
        """Start the loop's thread; handlers see the caller's context variables."""
        self._base = contextvars.copy_context()
        self._carriers = Carriers(self.loop, self._base, *self._ends)
        self._thread.start()

    @property
    def has_more(self) -> bool:
        """Attempts wait for their turn; behind the last of them `run_out` is called. Any thread may ask."""
        return self._carriers.has_more

    def submit(self, runs: Sequence[Run]) -> None:
        """Start the attempts, in this order."""
        if threading.current_thread() is self._thread:
            self._carriers.submit(runs)
        else:
            self.loop.call_soon_threadsafe(self._carriers.submit, runs)

    def adopt(self, run: Run, awaitable: Awaitable[object], context: contextvars.Context) -> None:
        """Go on with an attempt whose plain function gave an awaitable."""

        async def rest(ctx: object, task: object) -> object:
            del ctx, task
            return await awaitable

        run.function = rest
        alone = Carriers(self.loop, context, *self._ends)
        self.loop.call_soon_threadsafe(alone.submit, (run,))

    def cancel(self, run: Run) -> None:
        """Cancel an attempt's asyncio task; it is given up, whatever it makes of that."""
        # Not at once: if its handler waits since a moment ago, a look at its carrier is on its way.
        self.loop.call_soon_threadsafe(self.loop.call_soon, self._cancel, run)

    def run_async(self, run: Run | None, awaitable: Awaitable[_R]) -> _R:
        """Run an awaitable to its end for plain code on another thread; cancelled when `run` is over."""

        async def whole() -> _R:
            return await awaitable

        future = asyncio.run_coroutine_threadsafe(whole(), self.loop)
        forget = run.cancelled_future(future) if run is not None else None
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise asyncio.CancelledError from None
        finally:
            if forget is not None:
                forget()

    def stop(self) -> None:
        """Cancel what still runs, give it a second, and end the loop. Legal before the start and twice."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop).add_done_callback(
                lambda _: self.loop.call_soon_threadsafe(self.loop.stop)
            )
            if self._thread is threading.current_thread():
                return  # A handler that stops the server: the loop ends when it lets go of it.
            self._thread.join(_CLEAN_UP_S + _LOOP_END_S)
            if self._thread.is_alive():
                self._log.warning("an async def handler blocks the event loop; its thread is left behind")
        elif not self.loop.is_closed() and self._thread.ident is None:
            self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        if not asyncio.all_tasks(self.loop):
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _cancel(self, run: Run) -> None:
        task = run.coroutine
        if task is not None and not task.done():
            self._given_up.add(task)
            task.add_done_callback(self._given_up.discard)
            task.cancel()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=_CLEAN_UP_S)
            if pending:
                self._log.warning("%d handlers go on although they were cancelled; they are left behind", len(pending))
