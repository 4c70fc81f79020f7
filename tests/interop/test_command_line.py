"""Does our command line say of a Redis what Go's inspector says of it, and does Go see what it changes?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.interop.go_oracle import Oracle
from tests.services.waiting import wait_until

NS_PER_S = 1_000_000_000
STATES = ("active", "pending", "scheduled", "retry", "archived", "completed")


@pytest.fixture
def filled(oracle: Oracle, redis_url: str, go_program: Callable[[str], Path]) -> Iterator[str]:
    """The URL of a Redis in which Go's server left tasks in six states."""

    def enqueue(type_name: str, task_id: str, **options: Any) -> None:
        given = [{"TaskID": task_id}, *({name: value} for name, value in options.items())]
        oracle.call(
            "client.enqueue", redis=redis_url, type=type_name, payload=b"\xff{}", headers={"h": "1"}, options=given
        )

    enqueue("ok", "completed", Retention=3600 * NS_PER_S)
    enqueue("fail", "retry", MaxRetry=7, Timeout=90 * NS_PER_S)
    enqueue("skip", "archived", Deadline=4_000_000_000 * NS_PER_S)
    enqueue("wait", "active")
    enqueue("later", "scheduled", ProcessIn=7200 * NS_PER_S)
    for number in range(40):
        enqueue("low", f"pending{number}", Queue="low")
    with Oracle(go_program("oracle")) as own:
        own.call(
            "server.start",
            name="go",
            redis=redis_url,
            concurrency=4,
            queues={"default": 1},
            retry_delay_ns=3600 * NS_PER_S,
            behaviours={
                "fail": {"do": "fail", "text": "boom"},
                "skip": {"do": "skip"},
                "wait": {"do": "wait"},
                "ok": {"do": "ok", "result": b"42"},
            },
        )

        def has_one_of_each() -> bool:
            tasks = oracle.call("inspector.list_tasks", redis=redis_url, queue="default")
            return all(len(tasks[state]) == 1 for state in STATES if state != "pending")

        wait_until(has_one_of_each, "Go's server has come through its tasks", 60)
        yield redis_url
        own.kill()


