"""Do the verbs that look at days and servers, and change many tasks at once, do so on Redis and on a journal?"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.cli.conftest import Ask
from tests.services.waiting import wait_until


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a broker with tasks in three states, which the environment names."""
    url = str(request.getfixturevalue("redis_url")) if request.param == "redis" else f"sqlite:///{tmp_path}/tasks.db"
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        client.enqueue_many([asynq.Task("now")] * 5)
        client.enqueue_many([asynq.Task("later")] * 4, process_in=3600)
        for number in range(3):
            client.enqueue(asynq.Task("old"), task_id=f"old{number}")
            inspector.archive_task("default", f"old{number}")
        client.enqueue(asynq.Task("x"), queue="low")
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", url)
    return url


@pytest.fixture
def inspector(url: str) -> Iterator[asynq.Inspector]:
    with asynq.Inspector(url) as opened:
        yield opened


def counts(inspector: asynq.Inspector) -> tuple[int, int, int]:
    info = inspector.get_queue_info("default")
    return info.pending, info.scheduled, info.archived


def test_all_tasks_of_a_state_are_run_archived_and_deleted(ask: Ask, inspector: asynq.Inspector) -> None:
    of = ["--queue", "default", "--state"]

    assert ask("task", "runall", *of, "archived").out == "3 tasks are now pending\n"
    assert counts(inspector) == (8, 4, 0)
    assert ask("task", "archiveall", *of, "scheduled", "--yes").out == "4 tasks archived\n"
    assert counts(inspector) == (8, 0, 4)
    assert ask("task", "deleteall", *of, "pending", "-y", "--json").json() == {
        "queue": "default",
        "state": "pending",
        "count": 8,
    }
    assert counts(inspector) == (0, 0, 4)
    assert ask("task", "deleteall", *of, "retry", "-y").out == "0 tasks deleted\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["task", "deleteall", "-q", "default", "-s", "pending"], 2, "--yes"),
        (["task", "archiveall", "-q", "default", "-s", "pending"], 2, "--yes"),
        (["task", "archiveall", "-q", "default", "-s", "archived", "-y"], 2, "'archived' is not one of"),
        (["task", "runall", "-q", "default", "-s", "pending"], 2, "'pending' is not one of"),
        (["task", "runall", "-q", "default", "-s", "aggregating"], 2, "add --group"),
        (["task", "runall", "-q", "default", "-s", "retry", "-g", "x"], 2, "leave out --group"),
        (["task", "runall", "-q", "nowhere", "-s", "retry"], 1, 'no queue "nowhere"'),
        (["queue", "remove", "low"], 2, "--yes"),
        (["queue", "rm", "low", "--yes"], 1, 'queue "low" has 1 tasks; --force deletes them with it'),
        (["queue", "remove", "nowhere", "--yes"], 1, 'no queue "nowhere"'),
        (["queue", "history", "nowhere"], 1, 'no queue "nowhere"'),
        (["queue", "history", "low", "--days", "0"], 2, "--days"),
    ],
)
def test_what_is_not_meant_changes_nothing(
    arguments: list[str], code: int, words: str, ask: Ask, inspector: asynq.Inspector
) -> None:
    answer = ask(*arguments)

    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err
    assert answer.err.count("\n") == 1
    assert counts(inspector) == (5, 4, 3)
    assert inspector.get_queue_info("low").size == 1


def test_groups_and_what_waits_in_them_are_shown_and_changed(ask: Ask, url: str, inspector: asynq.Inspector) -> None:
    with asynq.Client(url) as client:
        for group in ("b", "a", "a"):
            client.enqueue(asynq.Task("x", group.encode()), group=group)
    of_a = ["-q", "default", "-s", "aggregating", "-g", "a"]

    assert ask("group", "ls", "-q", "default").out == "a\nb\n"
    assert ask("group", "list", "-q", "default", "--json").json() == [
        {"group": "a", "size": 2},
        {"group": "b", "size": 1},
    ]
    assert ask("group", "ls", "-q", "low").out == 'No groups found in queue "low"\n'
    assert ask("group", "ls", "-q", "nowhere").code == 1
    assert [(task["group"], task["state"]) for task in ask("task", "ls", *of_a, "--json").json()] == [
        ("a", "aggregating")
    ] * 2
    assert ask("task", "ls", *of_a, "--page", "2").out == 'No aggregating tasks in group "a" on page 2\n'
    assert ask("task", "ls", *of_a[:4]).code == 2
    assert ask("task", "runall", *of_a).out == "2 tasks are now pending\n"
    assert ask("task", "deleteall", *of_a[:-1], "b", "--yes").out == "1 tasks deleted\n"
    assert inspector.groups("default") == []
    assert counts(inspector) == (7, 4, 3)


def test_a_queue_is_removed_with_its_tasks(ask: Ask, inspector: asynq.Inspector) -> None:
    answer = ask("queue", "delete", "low", "nowhere", "--force", "--yes")

    assert (answer.code, answer.out) == (1, 'Successfully removed queue "low"\n')
    assert inspector.queues() == ["default"]


def test_who_sits_at_a_terminal_is_asked_how_many(
    ask: Ask, inspector: asynq.Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def say_no(text: str) -> str:
        asked.append(text)
        return "n"

    monkeypatch.setattr("click.termui.visible_prompt_func", say_no)

    assert ask("task", "deleteall", "-q", "default", "-s", "scheduled").code == 1
    assert counts(inspector) == (5, 4, 3)
    assert asked
    assert 'Delete all scheduled tasks of queue "default", 4 now?' in asked[0]


def test_servers_and_days_are_shown(ask: Ask, url: str, inspector: asynq.Inspector) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def work(ctx: asynq.Context, task: asynq.Task) -> None:
        if task.type == "slow":
            begun.set()
            goes_on.wait(60)

    assert ask("server", "ls").out == "No running servers\n"
    assert ask("server", "ls", "--json").json() == []
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("slow", b"\xff"), task_id="slow")
    server = asynq.Server(url, asynq.Config(queues={"default": 3, "low": 7}, concurrency=2))
    server.start(work)
    try:
        assert begun.wait(60)
        wait_until(lambda: [len(one.active_workers) for one in inspector.servers()] == [1], "the server tells", 60)
        wait_until(lambda: inspector.get_queue_info("low").processed_total == 1, "the other slot to have done all", 60)

        (told,) = ask("server", "ls", "--json").json()
        (row,) = ask("server", "list").out.splitlines()[1:]
    finally:
        goes_on.set()
        server.shutdown()

    assert (told["pid"], told["concurrency"], told["queues"]) == (os.getpid(), 2, {"default": 3, "low": 7})
    assert datetime.now(UTC) - datetime.fromisoformat(told["started"]) < timedelta(hours=1)
    (worker,) = told["active_workers"]
    assert (worker["task_id"], worker["task_payload"], worker["task_payload_base64"]) == ("slow", None, "/w==")
    assert row.split()[1:6] == [str(os.getpid()), "active", "1/2", "low:7", "default:3"]
    (days,) = ask("queue", "history", "default", "--days", "3", "--json").json()
    processed = inspector.get_queue_info("default").processed_total
    assert (days["queue"], len(days["days"])) == ("default", 3)
    assert sum(day["processed"] for day in days["days"]) == processed >= 1
    today = ask("queue", "history", "low", "-x", "1").out.splitlines()
    assert today[0] == "Queue: low"
    assert today[3].split()[1:] == ["1", "0", "0.00%"]
