"""Does a task come to the same end when a test runs it as when a server does?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.testing import Sandbox, VirtualClock
from tests.services.waiting import wait_until

CONFIG = asynq.Config(concurrency=1, retry_delay_func=lambda retried, error, task: 60)


def _write(ctx: asynq.Context, task: asynq.Task) -> None:
    assert task.result_writer is not None
    task.result_writer.write(b"42")


def _raise(error: BaseException) -> Callable[..., None]:
    def handler(ctx: asynq.Context, task: asynq.Task) -> None:
        raise error

    return handler


def _raise_from(ctx: asynq.Context, task: asynq.Task) -> None:
    raise ValueError("bad address") from asynq.SkipRetry()


async def _write_async(ctx: asynq.Context, task: asynq.Task) -> None:
    await asyncio.sleep(0)
    _write(ctx, task)


async def _cancel_itself(ctx: asynq.Context, task: asynq.Task) -> None:
    raise asyncio.CancelledError


def _generate(ctx: asynq.Context, task: asynq.Task) -> Iterator[int]:
    yield 1


HANDLERS: dict[str, asynq.HandlerFunc] = {
    "done": lambda ctx, task: None,
    "writes": _write,
    "writes async": _write_async,
    "fails": _raise(RuntimeError("no such user")),
    "skips": _raise(asynq.SkipRetry("hopeless")),
    "skips by cause": _raise_from,
    "revokes": _raise(asynq.RevokeTask("not wanted")),
    "panics": _raise(SystemExit(3)),
    "cancels": _cancel_itself,
    "generates": lambda ctx, task: _generate(ctx, task),  # noqa: PLW0108 - the function by itself is refused at once
}
OPTIONS: list[dict[str, Any]] = [{}, {"retention": 3600}, {"max_retry": 0}, {"unique": 60}]


def _mux() -> asynq.ServeMux:
    mux = asynq.ServeMux()
    for name, handler in HANDLERS.items():
        mux.handle_func(name, handler)
    return mux


def _enqueue(sandbox: Sandbox, options: dict[str, Any]) -> None:
    for name in (*HANDLERS, "unheard-of"):
        sandbox.client.enqueue(asynq.Task(name), task_id=name, **options)


def _seen(sandbox: Sandbox) -> dict[str, tuple[object, ...]]:
    inspector = sandbox.inspector
    tasks = [
        *inspector.list_retry_tasks("default"),
        *inspector.list_archived_tasks("default"),
        *inspector.list_completed_tasks("default"),
    ]
    found = {one.id: (one.state, one.retried, one.last_err, one.result, one.next_process_at) for one in tasks}
    info = inspector.get_queue_info("default")
    return {**found, "counts": (info.size, info.processed, info.failed, info.pending, info.active)}


def _by_a_server(options: dict[str, Any]) -> dict[str, tuple[object, ...]]:
    with Sandbox(VirtualClock()) as sandbox:
        _enqueue(sandbox, options)
        server = asynq.Server(config=CONFIG)
        server.start(_mux())
        wait_until(
            lambda: sandbox.inspector.get_queue_info("default").processed == len(HANDLERS) + 1, "all have run", 60
        )
        server.shutdown()
        return _seen(sandbox)


def _by_a_test(options: dict[str, Any]) -> dict[str, tuple[object, ...]]:
    with Sandbox(VirtualClock()) as sandbox:
        _enqueue(sandbox, options)
        sandbox.run_all(_mux(), CONFIG)
        return _seen(sandbox)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options), "none"))
def test_a_test_and_a_server_come_to_the_same(options: dict[str, Any]) -> None:
    by_a_server, by_a_test = _by_a_server(options), _by_a_test(options)

    assert by_a_test == by_a_server
    assert len(by_a_test) > 5
