"""What of a program can be sent to another process, and what is said of the rest?"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.engine.processes.between import program
from asynq_compat.errors import InvalidArgumentError, ServerStateError
from asynq_compat.servemux import Handler, HandlerFunc, ServeMux
from asynq_compat.server import Server
from asynq_compat.task import Task


def top_level(ctx: Context, task: Task) -> None:
    """Handle nothing."""


class Deliverer:
    """A handler that holds what no other process can have a copy of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()

    def process_task(self, ctx: Context, task: Task) -> None:
        """Handle nothing."""

    def method(self, ctx: Context, task: Task) -> None:
        """Handle nothing."""


class Settings:
    """A handler that can be copied."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, ctx: Context, task: Task) -> None:
        """Handle nothing."""


def traced(function: HandlerFunc) -> HandlerFunc:
    @functools.wraps(function)
    def inner(ctx: Context, task: Task) -> object:
        return function(ctx, task)

    return inner


def logging_to(name: str) -> Callable[[HandlerFunc], HandlerFunc]:
    def middleware(following: HandlerFunc) -> HandlerFunc:
        return following

    return middleware


@traced
def decorated(ctx: Context, task: Task) -> None:
    """Handle nothing."""


ANONYMOUS = lambda ctx, task: None  # noqa: E731 - what a user may write
DELIVERER = Deliverer("one")
LOGGING = logging_to("a")


def sent(handler: Handler, **fields: Any) -> tuple[Any, ...]:
    data, needs_main = program.pack_program(handler, Config(processes=2, concurrency=2, **fields))
    assert not needs_main
    return program.unpack_program(data, None)


@pytest.mark.parametrize("handler", [top_level, decorated, ANONYMOUS, DELIVERER])
def test_what_a_module_has_is_the_same_there(handler: Handler) -> None:
    assert sent(handler)[0] is handler


def test_a_method_goes_with_its_object_and_a_copy_with_its_data() -> None:
    assert sent(DELIVERER.method)[0] == DELIVERER.method
    copied = sent(Settings("two"))[0]
    assert (type(copied), copied.name) == (Settings, "two")
    partial = sent(functools.partial(top_level))[0]
    assert partial.func is top_level


def test_a_mux_goes_as_it_is_filled_with_its_middlewares() -> None:
    inner, mux = ServeMux(), ServeMux()
    inner.handle("mail:send", top_level)
    mux.handle("mail:", inner)
    mux.handle("img", DELIVERER)
    mux.use(LOGGING)

    there = sent(mux, is_failure=is_failure)

    assert there[0].handler(Task("mail:send"))[1] == "mail:"
    there[0].process_task(Context(), Task("mail:send"))
    assert there[0].handler(Task("img"))[1] == "img"
    there[0].handle("later", top_level)  # Its locks are its own.
    assert there[3] is is_failure


def is_failure(error: Exception) -> bool:
    return True


def local_handler() -> Handler:
    def local(ctx: Context, task: Task) -> None:
        """Stands where nobody finds it."""

    return local


def mux_with(handler: Handler, *middlewares: Callable[[HandlerFunc], Handler]) -> ServeMux:
    mux = ServeMux()
    mux.handle("img", top_level)
    mux.handle("mail", handler)
    mux.use(*middlewares)
    return mux


@pytest.mark.parametrize(
    ("handler", "fields", "said"),
    [
        (
            mux_with(local_handler()),
            {},
            r"^the handler for 'mail' cannot be sent to a worker process: .*local: no module",
        ),
        (
            mux_with(Deliverer("no")),
            {},
            r"^the handler for 'mail' cannot be sent .* an object of type Deliverer: cannot pickle",
        ),
        (mux_with(top_level, logging_to("b")), {}, r"^middleware 1 cannot be sent .*logging_to"),
        (
            local_handler(),
            {},
            r"^the handler cannot be sent .*local: .*; define it at the top level of a module .*, or leave out",
        ),
        (
            top_level,
            {"error_handler": lambda ctx, task, error: None},
            r"^Config.error_handler cannot be sent .*<lambda>",
        ),
    ],
)
def test_what_cannot_go_is_named_with_what_to_do(handler: Handler, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        sent(handler, **fields)


def test_no_server_starts_while_a_worker_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_is_loading", True)

    with pytest.raises(ServerStateError, match="__main__"):
        Server("memory://").start(top_level)
