"""Does the oracle tell what Go does?"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asynq_compat.wire import TaskMessage
from tests.interop.go_oracle import Oracle, OracleError, message_of

SECOND_NS = 1_000_000_000
NOW_NS = 1_700_000_000 * SECOND_NS
BEHAVIOURS: dict[str, dict[str, Any]] = {
    "ok": {"do": "ok", "result": b"done"},
    "once": {"do": "fail_once", "text": "first"},
    "skip": {"do": "skip"},
    "panic": {"do": "panic", "text": "ouch"},
    "revoke": {"do": "revoke"},
}


def _ended(task_id: str, times: int = 1) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda events: sum(e["event"] == "end" and e["task_id"] == task_id for e in events) >= times


def test_single_operations_of_the_broker_obey_the_given_time(oracle: Oracle, redis_url: str) -> None:
    oracle.call("rdb.open", redis=redis_url, now_ns=NOW_NS)
    message = TaskMessage(type="t", payload=b"p", id="1", queue="q", retry=2, timeout=10)

    oracle.call("rdb.enqueue", message=message)
    with pytest.raises(OracleError) as conflict:
        oracle.call("rdb.enqueue", message=message)
    taken = oracle.call("rdb.dequeue", queues=["q"], now_ns=NOW_NS + SECOND_NS)
    with pytest.raises(OracleError) as empty:
        oracle.call("rdb.dequeue", queues=["q"])
    oracle.call("rdb.retry", message=message, process_at_ns=NOW_NS + 9 * SECOND_NS, error_msg="boom", is_failure=True)
    stored = oracle.call("rdb.get_task_info", queue="q", task_id="1")

    assert "rdb.ErrTaskIdConflict" in conflict.value.names
    assert message_of(taken["message"]) == message
    assert taken["lease_expires_ns"] == NOW_NS + 31 * SECOND_NS
    assert empty.value.code == "NOT_FOUND"
    assert stored["state"] == "retry"
    assert stored["next_process_at"] == [1_700_000_009, 0]
    assert message_of(stored["message"]).last_failed_at == 1_700_000_001
    assert oracle.call("rdb.current_stats", queue="q")["failed_total"] == 1
    oracle.call("rdb.close")


def test_an_unknown_argument_is_an_error(oracle: Oracle) -> None:
    with pytest.raises(OracleError, match="unknown field"):
        oracle.call("unique", queue="q", typ="t")


def test_a_server_does_what_it_is_told(go_program: Callable[[str], Path], redis_url: str) -> None:
    with Oracle(go_program("oracle")) as go:
        go.call(
            "server.start",
            name="s",
            redis=redis_url,
            concurrency=4,
            queues={"low": 1},
            retry_delay_ns=0,
            delayed_task_check_interval_ns=SECOND_NS // 20,
            task_check_interval_ns=SECOND_NS // 20,
            behaviours=BEHAVIOURS,
        )
        for kind in BEHAVIOURS:
            options = [
                {"Queue": "low"},
                {"TaskID": kind},
                {"Retention": 60 * SECOND_NS},
                {"MaxRetry": 1 if kind != "panic" else 0},
            ]
            go.call("client.enqueue", redis=redis_url, type=kind, payload=b"x", headers={"h": "v"}, options=options)
        for kind in BEHAVIOURS:
            events = go.wait_for(_ended(kind, 2 if kind == "once" else 1))
        go.call("server.shutdown", name="s")
        dump = go.call("inspector.dump", redis=redis_url)

    starts = [event for event in events if event["event"] == "start" and event["task_id"] == "once"]
    assert [event["retried"] for event in starts] == [0, 1]
    assert starts[0]["headers"] == {"h": "v"}
    tasks = dump["queues"]["low"]["tasks"]
    assert {task["id"]: base64.b64decode(task["result"] or "") for task in tasks["completed"]} == {
        "ok": b"done",
        "once": b"",
    }
    assert {task["id"]: task["last_err"] for task in tasks["archived"]}.keys() == {"skip", "panic"}
    assert dump["queues"]["low"]["info"]["processed"] == 6
    assert dump["servers"] == []


def test_many_tasks_are_enqueued_by_one_call(oracle: Oracle, redis_url: str) -> None:
    enqueued = oracle.call(
        "client.enqueue_n", redis=redis_url, type="t", n=20, options=[{"ProcessIn": 3600 * SECOND_NS}]
    )

    assert len(set(enqueued["ids"])) == 20
    assert oracle.call("inspector.get_queue_info", redis=redis_url, queue="default")["scheduled"] == 20
    oracle.call("client.close", redis=redis_url)
