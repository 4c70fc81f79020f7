"""Does a SQLite file keep every task beside processes that come, fork, leave and are killed?"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import asynq_compat as asynq
from tests.services.installing import REPOSITORY
from tests.services.waiting import wait_until

# Each round brings four processes, all at once; an interpreter takes most of its second.
ROUNDS = 4
HOWS = ("open", "twice", "fork", "killed")
PATIENCE_S = 60.0


def visit(url: str, how: str) -> None:
    """Do what a process that comes and goes does; each acknowledged id is a line on stdout."""
    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        _enqueue(client, 5)
        inspector.queues()
        match how:
            case "twice":
                for _ in range(3):  # Opening and closing beside an open client of the same process.
                    with asynq.Client(url) as second, asynq.Inspector(url) as also:
                        also.get_queue_info("default")
                        _enqueue(second, 2)
                    _enqueue(client, 3)
            case "fork":
                if (child := os.fork()) == 0:
                    _in_child(client, url)
                _enqueue(client, 5)
                client.close()
                os.waitpid(child, 0)
            case "killed":
                while True:
                    _enqueue(client, 1)
            case _:
                pass


def _in_child(client: asynq.Client, url: str) -> None:
    """Use what was inherited and something of its own, and leave without the parent's duties."""
    code = 1
    try:
        _enqueue(client, 3)
        with asynq.Inspector(url) as inspector:
            inspector.queues()
        _enqueue(client, 3)
        code = 0
    finally:
        os._exit(code)


def _enqueue(client: asynq.Client, count: int) -> None:
    for _ in range(count):
        task_id = client.enqueue(asynq.Task("t"), retention=3600).id
        os.write(
            1, f"{task_id}\n".encode()
        )  # One write: lines of parent and child do not mix, and none is lost at a kill.


class _Visitor:
    """A process that visits the file."""

    def __init__(self, url: str, how: str, folder: Path, number: int) -> None:
        self.how = how
        self._out, self._err = folder / f"{number}.{how}.ids", folder / f"{number}.{how}.log"
        environment = {key: value for key, value in os.environ.items() if key != "ASYNQ_COMPAT_BROKER"}
        command = [sys.executable, "-m", "tests.interop.test_sqlite_churn", url, how]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=err, env=environment)

    def ids(self) -> list[str]:
        """Return what was acknowledged so far."""
        return [line for line in self._out.read_text().splitlines(keepends=False) if len(line) == 36]

    def end(self) -> None:
        """Wait for its end, or bring it about in the middle of its work."""
        if self.how == "killed":
            wait_until(lambda: len(self.ids()) > 20, f"the visitor works: {self._err.read_text()}", PATIENCE_S)
            self.process.kill()
        code = self.process.wait(PATIENCE_S)
        assert code == (-signal.SIGKILL if self.how == "killed" else 0), self._err.read_text()

    def close(self) -> None:
        """End it whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def test_every_acknowledged_task_is_done_once_and_the_file_is_sound(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    runs: Counter[str] = Counter()
    lock = threading.Lock()

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        with lock:
            runs[str(asynq.get_task_id(ctx))] += 1

    server = asynq.Server(url, asynq.Config(concurrency=4, shutdown_timeout=5))
    server.start(handle)
    try:
        acknowledged = _churn(url, tmp_path, runs.__len__)
        with asynq.Inspector(url) as inspector:
            wait_until(lambda: acknowledged <= set(runs), "every acknowledged task runs", PATIENCE_S)
            wait_until(lambda: _is_settled(inspector), "all is settled", PATIENCE_S)
            states = {inspector.get_task_info("default", task_id).state for task_id in acknowledged}
            info = inspector.get_queue_info("default")
    finally:
        server.shutdown()

    assert states == {asynq.TaskState.COMPLETED}
    assert (info.size, info.processed_total, info.failed_total) == (len(runs), len(runs), 0)
    assert set(runs.values()) == {1}
    # A killed process may have stored one more than it could say.
    assert len(runs) - len(acknowledged) <= ROUNDS
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _is_settled(inspector: asynq.Inspector) -> bool:
    info = inspector.get_queue_info("default")
    return info.completed == info.size


def _churn(url: str, folder: Path, run_count: Callable[[], int]) -> set[str]:
    """Let processes come and go beside this one, which does so too; return what was acknowledged."""
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        visitors = [_Visitor(url, how, folder, number) for how in HOWS]
        try:
            for visitor in visitors:
                with asynq.Client(url) as client:
                    acknowledged.add(client.enqueue(asynq.Task("t"), retention=3600).id)
                visitor.end()
                acknowledged.update(visitor.ids())
        finally:
            for visitor in visitors:
                visitor.close()
    assert run_count() > 0
    return acknowledged


if __name__ == "__main__":
    visit(*sys.argv[1:])
