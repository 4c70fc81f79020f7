"""Which attempts run, and who owns the outcome of each?

Contract: each attempt frees exactly one slot, through the settler, however it ends. Any thread may end one (its handler, a deadline, a
cancellation, a lost lease, the shutdown): whoever removes it from `running` owns the outcome, everybody else does nothing.
Not obvious: a set's `remove` is the claim, since it is atomic: a success takes no lock. An attempt that is ended from outside is
abandoned: its slot is free at once, its context is over, its coroutine is cancelled or its thread replaced, and what it still does has
no effect.
Source: asynq v0.26.0 `processor.exec`; docs/semantics.md, "task context", "outcomes".
"""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from asynq_compat.engine.failures import Failures, as_cancellation, as_panic, ending_of
from asynq_compat.engine.looping.coroutines import Coroutines
from asynq_compat.engine.pool import Pool
from asynq_compat.engine.run import Job, Run
from asynq_compat.engine.settler import Settling
from asynq_compat.errors import AsynqError, ContextCanceledError, ContextDeadlineError, LeaseExpiredError
from asynq_compat.ports.consuming import SettleKind, Settlement
from asynq_compat.rules.outcome import Ending

# So long one thread alone concludes what failed within one turn of the event loop: each wake-up of a thread takes the interpreter away
# from the loop, which costs more than a failure does. Behind it the user's functions count as functions that block.
_ALONE_S = 0.02
# How much longer a shutdown waits for the user's functions that are deciding about a failure.
_CONCLUDE_S = 1.0


