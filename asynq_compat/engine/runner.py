"""How is a task run?

Contract: `start` takes what the processor was given and returns at once: coroutines go to the loop, plain handlers to the pool. How an
attempt ends is the affair of `attempts`.
Not obvious: a handler whose colour cannot be told by looking is called on the pool; an awaitable that it gives goes on on the loop.
Source: asynq v0.26.0 `processor.exec`; docs/semantics.md, "task context".
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from asynq_compat.config import Config
from asynq_compat.context import Context, background
from asynq_compat.engine.attempts import Attempts
from asynq_compat.engine.deadlines import Deadlines
from asynq_compat.engine.failures import Failures
from asynq_compat.engine.looping.coroutines import Coroutines
from asynq_compat.engine.measuring import measure
from asynq_compat.engine.pool import PlainCall, Pool
from asynq_compat.engine.run import HandlerTask, Job, Run
from asynq_compat.engine.settler import Settling
from asynq_compat.errors import ContextCanceledError, ContextDeadlineError, CorruptDataError, InvalidArgumentError
from asynq_compat.ports.consuming import Lease, LeaseTerm
from asynq_compat.ports.observing import Timing
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.deadline import attempt_deadline_ns
from asynq_compat.rules.outcome import Ending
from asynq_compat.servemux import Handler, HandlerFunc, ServeMux, as_function, is_async
from asynq_compat.task import Task
from asynq_compat.wire.message import Row, TaskMessage, split_message, split_messages

_R = TypeVar("_R")
_UNREADABLE = "Cannot read task id=%s of queue %r; it stays active: %s"
_NO_TIME_LIMIT = "asynq: internal error: both timeout and deadline are not set for the task message: %s"


class Results(Protocol):
    """Where handlers' results go."""

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store `result` with the task; return its length in bytes."""


class Runner:
    """Runs tasks: coroutines on the loop, plain handlers on the pool."""

    def __init__(
        self,
        handler: Handler,
        config: Config,
        results: Results,
        settler: Settling,
        clock: Clock,
        log: logging.Logger,
        observer: Timing | None = None,
    ) -> None:
        self._observer = observer
        self._find, self._find_fixed = _router(handler)
        self._make_parent = None if config.base_context is background else config.base_context
        self._has_base = self._make_parent is not None
        self._results = results
        self._settler = settler
        self._log = log
        self._base = contextvars.Context()
        self.attempts = Attempts(settler, Failures(config, log, self._run_to_end), log)
        attempts = self.attempts
        self.deadlines = Deadlines(
            lambda: list(attempts.running), attempts.deadline_passed, attempts.conclude_held_back, clock, log
        )
        self.coroutines = Coroutines(attempts.running, attempts.succeeded, attempts.failed_on_loop, self.refill, log)
        self.pool: Pool[Run | Job] = Pool(config.concurrency, self._work, self._pool_ran_out)
        self.attempts.bind(self.pool, self.coroutines)

    # --- life ---------------------------------------------------------------------------------------------------------------------

    def start_threads(self) -> None:
        """Get ready; handlers will see the caller's context variables."""
        self._base = contextvars.copy_context()
        self.coroutines.start()
        self.deadlines.start()

    def stop_threads(self) -> None:
        """End the threads; handlers that do not end are left behind."""
        self.deadlines.stop()
        self.coroutines.stop()
        self.pool.stop()

    # --- beginning ----------------------------------------------------------------------------------------------------------------

    def start(self, leases: Sequence[Lease]) -> None:
        """Run the tasks, each at once, and those for which there was no thread before."""
        if not leases:
            self.pool.submit(())
            return
        leases, rows = self._read(leases)
        now_ns = self.deadlines.follow_clock()
        earliest_ns = self.deadlines.earliest_ns
        running, find, lost = self.attempts.running, self._find, self._settler.drop
        coroutines, plain = list[Run](), list[Run | Job]()
        term: LeaseTerm | None = None
        known: TaskMessage | None = None
        known_type: str | None = None
        is_ours = True
        for lease, (type_name, payload, rest) in zip(leases, rows, strict=True):
            if lease.term is not term:
                term = lease.term
                is_ours = term.is_valid()
            if not is_ours:
                lost(lease)
                continue
            if rest is not known or type_name is not known_type:  # Tasks of one kind share both.
                known, known_type, headers = rest, type_name, rest.headers or None
                fixed = self._find_fixed(type_name)
                deadline_ns = attempt_deadline_ns(now_ns, rest.timeout, rest.deadline)
                earliest_ns = min(earliest_ns, deadline_ns)
                is_special = deadline_ns <= now_ns or not (rest.timeout or rest.deadline) or self._has_base
            run = Run(self, lease, rest, now_ns, deadline_ns)
            run.task = HandlerTask(type_name, payload, headers, run)
            running.add(run)
            try:
                if is_special and not self._may_begin(run):
                    continue
                run.function, is_coroutine = fixed or find(run.task)
            except BaseException as error:  # noqa: BLE001 - base_context or a middleware, the user's code
                self.attempts.failed(run, error)
                continue
            (coroutines if is_coroutine else plain).append(run)
        if earliest_ns < self.deadlines.earliest_ns:
            self.deadlines.notice(earliest_ns)
        self._submit(coroutines, plain)

    def _read(self, leases: Sequence[Lease]) -> tuple[Sequence[Lease], Sequence[Row]]:
        """Return the leases whose messages can be read, and what stands in each."""
        try:
            return leases, split_messages([lease.message for lease in leases])
        except CorruptDataError:
            readable = [lease for lease in leases if self._can_read(lease)]
            return readable, split_messages([lease.message for lease in readable])

    def _can_read(self, lease: Lease) -> bool:
        """Return whether the lease's message can be read; if not, its task stays as it is, and its slot is free."""
        try:
            split_message(lease.message)
        except CorruptDataError as error:
            if lease.term.is_valid():
                self._log.error(_UNREADABLE, lease.task_id, lease.queue, error)
            self._settler.drop(lease)
            return False
        return True

    def _submit(self, coroutines: Sequence[Run], plain: Sequence[Run | Job]) -> None:
        if self._observer is not None:
            measure(self._observer, coroutines, are_coroutines=True)
            measure(self._observer, [one for one in plain if isinstance(one, Run)], are_coroutines=False)
        if coroutines:
            self.coroutines.submit(coroutines)
        if plain:
            self.pool.submit(plain)

    def refill(self) -> None:
        """Start what is at hand for the slots that were freed, on the caller's thread: no other has to wake for it."""
        with self.attempts.entering():
            leases = self._settler.turn_over()
            if leases:
                self.start(leases)

    def _pool_ran_out(self) -> None:
        """Refill, unless the loop is about to: one large refill is cheaper than one behind each failure of a coroutine."""
        if not self.coroutines.has_more:
            self.refill()

    def _may_begin(self, run: Run) -> bool:
        """Look at what is special about a run; return whether it has not ended yet."""
        if not run.rest.timeout and not run.rest.deadline:
            self._log.error(_NO_TIME_LIMIT, run.lease.task_id)
        if run.deadline_ns <= run.started_ns:
            self.attempts.abandon(run, ContextDeadlineError(), Ending.FAILED)
            return False
        return self._make_parent is None or self._adopt_parent(run, self._make_parent)

    def _adopt_parent(self, run: Run, make_parent: Callable[[], Context]) -> bool:
        """Put the run below the server's base context; return whether it may start."""
        parent = run.parent = make_parent()
        forget = parent.on_end(partial(self._parent_is_over, run))
        run.on_end(forget)
        return run in self.attempts.running

    def _parent_is_over(self, run: Run) -> None:
        self.attempts.abandon(run, ContextCanceledError(), Ending.FAILED)

    # --- running ------------------------------------------------------------------------------------------------------------------

    def _work(self, item: Run | Job) -> bool:
        """Run a plain handler, or a job, on a thread of the pool; False: the thread was replaced meanwhile."""
        if not isinstance(item, Run):
            return item()
        run = item
        # Before the look at `running`: who abandons the run from now on knows that a thread is busy with it.
        task = run.task
        run.holds_thread = run.lease.has_started = True
        if run not in self.attempts.running:
            return self.attempts.gives_thread_back(run)
        context = self._base.copy()
        try:
            result = context.run(run.function, run, task)
        except BaseException as error:  # noqa: BLE001 - the user's code
            return self.attempts.claim(run, None) and self.attempts.conclude(run, error)
        if result is not None:
            if inspect.isawaitable(result):
                self.coroutines.adopt(run, result, context)
                return self.attempts.gives_thread_back(run)
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                unrun = InvalidArgumentError(
                    "the handler gave a generator, whose body has not run; run it in the handler"
                )
                return self.attempts.claim(run, None) and self.attempts.conclude(run, unrun)
        return self.attempts.succeeded(run)

    # --- what runs ask of their home ----------------------------------------------------------------------------------------------

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store a handler's result; return its length."""
        return self._results.write_result(lease, result)

    def run_async(self, run: Run, awaitable: Awaitable[_R]) -> _R:
        """Run an awaitable on the event loop to its end, from another thread."""
        # The awaitable may need a thread of the pool itself, and the last one would wait for it here.
        with self.pool.lent():
            return self.coroutines.run_async(run, awaitable)

    def _run_to_end(self, awaitable: Awaitable[object]) -> None:
        """Run the awaitable of an `async def` error handler, which may outlive the attempt's context."""
        with self.pool.lent():
            self.coroutines.run_async(None, awaitable)

    async def run_plain(self, run: Run, function: Callable[..., _R], *args: object) -> _R:
        """Run a function on a thread of the pool, from the event loop."""
        call = PlainCall(run, self.pool.replace, function, *args)
        self.pool.submit([call])
        return await asyncio.wrap_future(call.future)


_Route = tuple[HandlerFunc, bool]


def _router(handler: Handler) -> tuple[Callable[[Task], _Route], Callable[[str], _Route | None]]:
    """Return what finds the function for a task and says whether it is a coroutine function; and what does so for a type, where it can."""
    if isinstance(handler, ServeMux) and type(handler).process_task is ServeMux.process_task:
        return handler.route, handler.fixed_route
    found = as_function(handler), is_async(as_function(handler))
    return lambda _: found, lambda _: found
