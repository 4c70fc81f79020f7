"""What does a handler know about its run, and how does it hear that it should stop?

Contract: thread-safe. A context is over once, for ever; whoever waits for it is woken then. The contexts that handlers get are made
by the engine (`engine.run`) below the server's base context, and are over when the attempt is.
Not obvious: an `async def` handler need not look at its context, since its asyncio task is cancelled too; a plain `def` has to.
Source: asynq v0.26.0 `context.go`; docs/semantics.md, "task context".
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from asynq_compat.errors import AsynqError, ContextCanceledError, ContextError

_R = TypeVar("_R")
_log = logging.getLogger("asynq_compat")

# Guards the waiters and callbacks of all contexts: touched only by those who wait or listen, and at the end of what they wait for.
_listeners_lock = threading.Lock()


class Context:
    """A run's deadline, cancellation and values. ``Context()`` is one that is over only when `cancel` is called."""

    __slots__ = ("_callbacks", "_event", "_why")

    def __init__(self) -> None:
        # Why it is over: an error, or the class of one that is built when somebody asks (an attempt's end is no news).
        self._why: ContextError | type[ContextError] | None = None
        self._event: threading.Event | None = None
        self._callbacks: list[Callable[[], object]] | None = None

    @property
    def deadline(self) -> datetime | None:
        """When it will be over at the latest, an aware instant in UTC; None for never."""
        return None

    @property
    def task_id(self) -> str | None:
        """Id of the task being run; None outside a handler."""
        return None

    @property
    def retry_count(self) -> int | None:
        """Retries made so far, 0 at the first attempt; None outside a handler."""
        return None

    @property
    def max_retry(self) -> int | None:
        """How many retries the task may have; None outside a handler."""
        return None

    @property
    def queue_name(self) -> str | None:
        """Queue the task came from; None outside a handler."""
        return None

    @property
    def err(self) -> ContextError | None:
        """Why the context is over, in Go's two words: deadline exceeded, or canceled. None while it is not."""
        why = self._why
        return why() if isinstance(why, type) else why

    @property
    def reason(self) -> BaseException | None:
        """What stands behind `err`, such as a lost lease; `err` itself when there is nothing more to say."""
        err = self.err
        return err if err is None else err.__cause__ or err

    def cancelled(self) -> bool:
        """Return True when the handler should stop."""
        return self._why is not None

    def wait(self, seconds: float | None = None) -> bool:
        """Block until the context is over or `seconds` have passed; return True when it is over.

        The sleep of a plain handler. In an `async def` one use ``asyncio.sleep``: this would block the loop.
        """
        with _listeners_lock:
            event = self._event
            if event is None:
                event = self._event = threading.Event()
        # Set behind the event's publication: whoever ends the context from here on sees the event.
        return self.cancelled() or event.wait(seconds)

    def value(self, key: object, default: object = None) -> object:
        """Return what a base context or a middleware stored under `key`."""
        del key
        return default

    def with_value(self, key: object, value: object) -> Context:
        """Return a context that also knows `value` under `key`; it ends with this one."""
        return _ValueContext(self, key, value)

    def cancel(self, reason: AsynqError | None = None) -> None:
        """End the context, once: later calls change nothing. `reason` is what `reason` will say."""
        error = reason if isinstance(reason, ContextError) else ContextCanceledError()
        if error is not reason:
            error.__cause__ = reason
        self._end(error)

    def on_end(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call `callback` once when the context is over, at once if it is; return what takes it back.

        It runs on the thread that ends the context and must be quick. What it raises is logged: an attempt's end must go on.
        """
        with _listeners_lock:
            if self._callbacks is None:
                self._callbacks = []
            self._callbacks.append(callback)
        if self._why is not None:
            self._wake()
        return lambda: self._forget(callback)

    def run_async(self, awaitable: Awaitable[_R]) -> _R:
        """Run an awaitable to its end from plain code and return its result; cancelled when the context is over."""

        async def whole() -> _R:
            return await awaitable

        return asyncio.run(whole())

    async def run_plain(self, function: Callable[..., _R], *args: object) -> _R:
        """Run a plain function that may block on a thread of its own and return its result."""
        return await asyncio.to_thread(function, *args)

    def _end(self, why: ContextError | type[ContextError]) -> None:
        if self._why is None:
            self._why = why
        if self._event is not None or self._callbacks is not None:
            self._wake()

    def _wake(self) -> None:
        with _listeners_lock:
            callbacks, self._callbacks = self._callbacks or [], None
            event = self._event
        if event is not None:
            event.set()
        for callback in callbacks:
            try:
                callback()
            except BaseException:  # noqa: BLE001 - the user's code, on whatever thread ended the context
                _log.exception("a callback of Context.on_end failed")

    def _forget(self, callback: Callable[[], object]) -> None:
        with _listeners_lock:
            if self._callbacks and callback in self._callbacks:
                self._callbacks.remove(callback)


class _ValueContext(Context):
    """A context with one more value; everything else is its parent's."""

    __slots__ = ("_key", "_parent", "_value")

    def __init__(self, parent: Context, key: object, value: object) -> None:
        super().__init__()
        self._parent = parent
        self._key = key
        self._value = value

    @property
    def deadline(self) -> datetime | None:
        return self._parent.deadline

    @property
    def task_id(self) -> str | None:
        return self._parent.task_id

    @property
    def retry_count(self) -> int | None:
        return self._parent.retry_count

    @property
    def max_retry(self) -> int | None:
        return self._parent.max_retry

    @property
    def queue_name(self) -> str | None:
        return self._parent.queue_name

    @property
    def err(self) -> ContextError | None:
        return self._parent.err

    def cancelled(self) -> bool:
        return self._parent.cancelled()

    def wait(self, seconds: float | None = None) -> bool:
        return self._parent.wait(seconds)

    def value(self, key: object, default: object = None) -> object:
        return self._value if key == self._key else self._parent.value(key, default)

    def cancel(self, reason: AsynqError | None = None) -> None:
        self._parent.cancel(reason)

    def on_end(self, callback: Callable[[], object]) -> Callable[[], None]:
        return self._parent.on_end(callback)

    def run_async(self, awaitable: Awaitable[_R]) -> _R:
        return self._parent.run_async(awaitable)

    async def run_plain(self, function: Callable[..., _R], *args: object) -> _R:
        return await self._parent.run_plain(function, *args)


def background() -> Context:
    """Return a context that nobody has cancelled: the parent of a server's contexts unless the configuration gives another."""
    return Context()


def get_task_id(ctx: Context) -> str | None:
    """Return the id of the task that `ctx` belongs to; None outside a handler (Go: GetTaskID)."""
    return ctx.task_id


def get_retry_count(ctx: Context) -> int | None:
    """Return how often the task has been retried; None outside a handler (Go: GetRetryCount)."""
    return ctx.retry_count


def get_max_retry(ctx: Context) -> int | None:
    """Return how many retries the task may have; None outside a handler (Go: GetMaxRetry)."""
    return ctx.max_retry


def get_queue_name(ctx: Context) -> str | None:
    """Return the queue the task came from; None outside a handler (Go: GetQueueName)."""
    return ctx.queue_name