class Attempts:
    """The attempts of one server, from their start to their settlement."""

    def __init__(self, settler: Settling, failures: Failures, log: logging.Logger) -> None:
        self._settler = settler
        self._failures = failures
        self._log = log
        # Each attempt whose outcome nobody owns yet; its changes are single atomic operations.
        self.running: set[Run] = set()
        # Ended, but the user's functions are still asked what to do: the lease is still ours.
        self.concluding: set[Run] = set()
        # One for each thread that is about to bring attempts into `running`.
        self._entering: set[object] = set()
        # Guards failed attempts on their way from `running` to `concluding`, and whose thread is lost.
        self._claims = threading.Lock()
        self._gathered: deque[tuple[Run, BaseException]] = (
            deque()
        )  # What has failed on the loop and waits for its next turn.
        self._is_draining = False
        self._drained = threading.Event()

    def bind(self, pool: Pool[Run | Job], coroutines: Coroutines) -> None:
        """Say where attempts run."""
        self._pool = pool
        self._coroutines = coroutines

    def unsettled(self) -> list[Run]:
        """Return the attempts whose leases this server still needs."""
        return list(self.running) + list(self.concluding)

    def drain(self, timeout_s: float) -> None:
        """Wait until nothing runs; hand back what still runs after `timeout_s`."""
        self._is_draining = True
        self.conclude_held_back()
        self._note_drained()
        if not self._drained.wait(max(timeout_s, 0.0)):
            for run in list(self.running):
                self._log.warning("Quitting worker. task id=%s", run.lease.task_id)
                self.abandon(run, ContextCanceledError(), Ending.ABORTED)
            self._drained.wait(_CONCLUDE_S)
        self._failures.lines.end()

    @contextmanager
    def entering(self) -> Iterator[None]:
        """While inside, the caller may take leases and start them: a shutdown waits for what comes of it."""
        mark = object()
        self._entering.add(mark)
        try:
            yield
        finally:
            self._entering.discard(mark)
            if self._is_draining:
                self._note_drained()

    def gives_thread_back(self, run: Run) -> bool:
        """A thread is done with an attempt that goes on, or that others ended; return False when it was replaced."""
        with self._claims:
            run.holds_thread = False
            return not run.lost_thread

    def succeeded(self, run: Run) -> bool:
        """Have a success settled, unless others ended the attempt; return whether this call did it."""
        try:
            self.running.remove(run)
        except KeyError:
            return False
        run.end()
        retention_s = run.rest.retention
        self._settler.add(
            run.lease if retention_s <= 0 else Settlement(run.lease, SettleKind.COMPLETE, retention_s=retention_s)
        )
        if self._is_draining:
            self._note_drained()
        return True

    def failed(self, run: Run, error: BaseException) -> None:
        """Conclude on the pool: the user's functions may block."""
        if self.claim(run, None):
            self._pool.submit([partial(self.conclude, run, error)])

    def failed_on_loop(self, run: Run, error: BaseException) -> None:
        """As `failed`, called on the event loop: what fails within one turn of it is concluded together."""
        if self.claim(run, None):
            self._gathered.append((run, error))
            if len(self._gathered) == 1:
                self._coroutines.loop.call_soon(self._conclude_gathered)

    def _conclude_gathered(self) -> None:
        left = self._take_gathered()
        if left:
            self._pool.submit([partial(self._conclude_left, left)])
        if len(left) > 1:
            self._coroutines.loop.call_later(_ALONE_S, self._help, left)

    def conclude_held_back(self) -> None:
        """Conclude what waits for the next turn of the loop, from any other thread: a coroutine that blocks may be holding it up."""
        left = self._take_gathered()
        if left:
            self._help(left)

    def _take_gathered(self) -> deque[tuple[Run, BaseException]]:
        taken: deque[tuple[Run, BaseException]] = deque()
        try:
            while True:
                taken.append(self._gathered.popleft())
        except IndexError:
            return taken

    def _help(self, left: deque[tuple[Run, BaseException]]) -> None:
        """The user's functions take their time: each failure that is still left gets a thread of its own."""
        self._pool.submit([partial(self._conclude_left, left) for _ in range(len(left))])

    def _conclude_left(self, left: deque[tuple[Run, BaseException]]) -> bool:
        """Conclude the failures that no other thread has taken."""
        while True:
            try:
                run, error = left.popleft()
            except IndexError:
                return True
            self.conclude(run, error)

    def abandon(self, run: Run, error: AsynqError, ending: Ending) -> bool:
        """End an attempt from outside, unless it has ended; return whether this call did it."""
        if not self.claim(run, error):
            return False
        if run.lease.has_started:
            self._coroutines.cancel(run)
        if ending is Ending.ABORTED:
            self._settle(run, Settlement(run.lease, SettleKind.REQUEUE))
        else:
            self._pool.submit([partial(self.conclude, run, error, ending)])
        return True

    def cancel(self, task_id: str) -> None:
        """Cancel every attempt at a task of this id."""
        for run in list(self.running):
            if run.lease.task_id == task_id:
                self.abandon(run, ContextCanceledError(), Ending.FAILED)

    def lease_lost(self, run: Run) -> None:
        """End an attempt whose task may be somebody else's now: nothing is written."""
        self.abandon(run, LeaseExpiredError(), Ending.LEASE_LOST)

    def deadline_passed(self, run: Run) -> None:
        """End an attempt that took too long."""
        self.abandon(run, ContextDeadlineError(), Ending.FAILED)

    def claim(self, run: Run, why: AsynqError | None) -> bool:
        """Take a failed attempt's outcome; it stays in `concluding` until it is settled.

        `why` it was ended from outside; None: the handler raised.
        """
        with self._claims:
            try:
                self.running.remove(run)
            except KeyError:
                return False
            self.concluding.add(run)
            # A thread that ends its own attempt stays; one that is still in it when others end it is lost.
            if run.holds_thread and why is not None:
                run.lost_thread = True
                self._pool.replace()
        # After an error of its own the context lives on until the user's functions have been asked, as in Go.
        if why is not None:
            run.cancel(why)
        return True

    def conclude(self, run: Run, error: BaseException, ending: Ending | None = None) -> bool:
        """Ask the user's functions what becomes of a failed attempt and have that settled."""
        named = self._named(error)
        if self._log.isEnabledFor(logging.DEBUG):
            self._log.debug("task id=%s failed", run.lease.task_id, exc_info=named)
        ending = ending_of(named) if ending is None else ending
        self._settle(run, self._failures.settlement(run.lease, run.message, run, named, ending))
        return True

    def _named(self, error: BaseException) -> Exception:
        """Tell a panic from an error; a cancellation that nobody asked for is the handler's own error."""
        if isinstance(error, Exception):
            return error
        if isinstance(error, asyncio.CancelledError):
            return as_cancellation(error)
        trace = "".join(traceback.format_exception(error))
        self._log.error("recovering from panic. See the stack trace below for details:\n%s", trace)
        return as_panic(error)

    def _settle(self, run: Run, settlement: Settlement | None) -> None:
        run.end()
        if settlement is None:
            self._settler.drop(run.lease)
        else:
            self._settler.add(settlement)
        with self._claims:
            self.concluding.discard(run)
        if self._is_draining:
            self._note_drained()

    def _note_drained(self) -> None:
        with self._claims:
            if not (self.running or self.concluding or self._entering):
                self._drained.set()
