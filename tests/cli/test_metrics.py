"""Does `asynq-compat metrics` tell of the queues, once or whenever it is asked?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.cli.conftest import Ask


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a broker with one task."""
    url = f"sqlite:///{tmp_path}/tasks.db" if request.param == "sqlite" else str(request.getfixturevalue("redis_url"))
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("t"))
    return url


def test_once_says_in_one_line_that_the_broker_does_not_answer(ask: Ask, tmp_path: Path) -> None:
    answer = ask("--broker", f"redis-socket://{tmp_path}/nobody.sock", "metrics", "--once")

    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)


def test_once_prints_the_metrics_of_the_queues(ask: Ask, url: str) -> None:
    said = ask("--broker", url, "metrics", "--once")

    assert said.code == 0
    assert 'asynq_tasks_enqueued_total{queue="default",state="pending"} 1.0' in said.out.splitlines()
    assert "python_info" not in said.out


def test_it_serves_until_it_is_told_to_end(url: str) -> None:
    command = [
        sys.executable,
        "-c",
        "from asynq_compat.cli.main import main; main()",
        "--broker",
        url,
        "metrics",
        "--addr",
        "127.0.0.1:0",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as exporter:
        assert exporter.stdout is not None
        address = exporter.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=30) as answer:
            page = answer.read().decode()
        exporter.send_signal(signal.SIGTERM)

        assert exporter.wait(30) == 0
    assert 'asynq_queue_size{queue="default"} 1.0' in page.splitlines()
    assert "process_cpu_seconds_total" in page


@pytest.mark.parametrize("addr", ["9876", "nowhere"])
def test_an_address_that_is_none_is_told_in_a_line(ask: Ask, url: str, addr: str) -> None:
    said = ask("--broker", url, "metrics", "--addr", addr)

    assert said.code != 0
    assert len(said.err.splitlines()) == 1
    assert addr in said.err
