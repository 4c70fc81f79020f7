"""Do the verbs of Asynq's command line show and change what is there, on Redis and on a journal?

Contract: what they show is compared with the inspector, whose answers are held to Go's elsewhere; tests/interop/test_command_line.py asks Go itself.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.cli.conftest import Ask
from tests.services.waiting import wait_until

IN_AN_HOUR = 3600


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a broker with tasks in four states, which the environment names."""
    url = str(request.getfixturevalue("redis_url")) if request.param == "redis" else f"sqlite:///{tmp_path}/tasks.db"
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        for number in range(3):
            client.enqueue(asynq.Task("send", b'{"to": "\xc3\xa4"}', headers={"trace": "7"}), task_id=f"p{number}")
        client.enqueue(asynq.Task("image", b"\xff\x00"), task_id="later", process_in=IN_AN_HOUR, max_retry=3)
        client.enqueue(asynq.Task("old"), task_id="filed", queue="low")
        inspector.archive_task("low", "filed")
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", url)
    return url


@pytest.fixture
def inspector(url: str) -> Iterator[asynq.Inspector]:
    with asynq.Inspector(url) as opened:
        yield opened


def test_queues_are_listed(ask: Ask, url: str) -> None:
    assert ask("queue", "ls").out == "default\nlow\n"
    assert ask("queue", "list", "--json").json() == ["default", "low"]


def test_a_queue_is_shown_as_the_inspector_sees_it(ask: Ask, inspector: asynq.Inspector) -> None:
    (told,) = ask("queue", "inspect", "default", "--json").json()

    info = inspector.get_queue_info("default")
    for name in ("queue", "size", "pending", "scheduled", "archived", "paused", "groups", "processed", "failed"):
        assert told[name] == getattr(info, name)
    assert 0 < told["latency"] <= info.latency.total_seconds()
    assert datetime.fromisoformat(told["timestamp"]) <= info.timestamp


def test_queues_are_shown_to_people_one_after_the_other(ask: Ask, url: str) -> None:
    answer = ask("queue", "inspect", "default", "nowhere", "low")

    assert answer.code == 1
    assert answer.err == 'asynq-compat: there is no queue "nowhere"; asynq-compat queue ls shows those that are there\n'
    first, second = answer.out.split("=" * 40)
    assert first.splitlines()[1].split()[:4] == ["default", "4", "0", "no"]
    assert second.split("Paused  Latency  Memory")[1].split()[:4] == ["low", "1", "0", "no"]


def test_stats_are_those_of_go_s_command_line(ask: Ask, url: str) -> None:
    told = ask("stats", "--json").json()

    assert told["aggregate"].items() >= {"pending": 3, "scheduled": 1, "archived": 1, "processed": 0}.items()
    default, low = told["queues"]
    assert default.items() >= {"Queue": "default", "Size": 4, "Pending": 3, "Scheduled": 1, "Paused": False}.items()
    assert low.items() >= {"Queue": "low", "Size": 1, "Archived": 1}.items()
    assert default["Latency"] > 1_000_000, "nanoseconds"
    for_people = ask("stats").out
    assert ["default", "4", "0", "3", "0", "1", "0", "0", "0"] in [line.split() for line in for_people.splitlines()]


def test_a_queue_is_paused_and_resumed(ask: Ask, inspector: asynq.Inspector) -> None:
    assert ask("queue", "pause", "default", "low").out == (
        'Successfully paused queue "default"\nSuccessfully paused queue "low"\n'
    )
    assert inspector.get_queue_info("low").paused

    again = ask("queue", "pause", "default", "nowhere")
    assert (again.code, again.out) == (1, "")
    assert again.err.splitlines()[0] == 'asynq-compat: queue "default" is already paused'
    assert '"nowhere"' in again.err.splitlines()[1]

    assert ask("queue", "unpause", "low").out == 'Successfully unpaused queue "low"\n'
    assert ask("queue", "resume", "low").code == 1
    assert not inspector.get_queue_info("low").paused


def test_a_queue_that_is_not_there_is_not_resumed_and_not_made(ask: Ask, inspector: asynq.Inspector) -> None:
    answer = ask("queue", "resume", "nowhere")

    assert (answer.code, answer.out) == (1, "")
    assert answer.err == 'asynq-compat: there is no queue "nowhere"; asynq-compat queue ls shows those that are there\n'
    assert ask("journal", "describe", "nowhere").code == 1
    inspector.pause_queue("filled-later")
    assert ask("queue", "resume", "filled-later").code == 0


