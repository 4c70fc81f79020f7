"""What becomes of a task that failed?

Contract: asks the user's functions (error handler, is_failure, retry delay) and `rules.outcome`, gives a settlement. Runs on a thread
that may block. Go trusts the user's functions; here an error in one is logged and Asynq's default stands in, so that no task hangs.
Not obvious: an ordinary exception is Go's error; a panic is what derives from BaseException alone (SystemExit and the like). SkipRetry
and RevokeTask count also as the cause of an exception (``raise X from SkipRetry()``) and inside an exception group.
Source: asynq v0.26.0 `processor.handleFailedMessage`, `recoverer`; docs/semantics.md, "outcomes".
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

from asynq_compat.config import Config, default_retry_delay_func
from asynq_compat.context import Context
from asynq_compat.engine.logs import FailureLines
from asynq_compat.errors import ContextCanceledError, LeaseExpiredError, PanicError, RevokeTask, SkipRetry
from asynq_compat.ports.consuming import Lease, SettleKind, Settlement
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.outcome import Ending, Verdict, verdict
from asynq_compat.task import task_for_handler
from asynq_compat.wire.message import TaskMessage

# The longest that a Go duration can be: 2^63 - 1 nanoseconds, 292 years.
DELAY_S_MAX = 9_223_372_036.0
_LOGGED_TEXT_MAX_CHARS = 1_000
_KINDS = {v: SettleKind(v.value) for v in Verdict if v is not Verdict.NOTHING}


class Failures:
    """Turns failures into settlements."""

    def __init__(
        self, config: Config, log: logging.Logger, run_to_end: Callable[[Awaitable[object]], None] | None = None
    ) -> None:
        """`run_to_end` runs what an `async def` error handler gives; the recoverer, which tells none, needs it not."""
        self._config = config
        self._log = log
        self._run_to_end = run_to_end
        self.lines = FailureLines(log)

    def settlement(
        self, lease: Lease, message: TaskMessage, ctx: Context, error: Exception, ending: Ending
    ) -> Settlement | None:
        """Tell the error handler and return what is to be written; None for nothing."""
        self._tell(ctx, message, error)
        return self._decided(lease, message, error, ending)

    def recovered(self, lease: Lease, message: TaskMessage) -> Settlement:
        """Return what is to be written for a task whose worker is gone; the error handler is not told, as in Go."""
        settlement = self._decided(lease, message, LeaseExpiredError(), Ending.FAILED)
        assert settlement is not None
        return settlement

    def _decided(self, lease: Lease, message: TaskMessage, error: Exception, ending: Ending) -> Settlement | None:
        decision = verdict(ending, retried=message.retried, retry_max=message.retry, retention_s=message.retention)
        match decision:
            case Verdict.NOTHING:
                return None
            case Verdict.RETRY:
                return Settlement(
                    lease,
                    SettleKind.RETRY,
                    delay_s=self._delay_s(message, error),
                    error_msg=text_of(error),
                    is_failure=self._is_failure(error),
                )
            case Verdict.ARCHIVE:
                self._log.warning("Retry exhausted for task id=%s", lease.task_id)
                return Settlement(lease, SettleKind.ARCHIVE, error_msg=text_of(error))
            case _:
                if ending is Ending.REVOKED:
                    self._log.warning("revoke task id=%s", lease.task_id)
                return Settlement(lease, _KINDS[decision])

    def _tell(self, ctx: Context, message: TaskMessage, error: Exception) -> None:
        handler = self._config.error_handler
        if handler is None:
            self._log_unheard(message, error)
            return
        try:
            result = handler(ctx, task_for_handler(message, None), error)
            if inspect.isawaitable(result) and self._run_to_end is not None:
                self._run_to_end(result)
        except BaseException:  # noqa: BLE001 - the user's code: whatever it raises, the task must be settled
            self._log.exception("error_handler failed for task id=%s", message.id)

    def _log_unheard(self, message: TaskMessage, error: Exception) -> None:
        """Say that a task failed, where nobody else is told. A panic has had its own lines."""
        if not isinstance(error, PanicError) and self.lines.is_listed():
            self._log.warning(
                "task id=%s of type %s failed: %s: %s%s",
                message.id,
                go_quoted(message.type),
                type(error).__name__,
                text_of(error)[:_LOGGED_TEXT_MAX_CHARS],
                _place(error),
            )

    def _is_failure(self, error: Exception) -> bool:
        try:
            return bool(self._config.is_failure(error))
        except BaseException:  # noqa: BLE001 - the user's code: whatever it raises, the task must be settled
            self._log.exception("is_failure failed; the error counts as a failure")
            return True

    def _delay_s(self, message: TaskMessage, error: Exception) -> float:
        task = task_for_handler(message, None)
        try:
            delay = self._config.retry_delay_func(message.retried, error, task)
            delay_s = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
            if math.isfinite(delay_s):
                return min(max(delay_s, -DELAY_S_MAX), DELAY_S_MAX)
            self._log.error("retry_delay_func gave %r for task id=%s; Asynq's default is used", delay, message.id)
        except BaseException:  # noqa: BLE001 - the user's code: whatever it raises, the task must be settled
            self._log.exception("retry_delay_func failed for task id=%s; Asynq's default is used", message.id)
        return default_retry_delay_func(message.retried, error, task)


def ending_of(error: BaseException) -> Ending:
    """Return how an attempt ended that raised `error`."""
    wrapped = list(_wrapped(error))
    if any(isinstance(e, RevokeTask) for e in wrapped):
        return Ending.REVOKED
    if any(isinstance(e, SkipRetry) for e in wrapped):
        return Ending.SKIPPED_RETRY
    return Ending.FAILED


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    """Give `error`, what it was raised from, and the members of groups, each once."""
    seen: set[int] = set()
    left = [error]
    while left:
        current = left.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if current.__cause__ is not None:
            left.append(current.__cause__)
        if isinstance(current, BaseExceptionGroup):
            left.extend(current.exceptions)


def text_of(error: BaseException) -> str:
    """Return an error's text for the task's message: valid UTF-8, the type's name where there is no text."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - the user's __str__: whatever it raises, the task must be settled
        text = ""
    return (text or type(error).__name__).encode("utf-8", "replace").decode("utf-8")


def as_cancellation(error: asyncio.CancelledError) -> ContextCanceledError:
    """Return a cancellation that nobody here asked for as the error that it is in Go: the handler gave context.Canceled."""
    canceled = ContextCanceledError(text_of(error))
    canceled.__cause__ = error
    return canceled


def as_panic(error: BaseException) -> PanicError:
    """Return `error`, which is no Exception, as Go words a panic: with file and line of the place that raised it."""
    panic = PanicError(f"panic error cause by: panic{_place(error)}: {text_of(error)}")
    panic.__cause__ = error
    return panic


def _place(error: BaseException) -> str:
    """Return `` [file:line]`` of where `error` was raised, "" when it was not."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" [{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}]"


def is_panic_error(error: BaseException) -> bool:
    """Return True when `error` is, or was raised from, a handler's panic (Go: IsPanicError)."""
    return any(isinstance(e, PanicError) for e in _wrapped(error))
