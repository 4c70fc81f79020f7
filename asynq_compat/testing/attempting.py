"""How is one task run on the thread of a test?

Contract: as a server does it: the same context, middlewares, error handler, retry decision and settlement, on the caller's thread, one task
at a time. Coroutines run on an event loop that lives as long as this does; what a middleware runs aside goes to a thread.
Not obvious: time is the test's clock. An attempt is over its deadline when the handler let that much time pass; a handler that waits in
real time is waited for. KeyboardInterrupt and pytest's own outcomes (fail, skip) are no panics: the task goes back, the test hears them.
Source: asynq v0.26.0 `processor.exec`; docs/semantics.md, "outcomes".
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from asynq_compat.config import Config
from asynq_compat.context import background
from asynq_compat.engine.failures import Failures, as_cancellation, as_panic, ending_of
from asynq_compat.engine.run import HandlerTask, Run
from asynq_compat.errors import ContextDeadlineError, InvalidArgumentError
from asynq_compat.ports.consuming import Ended, Intake, Lease, SettleKind, Settlement
from asynq_compat.rules.deadline import attempt_deadline_ns
from asynq_compat.rules.task_state import TaskState
from asynq_compat.servemux import Handler, HandlerFunc, ServeMux, as_function, check_handler
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire.message import split_messages

_R = TypeVar("_R")
_STATES = {
    SettleKind.DONE: None,
    SettleKind.COMPLETE: TaskState.COMPLETED,
    SettleKind.RETRY: TaskState.RETRY,
    SettleKind.ARCHIVE: TaskState.ARCHIVED,
    SettleKind.REQUEUE: TaskState.PENDING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What became of one attempt at a task.

    Attributes:
        task_id: Id of the task.
        type: Name of its type.
        payload: Its payload; None when there is none or it is empty.
        queue: Its queue.
        retried: How often it had been tried again before, 0 at the first attempt.
        error: What the handler raised, or what ended the attempt; None when it went well.
        result: What the handler wrote as the task's result; None when nothing.
        state: The task's state afterwards; None: it is done, or was revoked, and is gone.
    """

    task_id: str
    type: str
    payload: bytes | None
    queue: str
    retried: int
    error: Exception | None
    result: bytes | None
    state: TaskState | None


class Attempting:
    """Runs tasks one by one on the caller's thread."""

    def __init__(self, handler: Handler, config: Config, clock: VirtualClock, log: logging.Logger) -> None:
        self._find = _finder(handler)
        self._config = config
        self._clock = clock
        self._failures = Failures(config, log, self._run_to_end)
        self._loop = asyncio.Runner()
        self._intake: Intake | None = None
        self._result: bytes | None = None

    def close(self) -> None:
        """End the event loop."""
        self._loop.close()

    def attempt(self, intake: Intake, lease: Lease) -> Attempt:
        """Run the lease's task and settle it.

        Raises:
            CorruptDataError: Its message cannot be read.
        """
        ((type_name, payload, rest),) = split_messages([lease.message])
        now_ns = self._clock.now_ns()
        run = Run(self, lease, rest, now_ns, attempt_deadline_ns(now_ns, rest.timeout, rest.deadline))
        run.task = HandlerTask(type_name, payload, rest.headers or None, run)
        self._intake, self._result = intake, None
        error: BaseException | None = None
        try:
            error = self._error_of(run)
            ended = self._ended(run, error)
        except BaseException:
            intake.settle([Settlement(lease, SettleKind.REQUEUE)], 1)
            raise
        finally:
            run.end()
        intake.settle([] if ended is None else [ended], 1)
        kind = ended.kind if isinstance(ended, Settlement) else SettleKind.DONE
        return Attempt(
            task_id=lease.task_id,
            type=type_name,
            payload=payload or None,
            queue=lease.queue,
            retried=rest.retried,
            error=error,
            result=self._result,
            state=TaskState.ACTIVE if ended is None else _STATES[kind],
        )

    def _error_of(self, run: Run) -> Exception | None:
        """Run the handler; return what it raised, as the server names it."""
        forget = self._clock.watch(lambda: self._time_passed(run))
        try:
            self._call(run)
            return run.err
        except Exception as error:  # noqa: BLE001 - the user's code
            return run.err or error
        except asyncio.CancelledError as error:
            return as_cancellation(error)
        except BaseException as error:
            if _is_of_the_test(error):
                raise
            return as_panic(error)
        finally:
            forget()

    def _call(self, run: Run) -> None:
        if run.deadline_ns <= run.started_ns:
            run.cancel(ContextDeadlineError())
            return
        self._adopt_parent(run)
        if run.err is not None:
            return
        run.lease.has_started = True
        result = self._find(run.task)(run, run.task)
        if inspect.isawaitable(result):
            self._on_loop(result)
        elif inspect.isgenerator(result) or inspect.isasyncgen(result):
            raise InvalidArgumentError("the handler gave a generator, whose body has not run; run it in the handler")

    def _adopt_parent(self, run: Run) -> None:
        if self._config.base_context is not background:
            parent = run.parent = self._config.base_context()
            run.on_end(parent.on_end(run.cancel))

    def _time_passed(self, run: Run) -> None:
        assert self._intake is not None
        self._intake.extend([run.lease])
        if self._clock.now_ns() >= run.deadline_ns:
            run.cancel(ContextDeadlineError())

    def _ended(self, run: Run, error: BaseException | None) -> Ended | None:
        if isinstance(error, Exception):
            return self._failures.settlement(run.lease, run.message, run, error, ending_of(error))
        retention_s = run.rest.retention
        return Settlement(run.lease, SettleKind.COMPLETE, retention_s=retention_s) if retention_s > 0 else run.lease

    # --- what runs ask of their home ----------------------------------------------------------------------------------------------

    def write_result(self, lease: Lease, result: bytes) -> int:
        """Store a handler's result; return its length."""
        assert self._intake is not None
        self._result = result
        return self._intake.write_result(lease, result)

    def run_async(self, run: Run, awaitable: Awaitable[_R]) -> _R:
        """Run an awaitable on the event loop to its end, from plain code."""
        del run
        return self._on_loop(awaitable)

    async def run_plain(self, run: Run, function: Callable[..., _R], *args: object) -> _R:
        """Run a function aside, from the event loop."""
        del run
        return await asyncio.to_thread(function, *args)

    def _run_to_end(self, awaitable: Awaitable[object]) -> None:
        self._on_loop(awaitable)

    def _on_loop(self, awaitable: Awaitable[_R]) -> _R:
        async def whole() -> _R:
            return await awaitable

        loop = self._loop.get_loop()
        if loop.is_running():  # The caller is on the thread beside it.
            return asyncio.run_coroutine_threadsafe(whole(), loop).result()
        return self._loop.run(whole())


def _finder(handler: Handler) -> Callable[[Task], HandlerFunc]:
    if isinstance(handler, ServeMux) and type(handler).process_task is ServeMux.process_task:
        return lambda task: handler.route(task)[0]
    check_handler(handler)
    function = as_function(handler)
    return lambda _: function


def _is_of_the_test(error: BaseException) -> bool:
    outcomes = sys.modules.get("_pytest.outcomes")
    return isinstance(error, KeyboardInterrupt) or (
        outcomes is not None and isinstance(error, outcomes.OutcomeException | outcomes.Exit)
    )