def ask(url: str, *arguments: str) -> Any:
    """Run the program as a user does; return what it said as JSON, or its text."""
    program = Path(sys.executable).with_name("asynq-compat")
    done = subprocess.run([program, "--broker", url, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def test_every_field_of_every_task_and_queue_is_as_go_tells_it(filled: str, oracle: Oracle) -> None:
    go = oracle.call("inspector.dump", redis=filled)["queues"]

    assert ask(filled, "queue", "ls", "--json") == sorted(go)
    for name, of_queue in go.items():
        (queue,) = ask(filled, "queue", "inspect", name, "--json")
        info = of_queue["info"]
        same = ("queue", "size", "paused", "groups", *STATES, "aggregating", "processed", "failed")
        for field in (*same, "processed_total", "failed_total"):
            assert queue[field] == info[field], field
        # Go asked a moment earlier, and reads the same clock.
        assert 0 <= queue["latency"] - info["latency_ns"] / NS_PER_S < 120
        for state in STATES:
            told = ask(filled, "task", "ls", "-q", name, "-s", state, "--size", "100", "--json")
            assert [_of_go(task) for task in told] == [_moment_apart(task) for task in of_queue["tasks"][state]], state


def test_the_second_page_is_go_s(filled: str, oracle: Oracle) -> None:
    go = oracle.call("inspector.list_tasks", redis=filled, queue="low")["pending"]

    told = ask(filled, "task", "ls", "-q", "low", "-s", "pending", "--page", "2", "--size", "15", "--json")

    assert [task["id"] for task in told] == [task["id"] for task in go[15:30]]


def test_stats_have_go_s_names_and_numbers(filled: str, oracle: Oracle) -> None:
    told = ask(filled, "stats", "--json")

    go = {name: queue["info"] for name, queue in oracle.call("inspector.dump", redis=filled)["queues"].items()}
    for state in (*STATES, "aggregating", "processed", "failed"):
        assert told["aggregate"][state] == sum(info[state] for info in go.values())
    for queue in told["queues"]:
        info = go[queue["Queue"]]
        assert queue["Size"] == info["size"]
        assert queue["Paused"] == info["paused"]
        assert queue["FailedTotal"] == info["failed_total"]
        assert 0 <= info["latency_ns"] - queue["Latency"] < 120 * NS_PER_S


def test_servers_and_days_are_go_s(filled: str, oracle: Oracle) -> None:
    looks: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = []

    def are_told() -> bool:
        """Go's server tells every five seconds; where it comes too late, it is away for a moment."""
        looks.append((ask(filled, "server", "ls", "--json"), oracle.call("inspector.servers", redis=filled)))
        return all([len(one["active_workers"]) for one in seen] == [1] for seen in looks[-1])

    wait_until(are_told, "both to see Go's server and its worker", 60)
    ((server,), (go,)) = looks[-1]
    (days,) = ask(filled, "queue", "history", "default", "--days", "5", "--json")

    for field in ("id", "host", "pid", "concurrency", "queues", "strict_priority", "status"):
        assert server[field] == go[field], field
    assert round(datetime.fromisoformat(server["started"]).timestamp()) - go["start_time"][0] in {0, 1}
    (worker,), (of_go,) = server["active_workers"], go["active_workers"]
    for field in ("task_id", "task_type", "queue"):
        assert worker[field] == of_go[field], field
    assert worker["task_payload_base64"] == of_go["task_payload"]
    go_days = oracle.call("inspector.history", redis=filled, queue="default", days=5)
    assert [(day["date"], day["processed"], day["failed"]) for day in days["days"]] == [
        (day["day"], day["processed"], day["failed"]) for day in go_days
    ]


def test_go_sees_what_the_command_line_changes(filled: str, oracle: Oracle) -> None:
    of_retry = ("--queue", "default", "--id", "retry")

    ask(filled, "queue", "pause", "low")
    ask(filled, "task", "runall", "--queue", "default", "--state", "scheduled")
    ask(filled, "task", "archive", *of_retry)
    ask(filled, "task", "delete", "--queue", "low", "--id", "pending0", "--yes")
    ask(
        filled,
        "task",
        "enqueue",
        "-t",
        "mine",
        "-l",
        "hi",
        "-q",
        "low",
        "-i",
        "mine",
        "--retry",
        "3",
        "--process-in",
        "1h",
    )

    go = oracle.call("inspector.dump", redis=filled)["queues"]
    assert go["low"]["info"]["paused"] is True
    assert [task["id"] for task in go["default"]["tasks"]["archived"]] == ["archived", "retry"]
    assert go["low"]["info"]["pending"] == 39
    assert go["default"]["info"]["scheduled"] == 0
    (mine,) = go["low"]["tasks"]["scheduled"]
    assert (mine["id"], mine["type"], mine["max_retry"]) == ("mine", "mine", 3)


def _of_go(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task of ours in the oracle's words."""

    def seconds(name: str) -> int | None:
        return None if task[name] is None else round(datetime.fromisoformat(task[name]).timestamp())

    same = ("id", "queue", "type", "state", "max_retry", "retried", "last_err", "group", "is_orphaned")
    return {
        **{name: task[name] for name in same},
        "payload": task["payload_base64"],
        "headers": task["headers"],
        "result": task["result_base64"] or None,
        "timeout_ns": round(timedelta(seconds=task["timeout"]).total_seconds()) * NS_PER_S,
        "retention_ns": round(timedelta(seconds=task["retention"]).total_seconds()) * NS_PER_S,
        **{name: seconds(name) for name in ("last_failed_at", "deadline", "completed_at")},
        "next_process_at": "now" if task["state"] == "pending" else seconds("next_process_at"),
    }


def _moment_apart(task: dict[str, Any]) -> dict[str, Any]:
    """Return Go's task; a pending one is to run now, and now is another moment for who asks later."""
    at = task["next_process_at"]
    return {**task, "next_process_at": "now" if task["state"] == "pending" else None if at is None else at[0]}
