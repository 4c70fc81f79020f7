"""What has happened on the broker that a command is asked about, and how is it asked?"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.cli.main import main

WAIT_S = 60


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output, read."""
        return json.loads(self.out)


Ask = Callable[..., Answer]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command line."""

    def run(*arguments: str) -> Answer:
        with pytest.raises(SystemExit) as over:
            main(arguments)
        said = capsys.readouterr()
        return Answer(int(over.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def called_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Call commands in a folder that holds modules of a user; they are forgotten afterwards."""
    folders: list[Path] = []

    def go(folder: Path) -> None:
        monkeypatch.chdir(folder)
        folders.append(folder)

    monkeypatch.setattr(sys, "path", list(sys.path))
    yield go
    for name, module in list(sys.modules.items()):
        if any(folder in Path(getattr(module, "__file__", None) or "/").parents for folder in folders):
            del sys.modules[name]


def live(url: str) -> None:
    """One task is done and gone, one fails and is kept at its second attempt, one waits, one is refused, twenty are done."""
    done = threading.Semaphore(0)
    mux = asynq.ServeMux()

    @mux.on("ok")
    async def succeed(ctx: asynq.Context, task: asynq.Task) -> None:
        done.release()

    @mux.on("flaky")
    def fail_once(ctx: asynq.Context, task: asynq.Task) -> None:
        if asynq.get_retry_count(ctx) == 0:
            raise ValueError("no such user")
        done.release()

    task = asynq.Task("ok", b"{}")
    with asynq.Client(url) as client:
        client.enqueue(task, task_id="one")
        client.enqueue(asynq.Task("flaky"), task_id="two", retention=3600)
        client.enqueue(task, task_id="later", process_in=3600)
        with pytest.raises(asynq.TaskIDConflictError):
            client.enqueue(task, task_id="later")
        client.enqueue_many([task] * 20)
    server = asynq.Server(url, asynq.Config(concurrency=4, retry_delay_func=lambda retried, error, task: 0.1))
    server.start(mux)
    try:
        for _ in range(22):
            assert done.acquire(timeout=WAIT_S)
    finally:
        server.shutdown()


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a SQLite file on which `live` was lived."""
    path: Path = tmp_path_factory.mktemp("lived") / "tasks.db"
    url = f"sqlite:///{path}"
    live(url)
    return url
