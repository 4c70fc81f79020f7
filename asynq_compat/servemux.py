"""Which handler runs a task?

Contract: register before or while the server runs; lookups are thread-safe. An exact pattern wins, else the longest one that is a
prefix of the type, by plain string prefix: ``img`` matches ``imgur:x``. The pattern "" matches what nothing else does (ours: Go
refuses it; white space alone is refused by both).
Not obvious: what cannot be called with (ctx, task) is refused where it is registered, since otherwise each task would fail by it, retry by
retry. Only plain functions and methods are looked at: a decorator may take what the function behind it does not. Each middleware is called once per dispatch, to build the chain, also around the not-found handler. What it is given as
`next` suits its colour: called in a coroutine it returns an awaitable, called in plain code it runs to the end and returns the result,
whatever the handler behind it is. So one plain middleware serves both kinds of handler (it costs an async one a thread's hop).
Source: asynq v0.26.0 `ServeMux`; docs/semantics.md, "mux".
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import types
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from asynq_compat.context import Context
from asynq_compat.errors import HandlerNotFoundError, InvalidPatternError
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.limits import is_blank, shown
from asynq_compat.task import Task

# What it returns is not looked at, unless it is an awaitable: that is awaited. It fails by raising.
# Any, not object: a middleware may await what its `next` gives without a cast.
HandlerFunc = Callable[[Context, Task], Any]


@runtime_checkable
class SupportsProcessTask(Protocol):
    """An object that handles tasks (Go: Handler); the method may be `async def`."""

    def process_task(self, ctx: Context, task: Task, /) -> object:
        """Handle one task; raise when it failed."""


Handler = HandlerFunc | SupportsProcessTask
MiddlewareFunc = Callable[[HandlerFunc], Handler]
_F = TypeVar("_F", bound=HandlerFunc)
_M = TypeVar("_M", bound=Callable[..., Any])
_BOTH_COLOURS = "is_of_both_colours"

# How many task types are remembered with their handler; types may be made up without end, patterns are not.
_REMEMBERED_TYPES_MAX = 1024


def as_function(handler: Handler | None) -> HandlerFunc:
    """Return what is called with (ctx, task).

    Raises:
        InvalidPatternError: It is neither callable nor has `process_task`, or a call of it would run nothing.
    """
    function = handler.process_task if isinstance(handler, SupportsProcessTask) else handler
    if not callable(function):
        raise InvalidPatternError(
            f"asynq: nil handler, got {shown(handler)}; pass a function of (ctx, task), a ServeMux or an object with process_task"
        )
    if _has_colour(function, inspect.isgeneratorfunction) or _has_colour(function, inspect.isasyncgenfunction):
        raise InvalidPatternError(
            "a handler must run when it is called, got a generator function; write it without yield"
        )
    return function


def check_handler(handler: Handler | None) -> None:
    """Look whether `handler` can run tasks, as far as can be told without a call.

    Raises:
        InvalidPatternError: `as_function` refuses it, it is a class in place of its object, or it does not take (ctx, task).
    """
    function = as_function(handler)
    if isinstance(handler, type) and isinstance(handler, SupportsProcessTask):
        raise InvalidPatternError(
            f"a handler must be an object, got the class {handler.__name__}; write {handler.__name__}()"
        )
    _check_takes(function, "a handler", "ctx", "task")


def _check_takes(function: Callable[..., object], what: str, *names: str) -> None:
    plain = function.__func__ if type(function) is types.MethodType else function
    if type(plain) is not types.FunctionType or "__signature__" in vars(plain):
        return
    signature = inspect.signature(function, follow_wrapped=False)
    try:
        signature.bind(*names)
    except TypeError:
        wanted = ", ".join(names)
        raise InvalidPatternError(
            f"{what} is called with ({wanted}), got {plain.__qualname__}{signature}; write def {plain.__name__}({wanted})"
        ) from None


def is_async(function: HandlerFunc) -> bool:
    """Return True when calling `function` gives a coroutine, as far as can be told without a call."""
    return _has_colour(function, inspect.iscoroutinefunction)


def _has_colour(function: HandlerFunc, is_so: Callable[[object], bool]) -> bool:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return is_so(inner) or is_so(getattr(inner, "__call__", None))  # noqa: B004 - its colour is asked for, not whether it is callable


def of_both_colours(middleware: _M) -> _M:
    """Mark a middleware that gives a coroutine function for one and a plain function for a plain one: its `next` is the handler itself."""
    vars(middleware)[_BOTH_COLOURS] = True
    return middleware


def not_found(ctx: Context, task: Task) -> None:
    """Fail because no handler is registered for the type.

    Raises:
        HandlerNotFoundError: Always.
    """
    del ctx
    raise HandlerNotFoundError(f"handler not found for task {go_quoted(task.type)}")


def not_found_handler() -> HandlerFunc:
    """Return the handler of tasks that no pattern matches."""
    return not_found


class ServeMux:
    """Routes tasks to handlers by type. It is a handler itself and may stand inside another mux."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # One registration at a time; lookups read what was there before or after.
        self._handlers: dict[str, Handler] = {}
        self._longest_first: tuple[str, ...] = ()
        self._middlewares: tuple[MiddlewareFunc, ...] = ()
        self._remembered: dict[str, tuple[HandlerFunc, str, bool]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy in another process has to know."""
        return {name: value for name, value in vars(self).items() if name not in {"_lock", "_remembered"}}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _lock=threading.Lock(), _remembered={})

    def handle(self, pattern: str, handler: Handler) -> None:
        """Let `handler` (a callable, or an object with `process_task`) run the types that begin with `pattern`.

        Raises:
            InvalidPatternError: The pattern is no text, white space, registered already, or there is no handler that takes (ctx, task).
        """
        with self._lock:
            _check_pattern(pattern)
            check_handler(handler)
            if pattern in self._handlers:
                raise InvalidPatternError(f"asynq: multiple registrations for {pattern}; one pattern has one handler")
            self._handlers[pattern] = handler
            self._longest_first = tuple(sorted(self._handlers, key=len, reverse=True))
            self._remembered = {}

    def handle_func(self, pattern: str, function: HandlerFunc) -> None:
        """Let `function`, a `def` or `async def` of (ctx, task), run the types that begin with `pattern`.

        Raises:
            InvalidPatternError: As for `handle`.
        """
        check_handler(function)
        self.handle(pattern, function)

    def on(self, pattern: str) -> Callable[[_F], _F]:
        """Decorate a function: `handle_func` written above it.

        Raises:
            InvalidPatternError: As for `handle`, at once where the pattern is no text: ``@mux.on`` lacks its pattern.
        """
        if not isinstance(pattern, str):
            raise InvalidPatternError(
                f'asynq: invalid pattern {shown(pattern)}; write @mux.on("type") above the handler'
            )

        def register(function: _F) -> _F:
            self.handle_func(pattern, function)
            return function

        return register

    def use(self, *middlewares: MiddlewareFunc) -> None:
        """Wrap every handler, whenever it is registered; the first middleware is outermost.

        Raises:
            InvalidPatternError: One of them cannot be called with the next handler; none is used then.
        """
        for middleware in middlewares:
            if not callable(middleware):
                raise InvalidPatternError(
                    f"a middleware must be callable, got {shown(middleware)}; it takes a handler and returns one"
                )
            _check_takes(middleware, "a middleware", "next")
        with self._lock:
            self._middlewares += middlewares

    def handler(self, task: Task) -> tuple[HandlerFunc, str]:
        """Return the handler of `task`, wrapped, and the pattern it was registered for; "" when none matches."""
        function, pattern, _ = self._find(task)
        return self._wrapped(function), pattern

    def route(self, task: Task) -> tuple[HandlerFunc, bool]:
        """Return the handler of `task`, wrapped, and whether it is a coroutine function: what a server asks per task."""
        function, _, is_coroutine = self._find(task)
        if not self._middlewares:
            return function, is_coroutine
        wrapped = self._wrapped(function)
        return wrapped, is_async(wrapped)

    def fixed_route(self, type_name: str) -> tuple[HandlerFunc, bool] | None:
        """Return what `route` gives for every task of this type, as long as nothing is registered; None if each has to be asked for."""
        found = None if self._middlewares else self._remembered.get(type_name)
        return None if found is None else (found[0], found[2])

    def process_task(self, ctx: Context, task: Task) -> object:
        """Run the handler of `task`. An `async def` one gives an awaitable, which the caller awaits."""
        return self.handler(task)[0](ctx, task)

    def _wrapped(self, function: HandlerFunc) -> HandlerFunc:
        for middleware in reversed(self._middlewares):
            suited = function if getattr(middleware, _BOTH_COLOURS, False) else _suited(function)
            made = middleware(suited)
            if made is None:
                raise InvalidPatternError(
                    f"a middleware must return a handler, got None from {shown(middleware)}; return it"
                )
            function = as_function(made)
        return function

    def _find(self, task: Task) -> tuple[HandlerFunc, str, bool]:
        found = self._remembered.get(task.type)
        if found is not None:
            return found
        pattern = task.type if task.type in self._handlers else self._longest_prefix(task.type)
        handler = not_found if pattern is None else self._handlers[pattern]
        if isinstance(handler, ServeMux):
            function, is_coroutine = handler.route(task)
            return function, pattern or "", is_coroutine
        function = as_function(handler)
        found = function, pattern or "", is_async(function)
        remembered = self._remembered
        if len(remembered) < _REMEMBERED_TYPES_MAX:
            remembered[task.type] = found
        return found

    def _longest_prefix(self, type_name: str) -> str | None:
        return next((pattern for pattern in self._longest_first if type_name.startswith(pattern)), None)


def parts_of(handler: Handler) -> list[tuple[str, object]]:
    """Return what a handler consists of, each with what an error message calls it."""
    if not isinstance(handler, ServeMux):
        return [("the handler", handler)]
    state = vars(handler)
    middlewares = [(f"middleware {number}", one) for number, one in enumerate(state["_middlewares"], 1)]
    return middlewares + [(f"the handler for {pattern!r}", one) for pattern, one in state["_handlers"].items()]


new_serve_mux = ServeMux  # Go: NewServeMux


def _check_pattern(pattern: object) -> None:
    if not isinstance(pattern, str) or (pattern and is_blank(pattern)):
        raise InvalidPatternError(f"asynq: invalid pattern {shown(pattern)}; give a task's type, or its beginning")


def _suited(function: HandlerFunc) -> HandlerFunc:
    """Return `function` as a middleware's `next`: awaitable in a coroutine, run to its end in plain code."""

    def next_handler(ctx: Context, task: Task) -> object:
        if _inside_a_loop():
            return function(ctx, task) if is_async(function) else _off_the_loop(function, ctx, task)
        result = function(ctx, task)
        return ctx.run_async(cast("Awaitable[object]", result)) if inspect.isawaitable(result) else result

    return next_handler


async def _off_the_loop(function: HandlerFunc, ctx: Context, task: Task) -> object:
    result = await ctx.run_plain(function, ctx, task)
    return await result if inspect.isawaitable(result) else result


def _inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
