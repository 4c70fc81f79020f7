"""Does every example do what it says, on every broker?"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# Example -> what its output must hold.
EXAMPLES = {
    "producer.py": [r"enqueued email:welcome as [0-9a-f-]{36} to critical, state pending", "enqueued 10 reminders"],
    "retries.py": ["flaky: done at attempt 2", "hopeless: archived, last error: the address does not exist"],
    "scheduled.py": ["the first is scheduled", "in two seconds ran at", "at an instant ran at"],
    "periodic.py": ["report ran, enqueued by a schedule", r"fires next: \d{4}-"],
    "periodic_from_a_file.py": ["report ran", "cleanup ran, without a restart"],
    "aggregation.py": [
        "3 tasks wait in group user-42",
        "one mail to user-42: a comment, a follower, a like",
    ],
    "inspector.py": [
        "5 mails lost, the first one: connection refused",
        "run again so far: 5",
        "today 10 attempts, 5 of them failed",
        "later: b'Dear Dr Miller'",
        r"server [0-9a-f-]{36} has \d+ slots and works on 0 tasks",
        "the queue is there: False",
    ],
    "unique.py": ["refused: task already exists\nrefused: task already exists\nreindexed"],
    "graceful_shutdown.py": ["told to stop: cleaning up", "long finished by the second server, retried 0 times"],
    "tracing.py": [
        "enqueue example-tracing is a child of checkout",
        "process example-tracing is a child of enqueue example-tracing",
    ],
    "rate_limit.py": ["5 mails sent, at most [12] at a time"],
    "swap_of_the_import.py": ["enqueued invoice-7", "the second time: task ID conflicts with another task"],
}


@pytest.fixture(
    params=["sqlite", pytest.param("redis", marks=pytest.mark.redis), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment that names a broker of this test's own."""
    if request.param == "sqlite":
        broker = f"sqlite:///{tmp_path}/tasks.db"
    elif request.param == "redis":
        broker = request.getfixturevalue("redis_url")
    else:
        broker = f"redpanda://{request.getfixturevalue('kafka_cluster').bootstrap}/t{uuid.uuid4().hex[:12]}"
    return {**os.environ, "ASYNQ_COMPAT_BROKER": broker, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def _run(command: list[str], environment: dict[str, str]) -> str:
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _serve_until(command: list[str], environment: dict[str, str], is_enough: Callable[[list[str]], bool]) -> list[str]:
    """Run a worker until its output is enough, then end it with SIGTERM, and expect a clean end."""
    worker = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    lines: list[str] = []
    for line in worker.stdout:
        lines.append(line.rstrip("\n"))
        if is_enough(lines):
            break
    worker.send_signal(signal.SIGTERM)
    _, errors = worker.communicate(timeout=60)
    assert worker.returncode == 0, errors
    return lines


def _start_and_end(command: list[str], environment: dict[str, str]) -> None:
    """Run a scheduler until it says that it runs, then end it with SIGTERM, and expect a clean end."""
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    lines: list[str] = []
    for line in running.stderr:
        lines.append(line)
        if "Send signal TERM or INT to stop the scheduler" in line:
            break
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, "Scheduler stopped" in errors) == (0, True), [*lines, errors]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_does_what_it_says(name: str, environment: dict[str, str]) -> None:
    output = _run([sys.executable, str(REPOSITORY / "examples" / name)], environment)

    for expected in EXAMPLES[name]:
        assert re.search(expected, output), output


@pytest.mark.parametrize("name", ["worker_sync.py", "worker_async.py", "worker_processes.py"])
def test_a_worker_runs_what_the_producer_made_and_ends_gracefully(name: str, environment: dict[str, str]) -> None:
    _run([sys.executable, str(REPOSITORY / "examples" / "producer.py")], environment)

    command = [sys.executable, str(REPOSITORY / "examples" / name)]
    lines = _serve_until(command, environment, lambda lines: len(lines) == 11)

    assert "email:welcome to user 42, attempt 1" in lines
    assert {f"email:reminder to user {n}, attempt 1" for n in range(10)} <= set(lines)


def test_every_example_is_executed() -> None:
    files = {path.name for path in (REPOSITORY / "examples").glob("*.py")} - {"__init__.py"}

    assert files == {*EXAMPLES, "worker_sync.py", "worker_async.py", "worker_processes.py"}


def test_the_code_of_the_readme_runs(environment: dict[str, str], tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    producer, worker, inspection, scheduler = (
        block for block in blocks if "def test_" not in block
    )  # Those are run by pytest elsewhere.
    (tmp_path / "worker.py").write_text(worker)
    producer = producer.replace(", process_in=60", "")

    _run([sys.executable, "-c", producer], environment)
    lines = _serve_until([sys.executable, str(tmp_path / "worker.py")], environment, bool)

    assert lines == ["b'{\"user_id\": 42}' 0"]
    _start_and_end([sys.executable, "-c", scheduler], environment)
    queues = "import asynq_compat as asynq\nfor queue in ('default', 'old'):\n    asynq.Client().enqueue(asynq.Task('t'), queue=queue)\n"
    _run([sys.executable, "-c", queues + inspection], environment)
