"""Do Go's inspector and ours see the same in a Redis that both languages have filled?

Not obvious: both look at one database, so that memory is compared too. When a pending task is processed is "now" to both, so it is left out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import asynq_compat as asynq
from tests.interop import inspector_told as told
from tests.interop.go_oracle import Oracle
from tests.services.waiting import wait_until

WAIT_S = 60.0
SERVED, IDLE = "default", "idle"
STATES = ("pending", "active", "scheduled", "retry", "archived", "completed")
# How many tasks of each state each language leaves behind.
EACH = 2


@pytest.fixture
def filled(redis_url: str, go_program: Callable[[str], Path]) -> Iterator[tuple[Oracle, asynq.Inspector]]:
    """Both languages have enqueued and worked, and still hold active tasks."""
    with ExitStack() as opened:
        oracle = opened.enter_context(Oracle(go_program("oracle")))
        inspector = opened.enter_context(asynq.Inspector(redis_url))
        client = opened.enter_context(asynq.Client(redis_url))
        for queue in (SERVED, IDLE):
            _enqueue_by_go(oracle, redis_url, queue)
            _enqueue_by_python(client, queue)
        _work_by_go(oracle, redis_url, inspector)
        opened.enter_context(_WorkByPython(redis_url, inspector))
        yield oracle, inspector


def _enqueue_by_go(oracle: Oracle, url: str, queue: str) -> None:
    def enqueue(number: int, type_name: str, *options: dict[str, Any]) -> None:
        args = {"headers": {"trace": "g1"}, "options": [{"Queue": queue}, *options]}
        oracle.call("client.enqueue", redis=url, type=type_name, payload=b"go\x00%d" % number, **args)

    for number in range(EACH):
        enqueue(number, "later", {"ProcessIn": (3600 + number) * 10**9}, {"Unique": 900 * 10**9})
        enqueue(number, "grouped", {"Group": f"g{number}"}, {"MaxRetry": 3})
        if queue == IDLE:
            enqueue(number, "waits", {"Timeout": 90 * 10**9}, {"Deadline": 2_000_000_000 * 10**9})
        else:
            for kind in ("wait", "fail", "skip"):
                enqueue(number, f"go-{kind}")
            enqueue(number, "go-ok", {"Retention": (3600 + number) * 10**9})


def _enqueue_by_python(client: asynq.Client, queue: str) -> None:
    def enqueue(number: int, type_name: str, **options: Any) -> None:
        task = asynq.new_task_with_headers(type_name, b"py\xff%d" % number, {"trace": "p1"})
        client.enqueue(task, queue=queue, **options)

    for number in range(EACH):
        enqueue(number, "later", process_in=7200 + number, unique=900)
        enqueue(number, "grouped", group=f"g{number}", max_retry=3)
        if queue == IDLE:
            enqueue(number, "waits", timeout=90, retention=60)
        else:
            for kind in ("wait", "fail", "skip"):
                enqueue(number, f"py-{kind}")
            enqueue(number, "py-ok", retention=5400 + number)


def _work_by_go(oracle: Oracle, url: str, inspector: asynq.Inspector) -> None:
    """Go's server works on all of the queue; what is Python's it gives back by failing, to be run later."""
    behaviours = {
        "go-wait": {"do": "wait"},
        "go-fail": {"do": "fail", "text": "Go says Ünal"},
        "go-skip": {"do": "skip"},
        "go-ok": {"do": "ok", "result": "Z28="},
        **{f"py-{kind}": {"do": "fail", "text": "not mine"} for kind in ("wait", "fail", "skip", "ok")},
    }
    oracle.call(
        "server.start",
        name="go",
        redis=url,
        concurrency=4,
        queues={SERVED: 2},
        retry_delay_ns=3600 * 10**9,
        behaviours=behaviours,
        log_level="fatal",
    )
    wait_until(lambda: _is_worked_off(inspector, active=EACH), "Go to have worked off the queue", WAIT_S)


class _WorkByPython:
    """Our server works on what Go's gave back, and holds what shall stay active until the end."""

    def __init__(self, url: str, inspector: asynq.Inspector) -> None:
        self._url = url
        self._inspector = inspector
        self._may_end = threading.Event()
        self._server = asynq.Server(
            url,
            asynq.Config(
                concurrency=6,
                queues={SERVED: 3},
                strict_priority=True,
                retry_delay_func=lambda *_: 3600,
                log_level="fatal",
            ),
        )

    def __enter__(self) -> None:
        self._server.start(self._handle)
        for info in self._inspector.list_retry_tasks(SERVED, page_size=0):
            if info.type.startswith("py-"):
                self._inspector.run_task(SERVED, info.id)
        wait_until(lambda: _is_worked_off(self._inspector, active=2 * EACH), "Python to have worked it off", WAIT_S)
        wait_until(self._are_all_told, "both servers to tell of all that is active", WAIT_S)

    def __exit__(self, *_: object) -> None:
        self._may_end.set()
        self._server.shutdown()

    def _are_all_told(self) -> bool:
        return sorted(len(server.active_workers) for server in self._inspector.servers()) == [EACH, EACH]

    def _handle(self, _: asynq.Context, task: asynq.Task) -> None:
        assert task.result_writer is not None
        match task.type:
            case "py-wait":
                self._may_end.wait(WAIT_S)
            case "py-skip":
                raise asynq.SkipRetry("never")
            case "py-ok":
                task.result_writer.write(b"py")
            case _:
                raise ValueError("Python says Ünal")


