"""How do tasks of all servers together keep to a limit?

Contract: thread-safe. A `Semaphore` counts the tasks that hold a token of its scope, over all processes on the broker; on Redis Go's
processes too (`asynq:sema:<scope>`). Nobody waits for a token: a handler that gets none fails, and the task comes again later.
Not obvious: a token that is not released counts up to the task's deadline and a second more. A handler that is `async def` awaits
`acquire_async`, since a call to the broker blocks the event loop.
Source: asynq's module `x/rate`; docs/semantics.md, "acquire_token".
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from asynq_compat.connect import BrokerTarget, HeldBroker
from asynq_compat.context import Context
from asynq_compat.errors import InvalidArgumentError, NotFoundError, remedied
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.rules.limits import TOKEN_COUNT_MAX, is_blank, is_utf8, shown


@suggesting_fields
class Semaphore:
    """A counting semaphore. ``with Semaphore(...) as semaphore:`` closes it.

    Args:
        target: An option object, a URL, or a `Broker`, which is used as it was opened.
        scope: Its name; whoever uses the same name on the same broker shares it.
        max_tokens: How many tasks may hold a token at a time, at least 1.
        clock: Who says what time it is.

    Raises:
        InvalidArgumentError: `max_tokens` or `scope` is wrong; nothing was opened.
    """

    def __init__(self, target: BrokerTarget, scope: str, max_tokens: int, *, clock: Clock | None = None) -> None:
        self.max_tokens = _checked_tokens(max_tokens)
        self.scope = _checked_scope(scope)
        self._held = HeldBroker(target, "Semaphore", clock=clock)

    def acquire(self, ctx: Context) -> bool:
        """Hold a token for the task of `ctx` until `release` or its deadline; False when all are held.

        Raises:
            InvalidArgumentError: `ctx` has no deadline or no task: it is not a handler's.
            ContextError: `ctx` is over.
            BrokerUnavailableError: No answer; the token may be held up to the deadline.
        """
        self._held.check_open()
        _check_context(ctx)
        deadline = ctx.deadline
        if deadline is None:
            raise remedied("provided context must have a deadline", _WHICH)
        task_id = _task_id(ctx)
        if ctx.err is not None:
            raise ctx.err
        return self._held.broker.limiting.acquire(self.scope, self.max_tokens, task_id, int(deadline.timestamp()))

    def release(self, ctx: Context) -> None:
        """Give the token of the task of `ctx` back, also when the context is over.

        Raises:
            InvalidArgumentError: `ctx` has no task.
            NotFoundError: The task holds no token (any more).
            BrokerUnavailableError: No answer; the token may be held up to the deadline.
        """
        self._held.check_open()
        task_id = _task_id(ctx)
        if not self._held.broker.limiting.release(self.scope, task_id):
            raise NotFoundError(f"no token found for task {go_quoted(task_id)}")

    async def acquire_async(self, ctx: Context) -> bool:
        """Do what `acquire` does, from an `async def` handler."""
        return await ctx.run_plain(self.acquire, ctx)

    async def release_async(self, ctx: Context) -> None:
        """Do what `release` does, from an `async def` handler."""
        await ctx.run_plain(self.release, ctx)

    def close(self) -> None:
        """Let go of the broker, unless it was passed in open; tokens stay held. Legal twice."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _checked_tokens(max_tokens: object) -> int:
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens > TOKEN_COUNT_MAX:
        raise InvalidArgumentError(f"max_tokens must be an integer up to {TOKEN_COUNT_MAX}, got {shown(max_tokens)}")
    if max_tokens < 1:
        raise remedied("rate.NewSemaphore: maxTokens cannot be less than 1", f"max_tokens is {max_tokens}")
    return max_tokens


def _checked_scope(scope: object) -> str:
    if not isinstance(scope, str) or not is_utf8(scope):
        raise InvalidArgumentError(f"scope must be text, got {shown(scope)}")
    if is_blank(scope):
        raise remedied("rate.NewSemaphore: scope should not be empty", f"it names what is limited, got {shown(scope)}")
    return scope


def _check_context(ctx: object) -> None:
    if not isinstance(ctx, Context):
        raise InvalidArgumentError(f"ctx must be the context that a handler is given, got {shown(ctx)}")


def _task_id(ctx: Context) -> str:
    _check_context(ctx)
    task_id = ctx.task_id
    if task_id is None:
        raise remedied("provided context is missing task ID value", _WHICH)
    return task_id


_WHICH = "pass the one that the handler is given"
new_semaphore = Semaphore  # Go: rate.NewSemaphore
