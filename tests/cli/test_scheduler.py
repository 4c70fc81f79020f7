"""Does `asynq-compat scheduler` enqueue what it is told, and does `cron` show it?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.cli.conftest import Ask
from tests.services.waiting import wait_until

JOBS = """
import asynq_compat as asynq

entries = [
    asynq.PeriodicTaskConfig("@every 1s", asynq.Task("tick", b"{}"), [asynq.Queue("often"), asynq.Timeout(30)]),
    asynq.PeriodicTaskConfig("0 4 * * *", asynq.Task("nightly", b"\\xff")),
]
wrong = [entries[0], asynq.PeriodicTaskConfig("61 * * * *", asynq.Task("never"))]
odd = [entries[0], "0 4 * * *"]
nothing = []
number = 7

def all_of_them(*ignored):
    return entries

class Provider:
    def get_configs(self):
        return entries

provider = Provider()
"""


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = str(request.getfixturevalue("redis_url")) if request.param == "redis" else f"sqlite:///{tmp_path}/tasks.db"
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", url)
    return url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    return tmp_path


@contextmanager
def running(folder: Path, url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    program = str(Path(sys.executable).with_name("asynq-compat"))
    command = [program, "--broker", url, *arguments]
    process = subprocess.Popen(command, cwd=folder, env=os.environ, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["entries", "all_of_them", "provider"])
def test_what_stands_in_the_module_is_enqueued_and_shown(name: str, url: str, folder: Path, ask: Ask) -> None:
    with asynq.Inspector(url) as inspector:
        inspector.queues()
        with running(folder, url, "scheduler", f"jobs:{name}", "--log-level", "debug") as process:
            # Told after the first heartbeat, ten seconds on.
            wait_until(lambda: len(inspector.scheduler_entries()) == 2, "the scheduler tells of its entries", 60)
            nightly, tick = ask("cron", "ls", "--json").json()
            rows = ask("cron", "list").out.splitlines()
            (history,) = ask("cron", "history", tick["id"], "--size", "2", "--json").json()
            told = ask("cron", "history", tick["id"], nightly["id"]).out
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)

        assert process.returncode == 0
        assert (tick["spec"], tick["type"], tick["payload"]) == ("@every 1s", "tick", "{}")
        assert tick["opts"] == ['Queue("often")', "Timeout(30s)"]
        assert (nightly["spec"], nightly["payload"], nightly["payload_base64"]) == ("0 4 * * *", None, "/w==")
        assert nightly["prev"] is None
        assert datetime.fromisoformat(nightly["next"]) - datetime.now(UTC) < timedelta(days=1)
        assert [row.split()[0] for row in rows[1:]] == [nightly["id"], tick["id"]]
        assert (history["entry_id"], len(history["events"])) == (tick["id"], 2)
        newest, before = history["events"]
        assert newest["enqueued_at"] > before["enqueued_at"]
        assert inspector.get_task_info("often", newest["task_id"]).type == "tick"
        assert f"Entry: {tick['id']}" in told
        assert f"No scheduler enqueue events found for entry: {nightly['id']}" in told
        assert ask("cron", "ls").out == "No scheduler entries\n"
        gone = ask("cron", "history", nightly["id"])
        assert (gone.code, gone.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("name", ["entries", "provider"])
def test_a_broker_that_does_not_answer_ends_it_as_it_ends_a_worker(name: str, folder: Path, tmp_path: Path) -> None:
    dead = f"redis-socket://{tmp_path}/nobody.sock"
    ends = []
    for command in (["scheduler", f"jobs:{name}"], ["worker", "jobs:all_of_them"]):
        with running(folder, dead, *command) as process:
            _, said = process.communicate(timeout=60)
        ends.append((process.returncode, [line for line in said.splitlines() if "INFO: broker: " not in line]))

    of_the_scheduler, of_a_worker = ends
    assert of_the_scheduler == of_a_worker
    code, (line,) = of_the_scheduler
    assert code == 1
    assert "nobody.sock cannot be reached" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jobs:wrong"], "jobs:wrong[1]: end of range (61) above maximum (59)"),
        (["jobs:odd"], "jobs:odd[1] must be a PeriodicTaskConfig, got '0 4 * * *'"),
        (["jobs:nothing"], "is empty"),
        (["jobs:number"], "must be a list of PeriodicTaskConfig, a function or an object with get_configs, got 7"),
        (["jobs:Provider"], "must be a list of PeriodicTaskConfig"),
        (["jobs:missing"], "has no 'missing'"),
        (["jobs:entries", "--sync-interval", "1m"], "leave out --sync-interval"),
        (["jobs:provider", "--sync-interval", "-1.5s"], "sync_interval must not be negative, got -1.5; leave it out"),
        (["jobs:entries", "--location", "Nowhere/Else"], "Nowhere/Else"),
    ],
)
def test_what_cannot_be_enqueued_is_told_in_one_line(
    arguments: list[str],
    words: str,
    ask: Ask,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    called_in: Callable[[Path], None],
) -> None:
    called_in(folder)
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", f"sqlite:///{folder}/tasks.db")

    answer = ask("scheduler", *arguments)

    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.count("\n") == 1
