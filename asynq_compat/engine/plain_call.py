"""How does a coroutine call a function that may block?

Contract: a `PlainCall` is an item of the pool; its future has the result. When the attempt that it belongs to ends before it does, the
thread is given up for lost and replaced.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from asynq_compat.context import Context

_R = TypeVar("_R")


class PlainCall(Generic[_R]):
    """One call of a plain function on a thread of the pool, in the caller's context variables."""

    def __init__(self, ctx: Context, replace: Callable[[], None], function: Callable[..., _R], *args: object) -> None:
        self.future: concurrent.futures.Future[_R] = concurrent.futures.Future()
        self._ctx = ctx
        self._replace = replace
        self._function = function
        self._args = args
        self._variables = contextvars.copy_context()
        self._lock = (
            threading.Lock()
        )  # Guards the two flags: who comes first, the end of the call or that of its attempt.
        self._has_ended = False
        self._is_lost = False

    def __call__(self) -> bool:
        """Run it; return False when the thread was replaced in the meantime."""
        if not self.future.set_running_or_notify_cancel():
            return True
        forget = self._ctx.on_end(self._lose)
        try:
            result = self._variables.run(self._function, *self._args)
        except BaseException as error:  # noqa: BLE001 - the user's code; the caller gets it
            stays = self._stays()
            self.future.set_exception(error)
        else:
            stays = self._stays()
            self.future.set_result(result)
        forget()
        return stays

    def _stays(self) -> bool:
        with self._lock:
            self._has_ended = True
            return not self._is_lost

    def _lose(self) -> None:
        with self._lock:
            if self._has_ended or self._is_lost:
                return
            self._is_lost = True
        self._replace()