def test_tasks_are_listed_a_page_at_a_time(ask: Ask, url: str) -> None:
    of_page = ["task", "ls", "-q", "default", "-s", "pending", "--size", "2", "--json", "--page"]

    assert [task["id"] for task in ask(*of_page, "1").json()] == ["p0", "p1"]
    assert [task["id"] for task in ask(*of_page, "2").json()] == ["p2"]
    assert ask(*of_page, "3").json() == []


def test_a_task_is_shown_whole(ask: Ask, url: str) -> None:
    (listed, *_) = ask("task", "ls", "--queue", "default", "--state", "pending", "--json").json()
    told = ask("task", "inspect", "--queue", "default", "--id", "later", "--json").json()

    assert (listed["payload"], listed["headers"]) == ('{"to": "ä"}', {"trace": "7"})
    assert (told["payload"], told["payload_base64"]) == (None, "/wA=")
    assert (told["state"], told["max_retry"], told["retried"], told["type"]) == ("scheduled", 3, 0, "image")
    due = datetime.fromisoformat(told["next_process_at"]) - datetime.now(UTC)
    assert timedelta(seconds=IN_AN_HOUR - 120) < due <= timedelta(seconds=IN_AN_HOUR + 1)
    assert set(listed) == set(told) >= {"timeout", "deadline", "retention", "completed_at", "result", "last_err"}


def test_people_read_tasks_as_tables(ask: Ask, url: str) -> None:
    scheduled = ask("task", "ls", "-q", "default", "-s", "scheduled").out.splitlines()
    assert scheduled[0].split() == ["ID", "Type", "Payload", "Process", "In"]
    assert scheduled[1].startswith("later  image  non-printable bytes (2)  in ")
    assert ask("task", "ls", "-q", "low", "-s", "retry").out == 'No retry tasks in "low" queue\n'
    lines = dict(line.split(":", 1) for line in ask("task", "inspect", "-q", "low", "-i", "filed").out.splitlines())
    assert (lines["State"].strip(), lines["Next process time"]) == ("archived", " n/a")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["task", "ls", "-q", "nowhere", "-s", "pending"], 1),
        (["task", "ls", "-q", "default", "-s", "waiting"], 2),
        (["task", "ls", "-q", "default", "-s", "pending", "--page", "0"], 2),
        (["task", "ls", "-q", " ", "-s", "pending"], 2),
        (["task", "inspect", "-q", "default", "-i", "nobody"], 1),
        (["task", "inspect", "-q", "nowhere", "-i", "p0"], 1),
        (["task", "run", "-q", "default", "-i", "p0"], 1),
        (["task", "run", "-q", "default", "-i", ""], 2),
        (["task", "archive", "-q", "low", "-i", "filed"], 1),
        (["task", "delete", "-q", "default", "-i", "nobody", "--yes"], 1),
        (["task", "delete", "-q", "default", "-i", "p0"], 2),
        (["task", "enqueue", "-t", "x", "--timeout", "5"], 2),
        (["task", "enqueue", "-t", "x", "--process-at", "tomorrow"], 2),
        (["task", "enqueue", "-t", "x", "--process-in", "1s", "--process-at", "2026-01-31T08:00:00Z"], 2),
        (["task", "enqueue", "-t", "x", "-i", "p0"], 1),
        (["queue", "inspect", "nowhere"], 1),
        (["--uri", "localhost:1", "--broker", "memory://", "stats"], 2),
        (["--uri", "redis://localhost:1", "stats"], 2),
        (["--broker", "", "stats"], 2),
        (["stats", "--uri", ""], 2),
    ],
)
def test_bad_input_ends_with_one_clear_line_and_changes_nothing(
    arguments: list[str], code: int, ask: Ask, inspector: asynq.Inspector
) -> None:
    answer = ask(*arguments)

    assert (answer.code, answer.out) == (code, "")
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("asynq-compat: ")
    assert (inspector.get_queue_info("default").size, inspector.get_queue_info("low").archived) == (4, 1)


def test_a_task_is_archived_run_and_deleted(ask: Ask, inspector: asynq.Inspector) -> None:
    of_task = ["--queue", "default", "--id", "later"]

    assert ask("task", "archive", *of_task).out == "task archived\n"
    assert inspector.get_task_info("default", "later").state is asynq.TaskState.ARCHIVED
    assert ask("task", "run", *of_task).out == "task is now pending\n"
    assert inspector.get_task_info("default", "later").state is asynq.TaskState.PENDING
    assert ask("task", "rm", *of_task, "--yes").out == "task deleted\n"
    with pytest.raises(asynq.TaskNotFoundError):
        inspector.get_task_info("default", "later")