def _is_worked_off(inspector: asynq.Inspector, *, active: int) -> bool:
    info = inspector.get_queue_info(SERVED)
    return (info.pending, info.active) == (0, active)


def _seen_by_go(oracle: Oracle, url: str) -> dict[str, Any]:
    dump = oracle.call("inspector.dump", redis=url)
    queues = {
        name: {
            "info": {key: value for key, value in queue["info"].items() if key not in ("latency_ns", "timestamp_ns")},
            "tasks": {state: [_timeless(told.go_task(one)) for one in queue["tasks"][state]] for state in STATES},
            "groups": {
                group: [told.go_task(one) for one in tasks] for group, tasks in queue["tasks"]["aggregating"].items()
            },
            "history": [_dateless(one) for one in oracle.call("inspector.history", redis=url, queue=name, days=3)],
        }
        for name, queue in dump["queues"].items()
    }
    return {"queues": queues, "servers": sorted(map(told.go_server, dump["servers"]), key=_pid)}


def _seen_by_us(inspector: asynq.Inspector) -> dict[str, Any]:
    queues = {
        name: {
            "info": told.queue(inspector.get_queue_info(name)),
            "tasks": {
                state: [
                    _timeless(told.task(one)) for one in getattr(inspector, f"list_{state}_tasks")(name, page_size=0)
                ]
                for state in STATES
            },
            "groups": {
                one.group: [told.task(info) for info in inspector.list_aggregating_tasks(name, one.group, page_size=0)]
                for one in inspector.groups(name)
            },
            "history": [_dateless(told.day(one)) for one in inspector.history(name, 3)],
        }
        for name in inspector.queues()
    }
    return {"queues": queues, "servers": sorted(map(told.server, inspector.servers()), key=_pid)}


def _servers_are_the_same(oracle: Oracle, url: str, inspector: asynq.Inspector) -> bool:
    gos, ours = _seen_by_go(oracle, url)["servers"], _seen_by_us(inspector)["servers"]
    return bool(ours == gos) and [len(server["active_workers"]) for server in ours] == [EACH, EACH]


def _timeless(task: dict[str, Any]) -> dict[str, Any]:
    return task if task["state"] != "pending" else task | {"next_process_at": None}


def _dateless(day: dict[str, Any]) -> dict[str, Any]:
    return day | {"date": None}


def _pid(server: dict[str, Any]) -> tuple[int, str]:
    return server["pid"], server["id"]


@pytest.mark.timeout(240)
def test_every_field_of_every_queue_task_server_and_day_is_the_same(
    redis_url: str, filled: tuple[Oracle, asynq.Inspector]
) -> None:
    oracle, inspector = filled
    infos = [inspector.get_queue_info(queue) for queue in (SERVED, IDLE)]
    counts = {state: sum(getattr(info, state) for info in infos) for state in (*STATES, "aggregating")}
    assert min(counts.values()) >= 2 * EACH, f"all seven states, by both languages: {counts}"

    gos, ours = _seen_by_go(oracle, redis_url), _seen_by_us(inspector)

    assert ours["queues"] == gos["queues"]
    # On a busy machine a heartbeat may come too late, and a server be away for a moment.
    wait_until(lambda: _servers_are_the_same(oracle, redis_url, inspector), "both to see the same servers", WAIT_S)


@pytest.mark.timeout(240)
def test_every_task_is_the_same_by_its_id(redis_url: str, filled: tuple[Oracle, asynq.Inspector]) -> None:
    oracle, inspector = filled
    ids = [
        (queue, info.id)
        for queue in (SERVED, IDLE)
        for state in STATES
        for info in getattr(inspector, f"list_{state}_tasks")(queue, page_size=0)
    ]

    for queue, task_id in ids:
        gos = oracle.call("inspector.get_task_info", redis=redis_url, queue=queue, task_id=task_id)
        ours = told.task(inspector.get_task_info(queue, task_id))
        assert _timeless(ours) == _timeless(told.go_task(gos))
