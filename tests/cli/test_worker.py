"""Does `asynq-compat worker` run what it is told, end when it is told, and say what is wrong with what it is told?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.cli.conftest import Ask
from tests.services.waiting import wait_until

JOBS = """
import os

import asynq_compat as asynq

mux = asynq.ServeMux()
config = asynq.Config(queues={"critical": 1}, concurrency=1)
number = 7

@mux.on("copy")
def copy(ctx, task):
    with asynq.Client() as client:  # What --broker says holds here too.
        client.enqueue(asynq.Task("copied", task.payload), task_id="copy", queue="elsewhere")

@mux.on("pid")
def pid(ctx, task):
    task.result_writer.write(str(os.getpid()).encode())

def no_handler():
    pass
"""


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("redis_url")) if request.param == "redis" else f"sqlite:///{tmp_path}/tasks.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the module `jobs` and some that cannot be imported."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "broken.py").write_text("import asynq_compat\n\nundefined\n")
    (tmp_path / "needy.py").write_text("import no_such_library\n")
    (tmp_path / "typo.py").write_text("def (:\n")
    return tmp_path


@contextmanager
def worker(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    program = str(Path(sys.executable).with_name("asynq-compat"))
    process = subprocess.Popen(
        [program, *arguments], cwd=folder, env=os.environ | environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_runs_tasks_until_a_signal(number: signal.Signals, url: str, folder: Path) -> None:
    arguments = ["--broker", url, "worker", "jobs:mux", "--queues", "critical=6,default", "--concurrency", "2"]
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        client.enqueue(asynq.Task("copy", b"x"), queue="critical")
        with worker(folder, *arguments, ASYNQ_COMPAT_BROKER="redis://localhost:1") as process:
            wait_until(lambda: "elsewhere" in inspector.queues(), "the handler has run", 60)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)

        assert process.returncode == 0
        assert "Starting graceful shutdown" in said
        of_the_handler = [line.partition(", chosen by ")[2] for line in said.splitlines() if "INFO: broker: " in line]
        assert of_the_handler == ["--broker"] * 2
        assert inspector.get_task_info("elsewhere", "copy").payload == b"x"
        assert inspector.get_queue_info("critical").size == 0


def test_a_config_in_the_code_is_taken(folder: Path, redis_url: str) -> None:
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        client.enqueue(asynq.Task("copy"), queue="critical")
        with worker(folder, "worker", "jobs:mux", "--config", "jobs:config", ASYNQ_COMPAT_BROKER=redis_url):
            wait_until(lambda: "elsewhere" in inspector.queues(), "the handler has run", 60)


def test_handlers_run_in_processes_of_their_own(folder: Path, redis_url: str) -> None:
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        client.enqueue(asynq.Task("pid"), task_id="pid", retention=3600)
        arguments = ["--broker", redis_url, "worker", "jobs:mux", "--processes", "2", "--concurrency", "4"]
        with worker(folder, *arguments) as process:
            wait_until(lambda: inspector.get_queue_info("default").completed == 1, "the handler has run", 60)
            assert int(inspector.get_task_info("default", "pid").result or b"") != process.pid
            process.terminate()
            process.communicate(timeout=60)

        assert process.returncode == 0


def test_flags_become_a_config(
    ask: Ask, folder: Path, monkeypatch: pytest.MonkeyPatch, called_in: Callable[[Path], None]
) -> None:
    made: list[tuple[object, asynq.Config]] = []

    class Noted:
        def __init__(self, target: object, config: asynq.Config) -> None:
            made.append((target, config))

        def run(self, handler: object) -> None:
            assert isinstance(handler, asynq.ServeMux)

    monkeypatch.setattr("asynq_compat.cli.running.worker.Server", Noted)
    called_in(folder)
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", f"sqlite:///{folder}/tasks.db")
    flags = "--queues a=3,b --concurrency 5 --processes 2 --strict-priority --shutdown-timeout 1m --log-level warn --metrics-addr :9100"

    assert ask("worker", "jobs:mux", *flags.split()).code == 0

    ((target, config),) = made
    assert target is None
    assert (config.queues, config.concurrency, config.strict_priority) == ({"a": 3, "b": 1}, 5, True)
    assert (config.processes, config.metrics_addr) == (2, asynq.Config(metrics_addr=":9100").metrics_addr)
    assert (config.shutdown_timeout, config.log_level) == (timedelta(minutes=1).total_seconds(), asynq.LogLevel.WARN)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["jobs"], 2, "write jobs:mux"),
        (["nothing:mux"], 2, "there is no module 'nothing'"),
        (["jobs.inner:mux"], 2, "there is no module 'jobs.inner'"),
        (["jobs:max"], 2, "module jobs has no 'max'; it has asynq, config, copy"),
        (["jobs:number"], 2, "nil handler, got"),
        (["jobs:no_handler"], 2, "jobs:no_handler is no handler: a handler is called with (ctx, task), got "),
        (["jobs:asynq.ServeMux"], 2, "is the class ServeMux"),
        (["broken:mux"], 1, "NameError: name 'undefined' is not defined"),
        (["needy:mux"], 1, "No module named 'no_such_library'"),
        (["typo:mux"], 1, "typo.py, line 1"),
        (
            ["jobs:mux", "--concurrency", "2", "--processes", "3"],
            2,
            "processes must be at most concurrency, which is 2, got 3",
        ),
        (["jobs:mux", "--queues", "a=0"], 2, "'a=0' is no queue"),
        (["jobs:mux", "--queues", "a,a=2"], 2, "named twice"),
        (["jobs:mux", "--config", "jobs:number"], 2, "must be a Config"),
        (["jobs:mux", "--config", "jobs:config", "--concurrency", "3"], 2, "leave out --concurrency"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(
    arguments: list[str],
    code: int,
    words: str,
    ask: Ask,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    called_in: Callable[[Path], None],
) -> None:
    called_in(folder)
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", f"sqlite:///{folder}/tasks.db")

    answer = ask("worker", *arguments)

    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err
    assert answer.err.count("\n") == 1
