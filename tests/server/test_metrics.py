"""Does a server tell Prometheus what it does?"""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest

from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.errors import InvalidArgumentError, ServerStateError
from asynq_compat.rules.task_state import TaskState
from asynq_compat.server import Server
from asynq_compat.task import Task
from tests.server import process_handlers as handlers
from tests.server.ground import Ground, wait_until

ANY_PORT = "127.0.0.1:0"
_RUNNING = 'asynq_server_tasks_in_progress{queue="default"}'


def told(server: Server) -> Mapping[str, float]:
    """Return what the server tells, by line."""
    with urllib.request.urlopen(f"http://{server.metrics_addr}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def told_at_rest(server: Server) -> Mapping[str, float]:
    """Return what it tells once nothing runs: a failure's end is on its way to the broker before its slot is seen as free."""
    wait_until(lambda: told(server)[_RUNNING] == 0, lambda: told(server))
    return told(server)


def _timed(metrics: Mapping[str, float]) -> float:
    """Return of how many tasks is known how long they took."""
    return sum(value for name, value in metrics.items() if name.startswith("asynq_server_task_duration_seconds_count"))


@pytest.mark.parametrize("is_async", [False, True])
def test_tasks_are_counted_by_queue_and_type(ground: Ground, is_async: bool) -> None:
    def plain(ctx: Context, task: Task) -> None:
        if task.type == "bad":
            raise ValueError("no")
        if task.type == "excused":
            raise KeyError("not yet")

    async def coroutine(ctx: Context, task: Task) -> None:
        await asyncio.sleep(0)
        plain(ctx, task)

    ids = [ground.enqueue("good", retention=600) for _ in range(20)]
    bad = ground.enqueue("bad", retry=0)
    excused = ground.enqueue("excused", retry=3)
    with ground.serving(
        coroutine if is_async else plain,
        metrics_addr=ANY_PORT,
        is_failure=lambda error: not isinstance(error, KeyError),
        retry_delay_func=lambda retried, error, task: 600,
    ) as server:
        for task_id in ids:
            ground.wait_for_state(task_id, TaskState.COMPLETED)
        ground.wait_for_state(bad, TaskState.ARCHIVED)
        ground.wait_for_state(excused, TaskState.RETRY)
        metrics = told_at_rest(server)

    def count(name: str, task_type: str) -> float | None:
        return metrics.get(f'asynq_server_{name}{{queue="default",task_type="{task_type}"}}')

    assert [count("tasks_processed_total", one) for one in ("good", "bad", "excused")] == [20, 1, None]
    assert [count("tasks_failed_total", one) for one in ("good", "bad", "excused")] == [None, 1, None]
    assert sum(count("task_duration_seconds_count", one) or 0 for one in ("good", "bad", "excused")) == 22
    assert metrics['asynq_server_task_wait_seconds_count{queue="default"}'] == 22
    assert metrics['asynq_server_task_wait_seconds_bucket{le="+Inf",queue="default"}'] == 22
    assert metrics["asynq_server_concurrency"] == 4
    assert metrics['asynq_tasks_enqueued_total{queue="default",state="completed"}'] == 20
    assert metrics["process_cpu_seconds_total"] > 0
    is_journal = ground.broker.observing is not None
    assert any(name.startswith("asynq_journal_behind_entries") for name in metrics) is is_journal


def test_what_worker_processes_do_is_told_by_their_server(ground: Ground) -> None:
    ids = [ground.enqueue("plain", retention=600) for _ in range(20)]
    bad = ground.enqueue("raise:skip")
    with ground.serving(handlers.MUX, processes=2, metrics_addr=ANY_PORT) as server:
        for task_id in ids:
            ground.wait_for_state(task_id, TaskState.COMPLETED)
        ground.wait_for_state(bad, TaskState.ARCHIVED)
        # A task's end is on its way to the broker before it is counted how long it took.
        wait_until(lambda: _timed(told(server)) == 21, lambda: told(server))
        metrics = told(server)

    of_plain, of_bad = 'queue="default",task_type="plain"', 'queue="default",task_type="raise:skip"'
    assert metrics[f"asynq_server_tasks_processed_total{{{of_plain}}}"] == 20
    assert metrics[f"asynq_server_tasks_failed_total{{{of_bad}}}"] == 1
    assert metrics[f"asynq_server_task_duration_seconds_count{{{of_plain}}}"] == 20
    assert metrics[f"asynq_server_task_duration_seconds_count{{{of_bad}}}"] == 1


def test_what_runs_and_how_long_it_took(ground: Ground) -> None:
    go_on = threading.Event()

    def wait(ctx: Context, task: Task) -> None:
        go_on.wait(30)
        ctx.wait(0.3)

    task_id = ground.enqueue("slow")
    with ground.serving(wait, metrics_addr=ANY_PORT) as server:
        wait_until(lambda: told(server)[_RUNNING] == 1, "a task that runs")
        go_on.set()
        ground.wait_for_state(task_id, None)
        metrics = told(server)

    of_it = 'queue="default",task_type="slow"'
    assert metrics[f"asynq_server_task_duration_seconds_sum{{{of_it}}}"] >= 0.3
    assert metrics[f'asynq_server_task_duration_seconds_bucket{{le="0.25",{of_it}}}'] == 0
    assert metrics[f"asynq_server_task_duration_seconds_count{{{of_it}}}"] == 1


def test_a_handler_that_returns_a_coroutine_is_timed_to_its_end(ground: Ground) -> None:
    async def rest() -> None:
        await asyncio.sleep(0.2)

    def handler(ctx: Context, task: Task) -> object:
        return rest()

    task_id = ground.enqueue("t")
    with ground.serving(handler, metrics_addr=ANY_PORT) as server:
        ground.wait_for_state(task_id, None)
        metrics = told(server)

    assert metrics['asynq_server_task_duration_seconds_sum{queue="default",task_type="t"}'] >= 0.2


def test_the_port_is_free_behind_the_server(ground: Ground) -> None:
    with ground.serving(lambda ctx, task: None, metrics_addr=ANY_PORT) as server:
        addr = str(server.metrics_addr)
        with urllib.request.urlopen(f"http://{addr}/healthz", timeout=30) as answer:
            assert answer.read() == b"ok\n"

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{addr}/healthz", timeout=30)
    assert not [one for one in threading.enumerate() if one.name == "asynq-metrics"]


def test_a_port_in_use_is_told_at_the_start_and_nothing_is_left(ground: Ground) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        addr = f"127.0.0.1:{taken.getsockname()[1]}"
        server = Server(ground.url, Config(metrics_addr=addr))

        with pytest.raises(ServerStateError, match=f"metrics cannot be served at {addr}: .*in use"):
            server.start(lambda ctx, task: None)

    server.start(lambda ctx, task: None)  # The port is free now.
    server.shutdown()


def test_what_is_no_address_is_refused_by_the_configuration() -> None:
    with pytest.raises(InvalidArgumentError, match="a host and a port"):
        Config(metrics_addr="9090")
    assert Config().metrics_addr is Config(metrics_addr="").metrics_addr is None