def test_a_task_is_enqueued_with_every_wish(ask: Ask, inspector: asynq.Inspector) -> None:
    wishes = "--retry 4 --queue low --id mine --timeout 1m30s --deadline 2126-01-31T08:00:00+01:00 --unique 1h --retention 2h"

    told = ask(
        "task", "enqueue", "--type_name", "send", "--payload", "hi", *wishes.split(), "--process_in", "1h", "--json"
    ).json()

    info = inspector.get_task_info("low", "mine")
    assert (told["id"], told["queue"], told["state"]) == ("mine", "low", "scheduled")
    assert (info.type, info.payload, info.max_retry, info.timeout) == ("send", b"hi", 4, timedelta(seconds=90))
    assert (info.retention, info.deadline) == (timedelta(hours=2), datetime(2126, 1, 31, 7, tzinfo=UTC))
    taken = ask("task", "enqueue", "-t", "send", "-l", "hi", "-q", "low", "--unique", "1h", "--process-in", "2h")
    assert (taken.code, taken.err.count("\n")) == (1, 1)


def test_a_payload_is_read_from_a_file(ask: Ask, inspector: asynq.Inspector, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x00\xff")

    answer = ask("task", "enqueue", "-t", "image", "-i", "new", "--payload-file", str(tmp_path / "picture"))

    assert answer.out == "Enqueued task new to queue default\n"
    assert inspector.get_task_info("default", "new").payload == b"\x00\xff"


def test_a_payload_may_be_any_bytes_that_a_shell_passes_on(ask: Ask, inspector: asynq.Inspector) -> None:
    assert ask("task", "enqueue", "-t", "image", "-i", "new", "-l", os.fsdecode(b"\xff")).code == 0
    assert inspector.get_task_info("default", "new").payload == b"\xff"


def test_a_name_that_is_none_does_not_drown_what_to_do(ask: Ask, url: str) -> None:
    answer = ask("queue", "inspect", "x" * 5_000)

    assert answer.err.startswith('asynq-compat: there is no queue "xxx')
    assert answer.err.endswith('xxx"; asynq-compat queue ls shows those that are there\n')
    assert len(answer.err) < 1_000


def test_who_sits_at_a_terminal_is_asked(ask: Ask, inspector: asynq.Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["n", "y"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(said))

    refused = ask("task", "delete", "-q", "default", "-i", "p0")
    assert (refused.code, refused.out, refused.err) == (1, "", "nothing was changed\n")
    assert inspector.get_task_info("default", "p0").state is asynq.TaskState.PENDING

    assert ask("task", "delete", "-q", "default", "-i", "p0").out == "task deleted\n"
    with pytest.raises(asynq.TaskNotFoundError):
        inspector.get_task_info("default", "p0")


def test_a_running_task_is_cancelled(ask: Ask, url: str) -> None:
    running, cancelled = threading.Event(), threading.Event()

    async def wait(ctx: asynq.Context, task: asynq.Task) -> None:
        running.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = asynq.Server(url, asynq.Config(queues={"default": 1}, concurrency=1))
    server.start(wait)
    try:
        assert running.wait(30)
        (active, *_) = ask("task", "ls", "-q", "default", "-s", "active", "--json").json()

        assert ask("task", "cancel", active["id"]).out == f"Sent cancelation signal for task {active['id']}\n"
        # Best effort: who has not subscribed yet does not hear of it.
        wait_until(lambda: cancelled.wait(1) or ask("task", "cancel", active["id"]).code, "the worker hears of it", 60)
        assert cancelled.is_set()
    finally:
        server.shutdown()


def test_the_options_of_asynq_s_command_line_mean_a_redis(
    ask: Ask, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _, database = redis_url.removeprefix("redis://").partition("/")
    with asynq.Client(redis_url) as client:
        client.enqueue(asynq.Task("x"), queue="there")
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", "redis://localhost:1")

    assert ask("-u", address, "-n", database, "queue", "ls").out == "there\n"
    assert ask("--uri", address, "--db", database, "task", "ls", "-q", "there", "-s", "pending").code == 0
    # Asynq takes them behind the command, too.
    assert ask("queue", "ls", "-u", address, f"--db={database}").out == "there\n"
    assert ask("-n", "15", "stats", "--uri", address, "-n", database, "--json").json()["aggregate"]["pending"] == 1
    assert ask("journal", "queues", "--broker", redis_url).err.startswith("asynq-compat: only journals")
