"""Does Asynqmon, asynq's web interface, see in a Redis what our command line sees?"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import asynq_compat as asynq
from tests.interop.test_inspectors_agree import filled as filled_by_both  # noqa: F401 - a fixture
from tests.services.waiting import wait_until

STATES = ("active", "pending", "scheduled", "retry", "archived", "completed")
_LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def filled(request: pytest.FixtureRequest, redis_url: str) -> Iterator[str]:
    """The URL of a Redis that both languages have filled, and where a scheduler runs."""
    request.getfixturevalue("filled_by_both")
    scheduler = asynq.Scheduler(redis_url, asynq.SchedulerOpts(heartbeat_interval=3))
    scheduler.register("@every 1h", asynq.Task("tick", b"{}"), queue="ticks", timeout=30)
    scheduler.register("0 4 * * *", asynq.Task("nightly", b"\xff"))
    with scheduler, asynq.Inspector(redis_url) as inspector:
        wait_until(lambda: len(inspector.scheduler_entries()) == 2, "the scheduler tells of its entries", 60)
        yield redis_url


@pytest.fixture
def asynqmon(filled: str, go_program: Callable[[str], Path]) -> Iterator[Callable[[str], Any]]:
    """Ask its API."""
    process = subprocess.Popen([go_program("asynqmon"), filled], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()

        def ask(path: str) -> Any:
            with _LOCAL.open(f"{address}/api/{path}", timeout=30) as answer:
                return json.load(answer)

        yield ask
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def ours(filled: str) -> Callable[..., Any]:
    """Ask our command line."""

    def ask(*arguments: str) -> Any:
        program = str(Path(sys.executable).with_name("asynq-compat"))
        done = subprocess.run([program, "--broker", filled, *arguments, "--json"], capture_output=True, check=True)
        return json.loads(done.stdout)

    return ask


def test_every_queue_is_seen_alike(asynqmon: Callable[[str], Any], ours: Callable[..., Any]) -> None:
    theirs = {one["queue"]: one for one in asynqmon("queues")["queues"]}

    assert sorted(theirs) == ours("queue", "ls")
    for told in ours("queue", "inspect", *theirs):
        one = theirs[told["queue"]]
        for field in ("size", "groups", "paused", *STATES, "aggregating", "processed", "failed"):
            assert told[field] == one[field], field
        assert told["memory_usage"] == one["memory_usage_bytes"]
        assert told["processed"] - told["failed"] == one["succeeded"]
        # Asynqmon was asked a moment before.
        assert 0 <= told["latency"] - one["latency_msec"] / 1000 < 120
    days = asynqmon("queue_stats")["stats"]
    for told in ours("queue", "history", *theirs, "--days", "90"):
        assert [(one["date"], one["processed"], one["failed"]) for one in told["days"]] == [
            (one["date"], one["processed"], one["failed"]) for one in days[told["queue"]]
        ]


def test_every_task_is_seen_alike(asynqmon: Callable[[str], Any], ours: Callable[..., Any]) -> None:
    count = 0
    for queue in ours("queue", "ls"):
        for state in STATES:
            told = ours("task", "ls", "-q", queue, "-s", state, "--size", "1000")
            theirs = asynqmon(f"queues/{queue}/{state}_tasks?size=1000")["tasks"]
            assert [one["id"] for one in told] == [one["id"] for one in theirs]
            if state == "active":
                assert [one["is_orphaned"] for one in told] == [one["is_orphaned"] for one in theirs]
            for one in told:
                count += 1
                _compare(one, asynqmon(f"queues/{queue}/tasks/{quote(one['id'])}"))

    assert count >= 20, "both languages have left tasks in every state"


def _compare(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for field in ("id", "queue", "type", "state", "max_retry", "retried"):
        assert ours[field] == theirs[field], field
    assert ours["last_err"] == theirs["error_message"]
    assert ours["timeout"] == theirs["timeout_seconds"]
    assert _shown(ours["payload"], ours["payload_base64"]) == theirs["payload"]
    assert _shown(ours["result"], ours["result_base64"]) == theirs["result"]
    for field in ("last_failed_at", "deadline", "completed_at"):
        assert _second(ours[field]) == _second(theirs[field]), field
    if ours["state"] != "pending":  # To both it is now.
        assert _second(ours["next_process_at"]) == _second(theirs["next_process_at"])


def test_servers_and_schedulers_are_seen_alike(asynqmon: Callable[[str], Any], ours: Callable[..., Any]) -> None:
    servers = {one["id"]: one for one in asynqmon("servers")["servers"]}
    for told in ours("server", "ls"):
        one = servers.pop(told["id"])
        for field in ("host", "pid", "concurrency", "status"):
            assert told[field] == one[field], field
        assert (told["queues"], told["strict_priority"]) == (one["queue_priorities"], one["strict_priority_enabled"])
        assert _second(told["started"]) == _second(one["start_time"])
        assert [_worker(worker) for worker in told["active_workers"]] == sorted(
            (
                worker["task_id"],
                worker["queue"],
                worker["task_type"],
                worker["task_payload"],
                _second(worker["start_time"]),
            )
            for worker in one["active_workers"]
        )
    assert not servers

    theirs = {one["id"]: one for one in asynqmon("scheduler_entries")["entries"]}
    for told in ours("cron", "ls"):
        one = theirs.pop(told["id"])
        assert (told["spec"], told["type"], told["opts"]) == (one["spec"], one["task_type"], one["options"])
        assert _shown(told["payload"], told["payload_base64"]) == one["task_payload"]
        assert _second(told["next"]) == _second(one["next_enqueue_at"])
        assert _second(told["prev"]) == _second(one.get("prev_enqueue_at"))
    assert not theirs


def _worker(told: dict[str, Any]) -> tuple[Any, ...]:
    payload = _shown(told["task_payload"], told["task_payload_base64"])
    return told["task_id"], told["queue"], told["task_type"], payload, _second(told["started"])


def _shown(text: str | None, encoded: str) -> str:
    """Return bytes as Asynqmon shows them."""
    return text if text is not None and text.isprintable() and encoded else "non-printable bytes"


def _second(text: str | None) -> int | None:
    return int(datetime.fromisoformat(text).timestamp()) if text else None
