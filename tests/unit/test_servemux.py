"""Does a mux route as Go's, whatever the colours of handlers and middlewares?"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast

import pytest

from asynq_compat.context import Context
from asynq_compat.errors import HandlerNotFoundError, InvalidPatternError
from asynq_compat.servemux import HandlerFunc, ServeMux, is_async, not_found_handler
from asynq_compat.server import Server
from asynq_compat.task import Task


def dispatch(mux: ServeMux, type_name: str) -> object:
    """Run a task as a program without a server would."""
    result = mux.process_task(Context(), Task(type_name))
    if inspect.isawaitable(result):

        async def whole() -> object:
            return await cast("Awaitable[object]", result)

        return asyncio.run(whole())
    return result


def recorder(calls: list[str], name: str, *, asynchronous: bool = False) -> HandlerFunc:
    if asynchronous:

        async def handle_async(ctx: Context, task: Task) -> None:
            await asyncio.sleep(0)
            calls.append(f"{name}({task.type})")

        return handle_async

    def handle(ctx: Context, task: Task) -> None:
        calls.append(f"{name}({task.type})")

    return handle


@pytest.mark.parametrize(
    ("type_name", "pattern"),
    [
        ("img", "img"),
        ("imgur:x", "img"),
        ("img:thumb", "img:thumb"),
        ("img:thumb:small", "img:thumb"),
        ("email:send", "email:"),
        ("im", ""),
    ],
)
def test_exact_then_longest_prefix(type_name: str, pattern: str) -> None:
    calls: list[str] = []
    mux = ServeMux()
    for known in ("img", "email:", "img:thumb"):
        mux.handle(known, recorder(calls, known))

    handler, found = mux.handler(Task(type_name))

    assert found == pattern
    if pattern:
        handler(Context(), Task(type_name))
        assert calls == [f"{pattern}({type_name})"]
    else:
        with pytest.raises(HandlerNotFoundError):
            handler(Context(), Task(type_name))


def test_the_empty_pattern_takes_the_rest() -> None:
    calls: list[str] = []
    mux = ServeMux()
    mux.handle("", recorder(calls, "rest"))
    mux.handle("a", recorder(calls, "a"))

    dispatch(mux, "abc")
    dispatch(mux, "xyz")

    assert calls == ["a(abc)", "rest(xyz)"]


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(HandlerNotFoundError, match='handler not found for task "nope"'):
        dispatch(ServeMux(), "nope")
    with pytest.raises(HandlerNotFoundError):
        not_found_handler()(Context(), Task("nope"))


def test_wrong_registrations_are_refused_with_gos_words() -> None:
    mux = ServeMux()
    mux.handle_func("a", lambda ctx, task: None)

    with pytest.raises(InvalidPatternError, match="asynq: invalid pattern"):
        mux.handle(" ", lambda ctx, task: None)
    with pytest.raises(InvalidPatternError, match="asynq: nil handler"):
        mux.handle("b", cast("Any", None))
    with pytest.raises(InvalidPatternError, match="asynq: nil handler"):
        mux.handle_func(" ", cast("Any", None))
    with pytest.raises(InvalidPatternError, match="asynq: multiple registrations for a"):
        mux.handle("a", lambda ctx, task: None)


class OneArgument:
    def process_task(self, task: Task) -> None: ...


def of_one_argument(task: Task) -> None: ...


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (5, r"nil handler, got 5; pass a function of \(ctx, task\)"),
        (of_one_argument, r"got of_one_argument\(task: 'Task'\) -> 'None'; write def of_one_argument\(ctx, task\)"),
        (OneArgument(), r"got OneArgument.process_task\(task: .*; write def process_task\(ctx, task\)"),
        (ServeMux, r"got the class ServeMux; write ServeMux\(\)"),
    ],
)
def test_what_does_not_take_ctx_and_task_is_refused_where_it_is_registered(handler: Any, words: str) -> None:
    with pytest.raises(InvalidPatternError, match=words):
        ServeMux().handle("a", handler)
    with pytest.raises(InvalidPatternError, match=words):
        Server("memory://").start(handler)


def test_a_decorator_may_take_what_the_function_behind_it_does_not() -> None:
    @functools.wraps(of_one_argument)
    def wrapped(ctx: Context, task: Task) -> None: ...

    for handler in (
        wrapped,
        lambda *args: None,
        lambda ctx, task, more=1: None,
        functools.partial(max, key=str),
        print,
    ):
        ServeMux().handle("a", handler)


def test_a_middleware_that_is_none_is_refused() -> None:
    mux = ServeMux()

    with pytest.raises(
        InvalidPatternError, match="a middleware must be callable, got 5; it takes a handler and returns one"
    ):
        mux.use(lambda handler: handler, cast("Any", 5))
    with pytest.raises(
        InvalidPatternError, match=r"a middleware is called with \(next\), got .*<lambda>\(ctx, task\); write"
    ):
        mux.use(cast("Any", lambda ctx, task: None))
    mux.handle("a", lambda ctx, task: None)
    dispatch(mux, "a")
    mux.use(cast("Any", lambda handler: None))
    with pytest.raises(InvalidPatternError, match="a middleware must return a handler, got None from <function"):
        dispatch(mux, "a")


def test_on_without_its_pattern_is_refused_and_says_what_to_write() -> None:
    mux = ServeMux()

    with pytest.raises(InvalidPatternError, match=r'invalid pattern <function .*; write @mux.on\("type"\)'):
        mux.on(cast("Any", lambda ctx, task: None))


def test_on_decorates_and_leaves_the_function_alone() -> None:
    mux = ServeMux()

    @mux.on("a")
    def handle(ctx: Context, task: Task) -> str:
        return "ran"

    assert handle(Context(), Task("a")) == "ran"
    assert dispatch(mux, "a") == "ran"


def test_objects_and_muxes_are_handlers() -> None:
    class Greeter:
        async def process_task(self, ctx: Context, task: Task) -> str:
            return "hello"

    inner, outer = ServeMux(), ServeMux()
    inner.handle("a:greet", Greeter())
    outer.handle("a:", inner)

    assert dispatch(outer, "a:greet") == "hello"
    with pytest.raises(HandlerNotFoundError):
        dispatch(outer, "a:other")


def test_a_pattern_registered_later_is_seen() -> None:
    calls: list[str] = []
    mux = ServeMux()
    mux.handle("a", recorder(calls, "a"))
    dispatch(mux, "ab")

    mux.handle("ab", recorder(calls, "ab"))
    dispatch(mux, "ab")

    assert calls == ["a(ab)", "ab(ab)"]


def plain_middleware(calls: list[str], name: str) -> Callable[[HandlerFunc], HandlerFunc]:
    def wrap(next_handler: HandlerFunc) -> HandlerFunc:
        calls.append(f"build {name}")

        def handle(ctx: Context, task: Task) -> None:
            calls.append(f"> {name}")
            next_handler(ctx, task)
            calls.append(f"< {name}")

        return handle

    return wrap


def async_middleware(calls: list[str], name: str) -> Callable[[HandlerFunc], HandlerFunc]:
    def wrap(next_handler: HandlerFunc) -> HandlerFunc:
        calls.append(f"build {name}")

        async def handle(ctx: Context, task: Task) -> None:
            calls.append(f"> {name}")
            await next_handler(ctx, task)
            calls.append(f"< {name}")

        return handle

    return wrap


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("outer", [plain_middleware, async_middleware])
@pytest.mark.parametrize("inner", [plain_middleware, async_middleware])
def test_middlewares_of_any_colour_wrap_handlers_of_any_colour(outer: Any, inner: Any, asynchronous: bool) -> None:
    calls: list[str] = []
    mux = ServeMux()
    mux.use(outer(calls, "outer"), inner(calls, "inner"))
    mux.handle("t", recorder(calls, "handler", asynchronous=asynchronous))

    dispatch(mux, "t")

    assert calls == [
        "build inner",
        "build outer",
        "> outer",
        "> inner",
        "handler(t)",
        "< inner",
        "< outer",
    ]


def test_middlewares_are_called_once_per_dispatch_and_around_not_found() -> None:
    calls: list[str] = []
    mux = ServeMux()
    mux.handle("t", recorder(calls, "handler"))
    mux.use(plain_middleware(calls, "m"))

    dispatch(mux, "t")
    dispatch(mux, "t")
    with pytest.raises(HandlerNotFoundError):
        dispatch(mux, "unknown")

    assert calls.count("build m") == 3
    assert calls.count("> m") == 3


def test_colours_are_told_without_a_call() -> None:
    class AsyncCall:
        async def __call__(self, ctx: Context, task: Task) -> None: ...

    assert is_async(recorder([], "x", asynchronous=True))
    assert is_async(functools.partial(recorder([], "x", asynchronous=True)))
    assert is_async(AsyncCall())
    assert not is_async(recorder([], "x"))


def test_what_runs_nothing_when_it_is_called_is_refused() -> None:
    def generator(ctx: Context, task: Task) -> Iterator[int]:
        yield 1

    async def asynchronous(ctx: Context, task: Task) -> AsyncIterator[int]:
        yield 1

    mux = ServeMux()
    for handler in (generator, asynchronous, functools.partial(generator)):
        with pytest.raises(InvalidPatternError, match="without yield"):
            mux.handle("t", handler)


def test_a_route_is_fixed_only_where_nobody_is_asked_on_the_way() -> None:
    mux, inner = ServeMux(), ServeMux()
    inner.handle("in:", _handle)
    mux.handle("out:", _handle)
    mux.handle("in:", inner)
    assert mux.fixed_route("out:x") is None, "it was not looked for yet"

    for type_name in ("out:x", "in:x"):
        mux.route(Task(type_name))

    assert mux.fixed_route("out:x") == mux.route(Task("out:x")) == (_handle, True)
    assert mux.fixed_route("in:x") is None, "a mux within may get a middleware"
    mux.handle("out:x", lambda ctx, task: None)
    assert mux.fixed_route("out:x") is None, "another handler may be nearer"
    mux.route(Task("out:x"))
    mux.use(lambda next_handler: next_handler)
    assert mux.fixed_route("out:x") is None, "a middleware is called for each task"


async def _handle(_ctx: Context, _task: Task) -> None:
    pass
