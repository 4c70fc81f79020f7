"""Does the demo account for every task, also when it is interrupted?"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import asynq_compat as asynq
from examples.demo.__main__ import begin
from examples.demo.plan import QUEUES
from tests.services.kafka import KafkaCluster
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
WHOLE = re.compile(r"(\d+) tasks taken, \1 reached their end, 0 lost, 0 done twice")

# An evening takes a quarter of a minute where nothing else is done.
PATIENCE_S = 240.0
pytestmark = pytest.mark.timeout(2 * PATIENCE_S)


def _demo(state: Path, broker: str, *options: str | Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "ASYNQ_COMPAT_BROKER"}
    if broker:
        environment["ASYNQ_COMPAT_BROKER"] = broker
    command = [sys.executable, "-m", "examples.demo", "--state", str(state), *map(str, options)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _attempts(state: Path) -> int:
    return sum(len(file.read_text().splitlines()) for file in state.glob("worker-*.jsonl"))


def _assert_whole(demo: subprocess.Popen[str]) -> None:
    output, _ = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0, output
    assert WHOLE.search(output.replace("\n", " ")), output


def test_an_interrupted_demo_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    state = tmp_path / "evening"
    first = _demo(state, "")
    wait_until(lambda: _attempts(state) > 50, "fifty attempts", PATIENCE_S)

    first.send_signal(signal.SIGINT)
    output, _ = first.communicate(timeout=PATIENCE_S)

    assert first.returncode == 130, output
    _assert_whole(_demo(state, ""))


@pytest.mark.parametrize(
    ("run", "left", "goes_on"),
    [
        ("abc", ("plan.jsonl", "tasks.db"), True),
        ("abc", (), True),
        ("abc", ("plan.jsonl", "tasks.db", "ended"), False),
        ("abc", ("plan.jsonl", "worker-ben.jsonl"), False),
        ("", ("plan.jsonl", "tasks.db"), False),
    ],
)
def test_a_folder_that_is_over_or_not_whole_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, left: tuple[str, ...], goes_on: bool
) -> None:
    monkeypatch.delenv("ASYNQ_COMPAT_BROKER", raising=False)
    (tmp_path / "run").write_text(run)
    for name in (*left, "of-the-user.txt"):
        (tmp_path / name).touch()
    if "tasks.db" in left:
        with asynq.Client(asynq.EmbeddedOpt(tmp_path / "tasks.db")) as client:
            client.enqueue(asynq.Task("mail"), queue=next(iter(QUEUES)))

    begin(tmp_path)

    assert ((tmp_path / "run").read_text() == run) == goes_on
    kept = {path.name for path in tmp_path.iterdir() if not path.name.startswith("tasks.db-")}
    assert kept == {"run", "of-the-user.txt", *(left if goes_on else ())}


@pytest.mark.redis
def test_an_evening_whose_redis_was_wiped_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", redis_url)
    (tmp_path / "run").write_text("abc")
    (tmp_path / "plan.jsonl").touch()

    begin(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert (tmp_path / "run").read_text() != "abc"


def test_a_broker_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    demo = _demo(tmp_path, "redis://127.0.0.1:1")
    output, _ = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert output.splitlines()[-1].startswith("error: redis at 127.0.0.1:1 cannot be reached")


@pytest.mark.redis
@pytest.mark.go
def test_go_and_python_share_the_evening_on_redis(
    tmp_path: Path, redis_server: RedisServer, go_program: Callable[[str], Path]
) -> None:
    del redis_server  # one of its own: the demo's queues are named alike
    redis = RedisServer()
    try:
        state = tmp_path / "evening"
        _assert_whole(_demo(state, redis.url, "--go", go_program("evening")))
        assert _attempts_by(state, "gopher") > 0
        assert _attempts_by(state, "anna") > 0
    finally:
        redis.stop()


@pytest.mark.kafka
@pytest.mark.go
def test_bare_records_from_go_join_the_evening_on_the_kafka_api(
    tmp_path: Path, kafka_cluster: KafkaCluster, kafka_namespace: str, go_program: Callable[[str], Path]
) -> None:
    state = tmp_path / "evening"

    _assert_whole(
        _demo(state, f"redpanda://{kafka_cluster.bootstrap}/{kafka_namespace}", "--bare", go_program("evening"))
    )

    assert len((state / "plan-bare.jsonl").read_text().splitlines()) == 60


def _attempts_by(state: Path, worker: str) -> int:
    return len((state / f"worker-{worker}.jsonl").read_text().splitlines())
