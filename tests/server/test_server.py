"""Does a server live as Go's does?"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, cast

import pytest

from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.errors import InvalidArgumentError, ServerClosedError, ServerStateError
from asynq_compat.server import Server
from asynq_compat.task import Task
from tests.server.ground import PATIENCE_S, Ground, wait_until


def nothing(ctx: Context, task: Task) -> None:
    """Handle a task by doing nothing."""


def test_start_says_why_not_with_gos_words(ground: Ground) -> None:
    server = Server(ground.broker, Config(concurrency=1))
    with pytest.raises(InvalidArgumentError, match="asynq: server cannot run with nil handler"):
        server.start(cast("Any", None))

    server.start(nothing)
    with pytest.raises(ServerStateError, match="asynq: the server is already running"):
        server.start(nothing)
    server.stop()
    with pytest.raises(ServerStateError, match="asynq: the server is in the stopped state"):
        server.start(nothing)
    server.shutdown()
    with pytest.raises(ServerClosedError, match="asynq: Server closed"):
        server.start(nothing)


def test_a_start_tells_once_what_of_the_configuration_is_ignored(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(ground.broker, Config(concurrency=1, queues={"a": 0, "b": -1}))
    server.start(nothing)
    server.shutdown()

    (line,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("queues: ignored are 'a' (0), 'b' (-1), since")
    assert line.endswith("served are 'default' (1)")


def test_stop_and_shutdown_are_legal_in_every_state(ground: Ground) -> None:
    server = Server(ground.broker, Config(concurrency=1))

    server.stop()
    server.shutdown()
    server.ping()
    server.start(nothing)
    server.ping()
    server.stop()
    server.stop()
    server.ping()
    server.shutdown()
    server.shutdown()
    server.stop()
    server.ping()


def test_a_broker_that_was_handed_in_stays_open(ground: Ground) -> None:
    with ground.serving(nothing):
        pass

    ground.broker.ping()
    ground.enqueue()


def test_no_thread_is_left_behind(ground: Ground) -> None:
    before = set(threading.enumerate())

    with ground.serving(nothing, health_check_func=lambda error: None):
        ground.wait_for_state(ground.enqueue(), None)

    wait_until(
        lambda: not [t for t in set(threading.enumerate()) - before if t.name.startswith("asynq-worker")],
        lambda: str(threading.enumerate()),
    )
    duties = {"asynq-heartbeater", "asynq-processor", "asynq-settler", "asynq-loop", "asynq-subscriber"}
    assert not duties & {t.name for t in set(threading.enumerate()) - before}


def test_run_ends_when_another_thread_shuts_down(ground: Ground) -> None:
    server = Server(ground.broker, Config(concurrency=1))
    runner = threading.Thread(target=server.run, args=(nothing,))
    runner.start()
    ground.wait_for_state(ground.enqueue(), None)

    server.shutdown()

    runner.join(PATIENCE_S)
    assert not runner.is_alive()


@pytest.mark.parametrize("colour", [0, 1])
def test_no_more_than_concurrency_run_at_a_time(ground: Ground, colour: int) -> None:
    lock = threading.Lock()
    now, most = 0, 0
    all_slots = (
        threading.Event()
    )  # Until then whoever has one keeps it: one alone may be quicker than the next is taken.

    def count(by: int) -> None:
        nonlocal now, most
        with lock:
            now += by
            most = max(most, now)
        if most >= 3:
            all_slots.set()

    def plain(ctx: Context, task: Task) -> None:
        count(1)
        all_slots.wait(PATIENCE_S)
        ctx.wait(0.02)
        count(-1)

    async def coroutine(ctx: Context, task: Task) -> None:
        count(1)
        await asyncio.to_thread(all_slots.wait, PATIENCE_S)
        await asyncio.sleep(0.02)
        count(-1)

    ids = [ground.enqueue() for _ in range(30)]
    with ground.serving([plain, coroutine][colour], concurrency=3):
        wait_until(lambda: all(ground.state(task_id) is None for task_id in ids), "some of 30 tasks are left")

    assert most == 3


def test_the_log_tells_gos_story(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="asynq_compat"), ground.serving(nothing):
        pass

    lines = [record.getMessage() for record in caplog.records if record.name == "asynq_compat"]
    assert lines == [
        "Starting processing",
        "Starting graceful shutdown",
        "Waiting for all workers to finish...",
        "All workers have finished",
        "Exiting",
    ]


def test_health_is_told_every_interval(ground: Ground) -> None:
    told: list[Exception | None] = []

    def tell(error: Exception | None) -> None:
        told.append(error)
        raise RuntimeError("the user's function is broken")

    with ground.serving(nothing, health_check_func=tell, health_check_interval=0.01):
        wait_until(lambda: len(told) >= 2, lambda: f"told {told}")

    assert set(told) == {None}


def test_a_logger_with_gos_methods_gets_the_lines(ground: Ground) -> None:
    lines: list[str] = []

    class Logger:
        def debug(self, text: str) -> None:
            lines.append(f"debug {text}")

        def info(self, text: str) -> None:
            lines.append(f"info {text}")

        def warn(self, text: str) -> None:
            lines.append(f"warn {text}")

        def error(self, text: str) -> None:
            lines.append(f"error {text}")

        def fatal(self, text: str) -> None:
            lines.append(f"fatal {text}")

    with ground.serving(nothing, logger=Logger(), log_level="debug"):
        pass

    assert "info Starting processing" in lines
    assert "debug Processor shutting down..." in lines
