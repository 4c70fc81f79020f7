"""What if the user's code calls the server back, hangs, or raises where nobody expects it?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from asynq_compat.config import Config
from asynq_compat.context import Context, get_task_id
from asynq_compat.rules.task_state import TaskState
from asynq_compat.servemux import HandlerFunc, ServeMux
from asynq_compat.server import Server
from asynq_compat.task import Task
from tests.server.ground import PATIENCE_S, Ground, wait_until


def nothing(ctx: Context, task: Task) -> None:
    """Handle a task by doing nothing."""


def ends_in_time(call: Callable[[], object]) -> bool:
    """Return whether `call` returns, on a thread of its own."""
    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(PATIENCE_S)
    return not caller.is_alive()


@pytest.mark.parametrize("method", ["ping", "stop", "shutdown"])
def test_a_health_check_may_call_the_server_while_it_shuts_down(
    ground: Ground, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutting_down, entered = threading.Event(), threading.Event()
    servers: list[Server] = []

    def tell(error: Exception | None) -> None:
        entered.set()
        if shutting_down.wait(PATIENCE_S):
            getattr(servers[0], method)()

    server = Server(ground.broker, Config(concurrency=1, health_check_func=tell, health_check_interval=0.01))
    servers.append(server)
    server.start(nothing)
    assert entered.wait(PATIENCE_S)
    log = logging.getLogger("asynq_compat")
    hears = _Hears("Starting graceful shutdown", shutting_down)
    log.addHandler(hears)
    try:
        with caplog.at_level(logging.INFO, logger="asynq_compat"):
            assert ends_in_time(server.shutdown)
    finally:
        log.removeHandler(hears)


class _Hears(logging.Handler):
    """Sets an event when a line is logged."""

    def __init__(self, line: str, event: threading.Event) -> None:
        super().__init__()
        self._line = line
        self._event = event

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self._line:
            self._event.set()


@pytest.mark.parametrize("colour", ["plain", "coroutine"])
def test_a_handler_may_shut_its_server_down(ground: Ground, colour: str) -> None:
    """It is then one of those that are waited for: handed back when the time is over, as in Go."""
    servers: list[Server] = []

    def plain(ctx: Context, task: Task) -> None:
        servers[0].shutdown()

    async def coroutine(ctx: Context, task: Task) -> None:
        servers[0].shutdown()

    server = Server(ground.broker, Config(concurrency=1, shutdown_timeout=0.2))
    servers.append(server)
    task_id = ground.enqueue()

    assert ends_in_time(lambda: server.run(plain if colour == "plain" else coroutine))

    ground.wait_for_state(task_id, TaskState.PENDING)
    ground.broker.ping()


def test_a_coroutine_that_blocks_the_loop_does_not_block_the_shutdown(ground: Ground) -> None:
    started, release = threading.Event(), threading.Event()

    async def handle(ctx: Context, task: Task) -> None:
        started.set()
        release.wait(3 * PATIENCE_S)

    server = Server(ground.broker, Config(concurrency=1, shutdown_timeout=0.1))
    server.start(handle)
    task_id = ground.enqueue()
    assert started.wait(PATIENCE_S)

    has_ended = ends_in_time(server.shutdown)
    release.set()

    assert has_ended
    assert ground.state(task_id) is TaskState.PENDING


@pytest.mark.parametrize("ending", ["success", "error", "deadline"])
def test_a_callback_that_raises_costs_no_task_and_no_slot(ground: Ground, ending: str) -> None:

    def handle(ctx: Context, task: Task) -> None:
        if task.type != "noisy":
            return
        ctx.on_end(lambda: 1 // 0)
        if ending == "error":
            raise ValueError("went wrong")
        if ending == "deadline":
            ctx.wait(PATIENCE_S)

    with ground.serving(handle, concurrency=1):
        fields: dict[str, Any] = {"timeout": 1} if ending == "deadline" else {}
        noisy = ground.enqueue("noisy", **fields)
        ground.wait_for_state(noisy, None if ending == "success" else TaskState.RETRY)
        ground.wait_for_state(ground.enqueue("quick"), None)


def test_a_slow_callback_does_not_lose_a_success_at_shutdown(ground: Ground) -> None:
    """The last attempt has ended, but its outcome is not yet with the settler."""
    ending, release = threading.Event(), threading.Event()

    def linger() -> None:
        ending.set()
        release.wait(0.5)

    def handle(ctx: Context, task: Task) -> None:
        ctx.on_end(linger)

    with ground.serving(handle, concurrency=2):
        task_id = ground.enqueue()
        assert ending.wait(PATIENCE_S)

    assert ground.state(task_id) is None


@pytest.mark.parametrize("where", ["base_context", "middleware"])
def test_a_panic_while_a_task_is_prepared_fails_the_task_alone(ground: Ground, where: str) -> None:
    def leave() -> Any:
        raise SystemExit(3)

    def broken(next_handler: HandlerFunc) -> HandlerFunc:
        return next_handler if where == "base_context" else leave()

    mux = ServeMux()
    mux.use(broken)
    mux.handle_func("t", nothing)
    fields = {"base_context": leave} if where == "base_context" else {}

    with ground.serving(mux, **fields):
        for task_id in (ground.enqueue(), ground.enqueue()):
            ground.wait_for_state(task_id, TaskState.RETRY)


@pytest.mark.parametrize("delay", [1e300, -1e300, timedelta.max], ids=str)
def test_a_retry_delay_beyond_gos_is_the_longest_that_go_knows(ground: Ground, delay: float | timedelta) -> None:
    def handle(ctx: Context, task: Task) -> None:
        if task.type == "t":
            raise ValueError("went wrong")

    with ground.serving(handle, concurrency=1, retry_delay_func=lambda n, error, task: delay):
        task_id = ground.enqueue(retry=1)
        if delay == -1e300:
            ground.wait_for_state(task_id, TaskState.ARCHIVED)
        else:
            ground.wait_for_state(task_id, TaskState.RETRY)
        ground.wait_for_state(ground.enqueue("quick"), None)


def test_a_logger_that_raises_stops_nothing(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def debug(self, text: str) -> None:
            raise RuntimeError("the user's logger is broken")

        info = warn = error = fatal = debug

    def handle(ctx: Context, task: Task) -> None:
        raise ValueError("went wrong")

    with ground.serving(handle, logger=Broken(), log_level="debug", concurrency=1):
        for task_id in (ground.enqueue(retry=0), ground.enqueue(retry=0)):
            ground.wait_for_state(task_id, TaskState.ARCHIVED)
    wait_until(lambda: "the user's logger is broken" in capsys.readouterr().err, "nobody was told of the broken logger")


def test_error_handlers_that_block_do_not_wait_for_each_other(ground: Ground) -> None:
    """Coroutines that fail within one turn of the loop are concluded by one thread, but not where that takes its time."""
    together = threading.Barrier(5)
    heard: list[str | None] = []

    async def fail(ctx: Context, task: Task) -> None:
        raise ValueError("at once")

    def wait_for_the_others(ctx: Context, task: Task, error: Exception) -> None:
        together.wait(30)
        heard.append(get_task_id(ctx))

    task_ids = [ground.enqueue() for _ in range(5)]
    with ground.serving(fail, concurrency=5, error_handler=wait_for_the_others):
        for task_id in task_ids:
            ground.wait_for_state(task_id, TaskState.RETRY)

    assert sorted(map(str, heard)) == sorted(task_ids)


def test_a_coroutine_that_blocks_the_loop_holds_up_no_failure(ground: Ground) -> None:
    heard = threading.Event()

    async def handle(ctx: Context, task: Task) -> None:
        if task.payload == b"fails":
            raise ValueError("before the loop is blocked")
        assert heard.wait(30), "nobody heard of the failure while the loop was blocked"

    task_ids = [ground.enqueue(payload=payload) for payload in (b"fails", b"blocks")]
    with ground.serving(handle, concurrency=2, error_handler=lambda ctx, task, error: heard.set()):
        ground.wait_for_state(task_ids[0], TaskState.RETRY)
        ground.wait_for_state(task_ids[1], None)
