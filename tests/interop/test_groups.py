"""Do Go and Python make one task of each other's groups, and see each other's groups?"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import asynq_compat as asynq
from tests.interop.go_oracle import Oracle
from tests.services.waiting import wait_until

S = 1_000_000_000
WAIT_S = 60.0
GO = "groups"


@pytest.fixture
def go_server(go_program: Callable[[str], Path]) -> Iterator[Oracle]:
    with Oracle(go_program("oracle")) as running:
        yield running


def go_enqueues(oracle: Oracle, url: str, payload: bytes, group: str, **more: Any) -> str:
    info = oracle.call("client.enqueue", redis=url, type="part", payload=payload, options=[{"Group": group}], **more)
    assert info["state"] == "aggregating"
    task_id: str = info["id"]
    return task_id


def join(group: str, tasks: list[asynq.Task]) -> asynq.Task:
    headers = {name: value for task in tasks for name, value in (task.headers or {}).items()}
    parts = b",".join(sorted(task.payload or b"" for task in tasks))
    return asynq.Task("joined", group.encode() + b":" + parts, headers=headers)


def test_a_go_clients_group_is_aggregated_by_python(redis_url: str, oracle: Oracle) -> None:
    """Go's inspector sees the group before, and the one task afterwards."""
    seen: list[asynq.Task] = []

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        seen.append(task)

    for number in range(3):
        go_enqueues(oracle, redis_url, b"%d" % number, "letters", headers={"trace": "a1"})
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        client.enqueue(asynq.Task("part", b"3"), group="letters")
        snapshot = oracle.call("inspector.dump", redis=redis_url)["queues"]["default"]
        gos = {one["id"] for one in snapshot["tasks"]["aggregating"]["letters"]}
        assert gos == {one.id for one in inspector.list_aggregating_tasks("default", "letters")}
        assert inspector.groups("default") == [asynq.GroupInfo(group="letters", size=4)]
    config = asynq.Config(
        concurrency=2, group_aggregator=join, group_grace_period=1, group_max_size=4, log_level="error"
    )
    server = asynq.Server(redis_url, config)
    server.start(handle)
    try:
        wait_until(lambda: seen, "the joined task to run", WAIT_S)
    finally:
        server.shutdown()

    assert [(task.type, task.payload, dict(task.headers or {})) for task in seen] == [
        ("joined", b"letters:0,1,2,3", {"trace": "a1"})
    ]
    after = oracle.call("inspector.dump", redis=redis_url)["queues"]["default"]
    assert (after["tasks"]["aggregating"], after["info"]["aggregating"], after["info"]["processed"]) == ({}, 0, 1)


def test_a_python_clients_groups_are_aggregated_by_go_or_python_each_once(
    redis_url: str, oracle: Oracle, go_server: Oracle
) -> None:
    """Both kinds of server look at the same groups; no task is aggregated twice or lost."""
    seen: list[bytes] = []
    start_go_server(go_server, redis_url)
    server = python_server(redis_url, seen)

    def parts() -> list[bytes]:
        gos = [base64.b64decode(one["payload"]) for one in go_server.events() if one["event"] == "start"]
        return [part for payload in [*seen, *gos] for part in payload.split(b"\n")]

    try:
        with asynq.Client(redis_url) as client:
            for number in range(60):
                group = f"g{number % 3}"
                if number % 2:
                    client.enqueue(asynq.Task("part", b"%d" % number), group=group)
                else:
                    go_enqueues(oracle, redis_url, b"%d" % number, group)
        wait_until(lambda: len(parts()) >= 60, "60 parts", WAIT_S)
    finally:
        server.shutdown()
        go_server.call("server.shutdown", name=GO)

    assert sorted(parts(), key=int) == [b"%d" % number for number in range(60)]


def start_go_server(go_server: Oracle, redis_url: str) -> None:
    go_server.call(
        "server.start",
        name=GO,
        redis=redis_url,
        concurrency=2,
        aggregate="joined",
        group_grace_period_ns=S,
        group_max_size=5,
        log_level="fatal",
        behaviours={},
    )


def python_server(redis_url: str, seen: list[bytes]) -> asynq.Server:
    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        seen.append(task.payload or b"")

    config = asynq.Config(
        concurrency=2,
        group_aggregator=lambda _, tasks: asynq.Task("joined", b"\n".join(task.payload or b"" for task in tasks)),
        group_grace_period=1,
        group_max_size=5,
        log_level="error",
    )
    server = asynq.Server(redis_url, config)
    server.start(handle)
    return server
