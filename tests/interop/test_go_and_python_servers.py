"""Do a Go and a Python server share one queue, and does each take care of the other's tasks when it dies?

Not obvious: recovery begins when a lease has been over for 30 s. The tests do not wait: they move the lease's end in Redis back.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import asynq_compat as asynq
from tests.interop.go_oracle import Oracle
from tests.interop.worker_process import WorkerProcess
from tests.services.waiting import wait_until

S = 1_000_000_000
TASKS = 5_000
WAIT_S = 60.0


@pytest.fixture
def inspector(redis_url: str) -> Iterator[asynq.Inspector]:
    with asynq.Inspector(redis_url) as inspector:
        yield inspector


def start_go(oracle: Oracle, url: str, **behaviours: dict[str, Any]) -> None:
    oracle.call(
        "server.start",
        name="go",
        redis=url,
        concurrency=10,
        queues={"default": 1},
        retry_delay_ns=1,
        task_check_interval_ns=S // 20,
        delayed_task_check_interval_ns=S // 4,
        behaviours=behaviours,
        log_level="fatal",
    )


def starts(oracle: Oracle) -> list[dict[str, Any]]:
    return [event for event in oracle.events() if event["event"] == "start"]


def end_lease(url: str, task_id: str) -> None:
    """Make the task's lease have ended a minute ago."""
    with redis.Redis.from_url(url) as database:
        assert database.zadd("asynq:{default}:lease", {task_id: int(time.time()) - 61}, xx=True, ch=True) == 1


def is_gone(inspector: asynq.Inspector, task_id: str) -> bool:
    try:
        inspector.get_task_info("default", task_id)
    except asynq.TaskNotFoundError:
        return True
    return False


@pytest.mark.timeout(240)
def test_both_servers_work_on_one_queue_and_each_task_runs_once(
    redis_url: str, inspector: asynq.Inspector, go_program: Callable[[str], Path]
) -> None:
    with Oracle(go_program("oracle")) as oracle, WorkerProcess(redis_url) as worker:
        start_go(oracle, redis_url, quick={"do": "ok"})
        wait_until(lambda: len(inspector.servers()) == 2, "both servers to live", WAIT_S)
        ids: list[str] = []

        def enqueue_by_go() -> None:
            told = oracle.call("client.enqueue_n", redis=redis_url, type="quick", payload=b"1", n=TASKS // 2)
            ids.extend(told["ids"])

        go_client = threading.Thread(target=enqueue_by_go)
        go_client.start()
        with asynq.Client(redis_url) as client:
            for _ in range(0, TASKS // 2, 50):
                outcomes = client.enqueue_many([asynq.Task("quick", b"1") for _ in range(50)])
                ids.extend(outcome.id for outcome in outcomes if isinstance(outcome, asynq.TaskInfo))
            go_client.join(WAIT_S)
            assert len(ids) == TASKS

            def have_both_had_some() -> bool:
                ids.append(client.enqueue(asynq.Task("quick", b"1")).id)
                return bool(starts(oracle) and worker.told("start"))

            # One of them may have been held up until the other had done all.
            wait_until(have_both_had_some, "a task for each server", WAIT_S)
        wait_until(lambda: inspector.get_queue_info("default").processed == len(ids), "all processed", WAIT_S)
        worker.stop()
        by_go, by_python = starts(oracle), worker.told("start")

    info = inspector.get_queue_info("default")
    started = Counter(event["task_id"] for event in [*by_go, *by_python])
    assert len(set(ids)) == len(ids)
    assert started == Counter(ids), "each task is started exactly once"
    assert (info.size, info.failed) == (0, 0)


def test_python_recovers_what_a_killed_go_server_was_working_on(
    redis_url: str, inspector: asynq.Inspector, go_program: Callable[[str], Path]
) -> None:
    with asynq.Client(redis_url) as client, Oracle(go_program("oracle")) as oracle:
        start_go(oracle, redis_url, job={"do": "wait"})
        task_id = client.enqueue(asynq.Task("job", b"1")).id
        wait_until(lambda: starts(oracle), "Go to start the task", WAIT_S)
        oracle.kill()
    end_lease(redis_url, task_id)
    (orphan,) = inspector.list_active_tasks("default")
    assert (orphan.id, orphan.is_orphaned) == (task_id, True)

    with WorkerProcess(redis_url) as worker:
        wait_until(lambda: is_gone(inspector, task_id), "Python to recover and finish the task", WAIT_S)
        worker.stop()  # Then all that it told has been read.
        started = worker.told("start")

    assert [(event["task_id"], event["retried"]) for event in started] == [(task_id, 1)]
    assert (inspector.get_queue_info("default").processed, inspector.get_queue_info("default").failed) == (2, 1)


def test_go_recovers_what_a_killed_python_server_was_working_on(
    redis_url: str, inspector: asynq.Inspector, go_program: Callable[[str], Path]
) -> None:
    with asynq.Client(redis_url) as client, WorkerProcess(redis_url) as worker:
        task_id = client.enqueue(asynq.Task("hang")).id
        wait_until(lambda: worker.told("start"), "Python to start the task", WAIT_S)
        worker.kill()
    end_lease(redis_url, task_id)

    with Oracle(go_program("oracle")) as oracle:
        start_go(oracle, redis_url, hang={"do": "ok"})
        wait_until(lambda: is_gone(inspector, task_id), "Go to recover and finish the task", WAIT_S)
        started = starts(oracle)
        oracle.call("server.shutdown", name="go")

    assert [(event["task_id"], event["retried"]) for event in started] == [(task_id, 1)]
    assert (inspector.get_queue_info("default").processed, inspector.get_queue_info("default").failed) == (2, 1)
