"""Do a real script's worker processes live and end with it, whatever signal comes and to whom?"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import zipapp
from collections.abc import Iterator
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.chaos.crews import worker_processes
from tests.services.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "interop" / "crew_program.py"
PATIENCE_S = 60.0


class Script:
    """A server in a process group of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self._log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), url, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=self._log,
            start_new_session=True,
        )

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def ledger(self) -> list[list[str]]:
        path = self._folder / "ledger"
        *whole, _being_written = path.read_text().split("\n") if path.exists() else [""]
        return [line.split() for line in whole]

    def pid_of(self, task_type: str) -> int:
        """Return the worker that has begun a task of this type, once one has."""
        wait_until(lambda: [one for one in self.ledger() if one[0] == task_type], f"{task_type} to begin", PATIENCE_S)
        return int(next(one[1] for one in self.ledger() if one[0] == task_type))

    def release(self) -> None:
        (self._folder / "release").touch()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), "sqlite"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Script]:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else f"sqlite:///{tmp_path}/queue.db"
    running = Script(str(url), tmp_path)
    yield running
    running.close()


def enqueue(url: str, *types: str) -> list[str]:
    with asynq.Client(url) as client:
        return [client.enqueue(asynq.Task(one), retention=3600).id for one in types]


def states(url: str, *task_ids: str) -> list[str]:
    with asynq.Inspector(url) as inspector:
        return [str(inspector.get_task_info("default", one).state) for one in task_ids]


def is_gone(pid: int) -> bool:
    try:
        # One that was killed and is nobody's child here is a zombie for as long as its new parent takes.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_ctrl_c_reaches_all_and_ends_them_gracefully(script: Script) -> None:
    (slow,) = enqueue(script.url, "slow")
    pid = script.pid_of("slow")

    os.killpg(script.process.pid, signal.SIGINT)
    wait_until(lambda: "Starting graceful shutdown" in script.log(), "the shutdown", PATIENCE_S)
    os.killpg(script.process.pid, signal.SIGINT)
    script.release()

    assert script.end() == 0, script.log()
    assert states(script.url, slow) == ["completed"]
    assert is_gone(pid)
    assert "Traceback" not in script.log()


def test_a_stop_and_a_term_to_all_are_the_servers_affair(script: Script) -> None:
    (slow,) = enqueue(script.url, "slow")
    pid = script.pid_of("slow")

    os.killpg(script.process.pid, signal.SIGTSTP)
    wait_until(lambda: "Processor stopped" in script.log(), "the processor to stop", PATIENCE_S)
    (left,) = enqueue(script.url, "quick")
    os.killpg(script.process.pid, signal.SIGTERM)
    script.release()

    assert script.end() == 0, script.log()
    assert states(script.url, slow, left) == ["completed", "pending"]
    assert is_gone(pid)


def test_workers_end_with_their_server_whatever_they_are_doing(script: Script) -> None:
    enqueue(script.url, "spin")
    spinning = script.pid_of("spin")
    enqueue(script.url, "slow", "slow", "slow")
    wait_until(lambda: len(script.ledger()) > 1, "others to begin", PATIENCE_S)
    pids = {int(one[1]) for one in script.ledger()} | {spinning}

    os.kill(script.process.pid, signal.SIGKILL)

    wait_until(lambda: all(map(is_gone, pids)), f"{pids} to end", PATIENCE_S)


def test_a_log_line_bears_the_pid_of_who_wrote_it(script: Script) -> None:
    enqueue(script.url, "fail")
    pid = script.pid_of("fail")
    wait_until(lambda: re.search(r"failed: SkipRetry: it fails.*\n", script.log()), "the line about it", PATIENCE_S)

    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "another one takes its place" in script.log(), "the line about its end", PATIENCE_S)
    wait_until(lambda: re.search(r"Worker process \d+ is ready", script.log()), "its successor", PATIENCE_S)

    lines = script.log()
    assert re.search(
        rf"^asynq: pid={pid} \d{{4}}/\d\d/\d\d .* WARN: task id=.* failed: SkipRetry: it fails", lines, re.MULTILINE
    )
    server = script.process.pid
    assert re.search(
        rf"^asynq: pid={server} .* ERROR: worker process {pid} died \(signal 9\); tasks that it was running: [01];",
        lines,
        re.MULTILINE,
    )


def test_ctrl_c_is_heard_while_workers_import_the_program(tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    script = Script(f"sqlite:///{tmp_path}/queue.db", tmp_path)
    try:
        wait_until(lambda: len(list(tmp_path.glob("importing-*"))) == 2, "both workers to import", PATIENCE_S)
        pids = [int(path.name.partition("-")[2]) for path in tmp_path.glob("importing-*")]

        os.killpg(script.process.pid, signal.SIGINT)

        assert script.end() == 0, script.log()
        assert "Traceback" not in script.log()
        wait_until(lambda: all(map(is_gone, pids)), f"{pids} to end", PATIENCE_S)
    finally:
        script.close()


UNGUARDED = """
import asynq_compat as asynq

mux = asynq.ServeMux()

@mux.on("x")
def handle(ctx, task): ...

asynq.Server("memory://", asynq.Config(processes=2, concurrency=2)).run(mux)
"""


def test_a_script_that_would_start_servers_without_end_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "unguarded.py").write_text(UNGUARDED)

    ended = subprocess.run(
        [sys.executable, tmp_path / "unguarded.py"], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )

    assert ended.returncode == 1
    assert ended.stderr.rstrip().endswith("put what starts it under: if __name__ == '__main__':"), ended.stderr


def test_a_handler_that_stands_in_no_file_is_refused() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNGUARDED], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )

    assert ended.returncode == 1
    assert (
        "the handler for 'x' cannot be sent to a worker process: __main__.handle: no other process can import"
        in ended.stderr
    )


GUARDED = """
import os
import pathlib
import sys
import asynq_compat as asynq

mux = asynq.ServeMux()

@mux.on("x")
def handle(ctx, task):
    task.result_writer.write(b"handled")

if __name__ == "__main__":
    def local(retried, error, task): return 1.0

    url = sys.argv[1]
    delay = local if "local" in sys.argv else asynq.default_retry_delay_func
    server = asynq.Server(url, asynq.Config(processes=2, concurrency=2, retry_delay_func=delay))
    server.start(mux)
    os.chdir("/")
    print("serving", flush=True)
    sys.stdin.read()
    server.shutdown()
"""


@pytest.mark.parametrize("is_archive", [True, False])
def test_a_program_that_is_an_archive_or_a_folder_is_found_also_for_a_successor(
    tmp_path: Path, is_archive: bool
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text(GUARDED)
    if is_archive:
        zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    url = f"sqlite:///{tmp_path}/queue.db"
    with subprocess.Popen(
        [sys.executable, "app.pyz" if is_archive else "app", url],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"serving\n"
        first = worker_processes(program.pid)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: all(map(is_gone, first)), "both to end", PATIENCE_S)

        (task,) = enqueue(url, "x")

        wait_until(lambda: states(url, task) == ["completed"], "a successor to handle it", PATIENCE_S)
        program.communicate()
    assert program.returncode == 0


def test_what_stands_behind_the_guard_of_a_script_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "guarded.py").write_text(GUARDED)

    ended = subprocess.run(
        [sys.executable, tmp_path / "guarded.py", "memory://", "local"],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert ended.returncode == 1
    assert "cannot import the program: AttributeError: Can't get attribute 'local'" in ended.stderr
    assert ended.stderr.rstrip().endswith("a worker leaves out what stands under: if __name__ == '__main__':")
